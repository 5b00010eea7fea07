from typing import Any

import kubernetes_validate
import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.local.cluster.refs import ENVIRONMENT, Object, Ref
from springtide.local.render.objects import has_unknown, kubernetes_objects
from springtide.local.render.placement import homeless
from springtide.local.render.substitute import CLUSTER_WIDE, Rendition, replace, substitute
from springtide.local.render.substitution import Here, named

from .local_plans import EVERY, all_of, kubernetes, names_of, one, plan, plan_of, told, variables

KEDA = frozenset({"karpenter.sh", "karpenter.kwok.sh", "keda.sh"})
HERES = (Here(), Here(real=True), Here(groups=KEDA), Here(groups=frozenset()), Here(idle_seconds=0, storage_path="/s"))
heres = st.builds(
    Here,
    real=st.booleans(),
    groups=st.frozensets(
        st.sampled_from(
            ["karpenter.sh", "karpenter.kwok.sh", "keda.sh", "kueue.x-k8s.io", "jobset.x-k8s.io", "metrics.k8s.io"]
        )
    ),
    run_seconds=st.integers(0, 9999),
    idle_seconds=st.integers(0, 9999),
)
keys = st.sampled_from(["name", "value", "spec", "data", "«urn:x#/tags/*»", "$secret", "plain"])
texts = st.sampled_from(["", "plain", "«urn:x#/id»", "http://«urn:x#/endpoint»:80", "«unknown»", "s3://bucket/key"])
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=12,
)


def of(environment: str, here: Here = Here()) -> Rendition:  # noqa: B008  frozen
    return substitute(plan_of(environment), here)


def labels(item: Object) -> dict[str, Any]:
    found: dict[str, Any] = item["metadata"].get("labels", {})
    return found


@pytest.mark.parametrize("environment", EVERY)
def test_nothing_that_only_a_cloud_knows_leaves(environment: str) -> None:
    for here in HERES:
        assert not [Ref.of(item) for item in of(environment, here).objects if has_unknown(item)]


@pytest.mark.parametrize("environment", EVERY)
def test_a_rendition_is_left_as_it_is(environment: str) -> None:
    for here in HERES:
        found = of(environment, here)
        again = replace(found.objects, here, environment)
        assert again == Rendition(objects=found.objects, substitutions=())


@pytest.mark.parametrize("environment", EVERY)
def test_every_object_is_the_environments_and_in_a_namespace_where_it_has_one(environment: str) -> None:
    for item in of(environment).objects:
        assert labels(item)[ENVIRONMENT] == environment
        assert ("namespace" in item["metadata"]) == (item["kind"] not in CLUSTER_WIDE), Ref.of(item)


@pytest.mark.parametrize("environment", EVERY)
def test_every_object_of_the_plan_is_there_or_told(environment: str) -> None:
    found = of(environment)
    there = {(item["kind"], item["metadata"]["name"]) for item in found.objects}
    lines = " ".join(item.what for item in found.substitutions)
    moved = {"JobSet": "Job", "EC2NodeClass": "KWOKNodeClass"}
    for item in kubernetes_objects(plan_of(environment)):
        kind, name = item["kind"], item["metadata"]["name"]
        if (moved.get(kind, kind), name) not in there:
            assert name in lines or " more)" in lines, f"{kind} {name}"


@pytest.mark.parametrize("environment", EVERY)
def test_kubernetes_knows_every_field_that_is_sent_to_it(environment: str) -> None:
    own = {"", "apps", "batch", "policy", "autoscaling"}
    for here in HERES[:3]:
        for item in of(environment, here).objects:
            if Ref.of(item).group in own:
                kubernetes_validate.validate(item, "1.35", strict=True)


@pytest.mark.parametrize("environment", EVERY)
def test_every_pod_has_a_pool_or_a_node_to_go_to(environment: str) -> None:
    assert homeless(of(environment).objects) == ()


@pytest.mark.parametrize("environment", ["full", "direct"])
def test_the_same_plan_gives_the_same_rendition(environment: str) -> None:
    assert of(environment) == of(environment)


def test_the_plan_is_not_changed() -> None:
    before = plan_of("full").to_json()
    of("full", Here(real=True))
    assert plan_of("full").to_json() == before


