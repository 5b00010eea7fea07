from typing import Any

import pytest

from springtide.local.cluster.refs import Object
from springtide.local.render.placement import homeless

GPU = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
LADDER = {"key": "cloud.google.com/compute-class", "value": "train", "effect": "NoSchedule"}
GPU_TOLERATION = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
POOL = {"springtide.dev/pool": "train"}


def node_pool(name: str = "train", *taints: dict[str, str], zones: tuple[str, ...] = ("a", "b")) -> Object:
    wanted = [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": list(zones)}]
    template = {"metadata": {"labels": POOL}, "spec": {"taints": list(taints), "requirements": wanted}}
    return {
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodePool",
        "metadata": {"name": name},
        "spec": {"template": template},
    }


def node(**labels: str) -> Object:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node", "labels": labels}, "spec": {}}


def job(**pod: Any) -> Object:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "gpt", "namespace": "springtide"},
        "spec": {"template": {"spec": pod}},
    }


def required(*expressions: dict[str, Any]) -> dict[str, Any]:
    terms = {"nodeSelectorTerms": [{"matchExpressions": list(expressions)}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


def refused(*objects: Object) -> list[tuple[str, ...]]:
    return [item.why for item in homeless(objects)]


def test_a_pod_goes_where_its_label_is_and_its_taint_is_tolerated() -> None:
    assert refused(node_pool("train", GPU), job(nodeSelector=POOL, tolerations=[GPU_TOLERATION])) == []


def test_a_taint_without_a_toleration_is_quoted_for_each_pool() -> None:
    assert refused(node_pool("train.spot", GPU, LADDER), job(nodeSelector=POOL, tolerations=[GPU_TOLERATION])) == [
        ("train.spot: it does not tolerate cloud.google.com/compute-class=train:NoSchedule",)
    ]


def test_a_label_that_no_pool_has_is_quoted() -> None:
    assert refused(node_pool(), job(nodeSelector={"springtide.dev/pool": "serve", "a": "b"})) == [
        ("no pool and no node has a=b and springtide.dev/pool=serve",)
    ]


def test_one_pool_of_several_is_enough() -> None:
    assert refused(node_pool("one", LADDER), node_pool("two"), job(nodeSelector=POOL)) == []


def test_a_node_that_is_always_there_is_a_place_too() -> None:
    assert refused(node(role="system"), job(nodeSelector={"role": "system"})) == []


def test_labels_that_every_node_gets_need_no_words_of_the_pool() -> None:
    assert refused(node_pool(), job(nodeSelector={"kubernetes.io/arch": "arm64"})) == []
    assert refused(node_pool(), job(nodeSelector={"topology.kubernetes.io/zone": "c"})) != []


@pytest.mark.parametrize(
    ("expression", "fits"),
    [
        ({"key": "springtide.dev/pool", "operator": "In", "values": ["train", "serve"]}, True),
        ({"key": "springtide.dev/pool", "operator": "NotIn", "values": ["train"]}, False),
        ({"key": "topology.kubernetes.io/zone", "operator": "NotIn", "values": ["a"]}, True),
        ({"key": "topology.kubernetes.io/zone", "operator": "NotIn", "values": ["a", "b"]}, False),
        ({"key": "springtide.dev/pool", "operator": "Exists"}, True),
        ({"key": "springtide.dev/rung", "operator": "Exists"}, False),
        ({"key": "springtide.dev/rung", "operator": "DoesNotExist"}, True),
        ({"key": "springtide.dev/rung", "operator": "Gt", "values": ["1"]}, False),
    ],
)
def test_node_affinity_is_asked_as_the_scheduler_would(expression: dict[str, Any], *, fits: bool) -> None:
    assert (refused(node_pool(), job(affinity=required(expression))) == []) is fits


def test_one_of_several_terms_is_enough() -> None:
    affinity = required({"key": "moon", "operator": "Exists"})
    terms = affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    terms.append({"matchExpressions": [{"key": "springtide.dev/pool", "operator": "Exists"}]})
    assert refused(node_pool(), job(affinity=affinity)) == []


@pytest.mark.parametrize(
    ("toleration", "fits"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "nvidia.com/gpu", "operator": "Equal", "value": "present"}, True),
        ({"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}, True),
        ({"key": "nvidia.com/gpu", "value": "absent"}, False),
        ({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "moon", "operator": "Exists"}, False),
    ],
)
def test_tolerations_are_read_as_kubernetes_reads_them(toleration: dict[str, str], *, fits: bool) -> None:
    assert (refused(node_pool("train", GPU), job(tolerations=[toleration])) == []) is fits


def test_a_taint_that_only_prefers_keeps_nobody_out() -> None:
    soft = {**GPU, "effect": "PreferNoSchedule"}
    assert refused(node_pool("train", soft), job(nodeSelector=POOL)) == []