def test_a_karpenter_pool_is_the_same_over_machines_that_are_simulated() -> None:
    theirs = one(kubernetes_objects(plan_of("prod-aws")), "NodePool", "train.spot.use1-az2")["spec"]
    found = of("prod-aws")
    ours = one(found, "NodePool", "train.spot.use1-az2")["spec"]
    assert ours["template"]["spec"]["nodeClassRef"] == {
        "group": "karpenter.kwok.sh",
        "kind": "KWOKNodeClass",
        "name": "train.use1-az2",
    }
    assert one(found, "KWOKNodeClass", "train.use1-az2")["spec"] == {"nodeRegistrationDelay": "3s"}
    for part in ("requirements", "taints", "expireAfter", "terminationGracePeriod"):
        assert ours["template"]["spec"][part] == theirs["template"]["spec"][part]
    assert (ours["weight"], ours["limits"]) == (theirs["weight"], theirs["limits"])
    assert ours["disruption"] == theirs["disruption"] | {"consolidateAfter": "30s"}


def test_a_plan_of_aws_in_full() -> None:
    found = of("full")
    assert [str(Ref.of(item)) for item in found.objects] == [
        "Node cluster-system-0",
        "Node cluster-system-1",
        "Node cluster-system-2",
        "Node train-0",
        "Namespace springtide",
        "KWOKNodeClass serve",
        "KWOKNodeClass train",
        "NodePool serve",
        "NodePool train.on-demand.use1-az1",
        "Service springtide/chat",
        "Service springtide/draft",
        "PodDisruptionBudget springtide/chat",
        "PodDisruptionBudget springtide/draft",
        "ServiceAccount springtide/chat",
        "Deployment springtide/chat",
        "ServiceAccount springtide/draft",
        "Deployment springtide/draft",
        "ServiceAccount springtide/gpt-2026-11-22a",
        "Job springtide/gpt-2026-11-22a",
    ]
    assert [item.what for item in found.substitutions] == [
        "EKS node groups (cluster-system, train)",
        "JobSets (gpt-2026-11-22a)",
        "EC2NodeClasses and the NodePools that name them (serve, train, train.on-demand.use1-az1)",
        "Releases of Helm charts (jobset, karpenter-crd, karpenter and 3 more)",
        "Kueue's queues (research, research-train)",
        "ScaledObjects of KEDA (chat)",
        "Autoscalers by CPU use (draft)",
        "Queues of runs (gpt-2026-11-22a)",
        "Time that idle machines stay (serve, train.on-demand.use1-az1)",
        "Buckets and file systems (chat, draft, gpt-2026-11-22a)",
        "Machines",
        "Containers",
        "Service addresses and names",
    ]


def test_a_plan_of_gcp_in_full() -> None:
    found = of("direct")
    assert names_of(found, "Job") == ["gpt-first", "slow-first"]
    assert names_of(found, "Deployment") == ["chat", "cpu"]
    assert {item["kind"] for item in found.objects} == {
        *("Namespace", "Node", "NodePool", "KWOKNodeClass", "Service", "ServiceAccount"),
        *("PodDisruptionBudget", "Deployment", "Job"),
    }
    assert told(found, "Fabrics") == "nothing: pods of several nodes talk over plain TCP"
    assert told(found, "DaemonSets") == "nothing: simulated nodes have their devices"
    assert told(found, "Rights in a cloud") == "none: what pods use is a folder"


def test_an_autoscaler_is_kept_once_keda_is_here() -> None:
    here = Here(groups=KEDA, idle_seconds=20)
    found = of("full", here)
    assert names_of(found, "ScaledObject") == ["chat"]
    assert told(found, "Time that a service stays too large") == "20 s"


def test_real_pods_are_told_of_what_they_compute_on() -> None:
    found = of("full", Here(real=True))
    assert variables(one(found, "Job", "gpt-2026-11-22a"))["PET_NPROC_PER_NODE"] == "1"
    assert told(found, "Images, GPUs and processes").startswith("this machine's own Python")
    assert not [item for item in found.substitutions if item.what == "Containers"]


def test_a_users_own_cluster_without_karpenter_gets_no_node_pools() -> None:
    found = of("prod-aws", Here(groups=frozenset()))
    assert {item["kind"] for item in found.objects} == {"Namespace", "Node"}
    assert told(found, "NodePools of Karpenter").startswith("pods wait for a node of this cluster")


def test_an_object_of_an_unknown_kind_is_named_and_not_sent() -> None:
    strange = kubernetes("example.com/v1:Moon", "full", {"apiVersion": "example.com/v1", "kind": "Moon"})
    found = substitute(plan((strange,)), Here())
    assert not all_of(found, "Moon")
    assert told(found, "Objects of kinds that nobody here knows (full)") == "nothing"


def test_a_cloud_of_this_machine_passes_through() -> None:
    pool = {
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodePool",
        "metadata": {"name": "train"},
        "spec": {
            "disruption": {"consolidateAfter": "10s"},
            "template": {
                "spec": {
                    "nodeClassRef": {"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": "train"},
                    "requirements": [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["use1-az1"]}],
                }
            },
        },
    }
    registered = kubernetes("karpenter.sh/v1:NodePool", "train", pool)
    found = substitute(plan((registered,)), Here())
    assert one(found, "NodePool", "train")["spec"] == pool["spec"]
    assert [item.what for item in found.substitutions] == ["Machines"]


def test_an_environment_of_this_machine_keeps_all_that_it_registers() -> None:
    found = of("local", Here(groups=KEDA))
    registered = {str(Ref.of(item)) for item in kubernetes_objects(plan_of("local"))}
    assert {str(Ref.of(item)) for item in found.objects} == registered
    assert (
        variables(one(found, "Job", "gpt-first"))["SPRINGTIDE_ARTIFACTS_URL"]
        == "file:///storage/artifacts/jobs/gpt/first"
    )


def test_a_field_that_only_a_cloud_knows_is_left_out_and_told() -> None:
    data = {"url": "http://«urn:x#/endpoint»", "mode": "fast"}
    resource = kubernetes("core/v1:ConfigMap", "settings", {"metadata": {"name": "settings"}, "data": data})
    found = substitute(plan((resource,)), Here())
    assert one(found, "ConfigMap", "settings")["data"] == {"mode": "fast"}
    assert told(found, "Values that only a cloud knows (settings)") == "what they stand in is left out"


def test_an_object_whose_name_only_a_cloud_knows_is_not_sent() -> None:
    resource = kubernetes("core/v1:ConfigMap", "settings", {"metadata": {"name": "«urn:x#/id»"}})
    assert names_of(substitute(plan((resource,)), Here()), "ConfigMap") == []


def test_a_variable_whose_value_is_unknown_is_not_set_to_nothing() -> None:
    env = [{"name": "A", "value": "«urn:x#/id»"}, {"name": "B", "value": "b"}]
    spec = {"template": {"spec": {"containers": [{"name": "main", "image": "main", "env": env}]}}}
    resource = kubernetes("apps/v1:Deployment", "chat", {"metadata": {"name": "chat"}, "spec": spec})
    assert variables(one(substitute(plan((resource,)), Here()), "Deployment", "chat")) == {"B": "b"}


@given(st.dictionaries(keys, values, max_size=4), heres)
def test_no_object_whatever_it_holds_leaves_with_a_placeholder(data: dict[str, Any], here: Here) -> None:
    inputs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": data}
    found = substitute(plan((kubernetes("core/v1:ConfigMap", "settings", inputs),)), here)
    assert not [item for item in found.objects if has_unknown(item)]
    assert replace(found.objects, here, "dev").objects == found.objects


@given(heres, st.sampled_from(["full", "prod-gcp", "direct"]))
def test_whatever_a_machine_can_do_a_second_substitution_changes_nothing(here: Here, environment: str) -> None:
    found = of(environment, here)
    assert replace(found.objects, here, environment) == Rendition(objects=found.objects, substitutions=())


def test_a_line_names_three_objects_and_counts_the_rest() -> None:
    assert named(["a", "b", "a"]) == " (a, b)"
    assert named(list("abcdefgh")) == " (a, b, c and 5 more)"
    assert not named([])
