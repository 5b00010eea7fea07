"""The program that every environment is built by: what it registers, under which names, in which order."""

from pathlib import Path

import pytest
from tests.environment_files import BASE, edited
from tests.recordings import Recorded, of_file, of_text, pod_of, variables_of

from springtide.offline.plan import Resource

GOLDEN = Path(__file__).parent / "full.urns"
IMAGES = ("  policies:", f"  images: {{digest: 'sha256:{'a' * 64}'}}\n  policies:")
AWAKE = ("max_nodes: 2, p", "max_nodes: 2, min_nodes: 1, p")
COMPONENT = "springtide:index:"


@pytest.fixture(scope="module")
def full() -> Recorded:
    return of_file("full")


def kubernetes(found: Recorded) -> list[str]:
    """Names of the workloads' Kubernetes objects."""
    below = ("TrainingJob", "ModelService")
    return [
        item.name for item in found.resources if "kubernetes:" in item.type and any(kind in item.urn for kind in below)
    ]


def test_names_and_parents_are_the_ones_that_were_reviewed(full: Recorded) -> None:
    assert "\n".join(full.names()) + "\n" == GOLDEN.read_text(encoding="utf-8"), (
        "a renamed or moved resource needs an alias; if that is done, write `python -m tests.stacks.test_program`"
    )


@pytest.mark.parametrize("name", ["full", "zeros"])
def test_every_resource_belongs_to_a_component_and_every_component_to_the_stack(name: str) -> None:
    found = of_file(name)
    components = {item.urn for item in found.resources if not item.custom}
    assert [item.urn for item in found.resources if item.custom and item.parent not in components] == []
    parents = {item.parent for item in found.resources if item.type.startswith(COMPONENT)}
    assert parents <= {None, *(item.urn for item in found.resources if item.type.startswith(COMPONENT))}


def test_every_resource_has_a_provider_of_the_environment_and_none_a_default_one(full: Recorded) -> None:
    providers = {item.urn for item in full.resources if item.type.startswith("pulumi:providers:")}
    assert len(providers) == 2
    assert {item.provider for item in full.resources if item.custom and item.urn not in providers} == providers


def test_zeros_are_zeros_in_every_rendering() -> None:
    found = of_file("zeros")
    assert found.one("Environment", "zeros").inputs["budgetUsdPerHour"] == 0
    assert found.one("GpuPool", "idle").inputs["minNodes"] == 0
    assert [item.name for item in found.all("NodeGroup")] == ["cluster-system"]
    assert found.one("TrainingJob", "gpt").inputs["noticeSeconds"] == 0
    service = found.one("ModelService", "chat").inputs
    assert (service["gpus"], service["propagationSeconds"]) == (0, 0)
    assert variables_of(found.one("Deployment", "chat"))["SPRINGTIDE_PROPAGATION_SECONDS"] == "0"
    assert variables_of(found.one("JobSet", "gpt-0"))["SPRINGTIDE_NOTICE_SECONDS"] == "0"


def test_without_an_image_intent_is_registered_and_nothing_runs() -> None:
    found = of_text(BASE)
    assert found.one("TrainingJob", "gpt").inputs == {
        "checkpoints": "artifacts",
        "fabrics": [],
        "gpusPerNode": 1,
        "graceSeconds": 110,
        "interruption": "a save takes about 0.5 s (estimated: 1.0 GiB); 90 s are left for it after a notice: "
        "a notice costs one step at most",
        "nodes": 2,
        "noticeSeconds": 120,
        "pool": "train",
        "recipe": "gpt_small",
        "run": "first",
        "saveDeadlineSeconds": 90,
    }
    assert found.one("ModelService", "chat").inputs["maxReplicas"] == 2
    assert kubernetes(found) == []


def test_a_job_without_a_run_is_defined_and_not_started(full: Recorded) -> None:
    later = full.one("TrainingJob", "later")
    assert "run" not in later.inputs
    assert full.children(later) == []


def test_another_run_is_another_job_and_the_definition_of_a_run_that_lives_is_left_alone() -> None:
    first = of_text(edited(IMAGES))
    second = of_text(edited(IMAGES, ("run: first", "run: second")))
    assert (first.all("JobSet")[0].name, second.all("JobSet")[0].name) == ("gpt-first", "gpt-second")
    assert set(kubernetes(first)) - set(kubernetes(second)) == {"gpt-first"}
    assert first.one("JobSet", "gpt-first").options["ignore_changes"] == ["metadata", "spec"]
    url = "s3://springtide-dev-artifacts-123456789012/jobs/gpt"
    assert variables_of(first.one("JobSet", "gpt-first"))["SPRINGTIDE_ARTIFACTS_URL"] == f"{url}/first"
    assert variables_of(second.one("Deployment", "chat"))["SPRINGTIDE_MODEL_URL"] == f"{url}/second"


def test_an_autoscaler_owns_the_replicas_just_where_there_is_one(full: Recorded) -> None:
    assert [item.name for item in full.all("HorizontalPodAutoscaler")] == ["draft"]
    assert [item.name for item in full.all("ScaledObject")] == ["chat"]
    assert full.one("Deployment", "draft").options["ignore_changes"] == ["spec.replicas"]
    assert full.one("Deployment", "chat").options["ignore_changes"] == ["spec.replicas"]
    bounds = full.one("HorizontalPodAutoscaler", "draft").inputs["spec"]
    assert (bounds["minReplicas"], bounds["maxReplicas"]) == (2, 5)
    assert of_text(edited(IMAGES)).one("Deployment", "chat").options["ignore_changes"] == []


def test_a_service_without_a_pool_runs_on_the_system_nodes(full: Recorded) -> None:
    pod = full.one("Deployment", "draft").inputs["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"springtide.dev/pool": "system"}
    assert pod["nodeSelector"].items() <= full.one("NodeGroup", "cluster-system").inputs["labels"].items()


@pytest.mark.parametrize(
    ("workload", "name", "rung"),
    [("JobSet", "gpt-2026-11-22a", "train.on-demand.use1-az1"), ("Deployment", "chat", "serve")],
)
def test_a_workload_selects_a_label_that_its_pools_nodes_have(
    full: Recorded, workload: str, name: str, rung: str
) -> None:
    pod = pod_of(full.one(workload, name))
    node = full.one("NodePool", rung).inputs["spec"]["template"]
    assert pod["nodeSelector"].items() <= node["metadata"]["labels"].items()
    assert {taint["key"] for taint in node["spec"]["taints"]} == {item["key"] for item in pod["tolerations"]}


def limits(workload: Resource) -> dict[str, int]:
    [container] = pod_of(workload)["containers"]
    return {name: int(value.removesuffix("Gi")) for name, value in container["resources"]["limits"].items()}


def test_a_trainer_gets_its_node_and_a_server_the_share_of_its_gpus(full: Recorded) -> None:
    """The smallest machines of both pools have 4 GPUs and 192 GiB: g5.12xlarge, g6.12xlarge."""
    trainer, server = limits(full.one("JobSet", "gpt-2026-11-22a")), limits(full.one("Deployment", "chat"))
    assert (trainer["nvidia.com/gpu"], server["nvidia.com/gpu"]) == (4, 1)
    assert 160 <= trainer["memory"] < 192
    assert 40 <= server["memory"] < 48
    assert trainer["ephemeral-storage"] < full.one("GpuPool", "train").inputs["diskGib"]
    assert server["ephemeral-storage"] <= full.one("GpuPool", "serve").inputs["diskGib"] // 4


@pytest.mark.parametrize(
    ("replicas", "first"),
    [("max: 2}", "maxUnavailable"), ("max: 1}", "maxSurge")],
    ids=["a-full-pool", "a-pool-with-room"],
)
def test_a_new_replica_comes_first_just_where_the_pool_has_room_for_it(replicas: str, first: str) -> None:
    found = of_text(
        edited(IMAGES, ("max: 2}", replicas), ("min_nodes: 0", "min_nodes: 2\n      zones: [use1-az1]"), AWAKE)
    )
    rolling = found.one("Deployment", "chat").inputs["spec"]["strategy"]["rollingUpdate"]
    assert {name for name, count in rolling.items() if count == 1} == {first}


def test_a_workload_may_touch_its_own_runs_prefix_and_only_the_trainer_may_write(full: Recorded) -> None:
    identities = {item.name: item.inputs["grants"] for item in full.all("WorkloadIdentity")}
    prefix = "jobs/gpt/2026-11-22a"
    assert identities == {
        "gpt-2026-11-22a": [{"prefix": prefix, "write": True}, {"prefix": "data", "write": False}],
        "chat": [{"prefix": prefix, "write": False}],
        "draft": [{"prefix": prefix, "write": False}],
    }


AFTER = [
    ("JobSet", "gpt-2026-11-22a", "NodePool", "train.on-demand.use1-az1"),
    ("JobSet", "gpt-2026-11-22a", "Release", "jobset"),
    ("JobSet", "gpt-2026-11-22a", "LocalQueue", "research"),
    ("LocalQueue", "research", "ClusterQueue", "research"),
    ("ClusterQueue", "research", "ResourceFlavor", "research-train"),
    ("ResourceFlavor", "research-train", "Release", "kueue"),
    ("ScaledObject", "chat", "Release", "keda"),
    ("ScaledObject", "chat", "Deployment", "chat"),
    ("JobSet", "gpt-2026-11-22a", "PodIdentityAssociation", "gpt-2026-11-22a"),
    ("JobSet", "gpt-2026-11-22a", "RolePolicy", "gpt-2026-11-22a"),
    ("JobSet", "gpt-2026-11-22a", "BucketPublicAccessBlock", "artifacts"),
    ("JobSet", "gpt-2026-11-22a", "BucketVersioning", "artifacts"),
    ("JobSet", "gpt-2026-11-22a", "Namespace", "springtide"),
    ("Deployment", "chat", "NodePool", "serve"),
    ("NodePool", "serve", "EC2NodeClass", "serve"),
    ("EC2NodeClass", "serve", "Release", "karpenter"),
    ("Release", "karpenter", "Release", "karpenter-crd"),
    ("Deployment", "chat", "PodIdentityAssociation", "chat"),
    ("Deployment", "draft", "NodeGroup", "cluster-system"),
    ("Deployment", "draft", "Addon", "coredns"),
    ("Release", "metrics-server", "Addon", "coredns"),
    ("NodeGroup", "train", "Cluster", "cluster"),
    ("NodeGroup", "train", "Addon", "vpc-cni"),
    ("NodeGroup", "train", "RolePolicyAttachment", "cluster-node-AmazonEKSWorkerNodePolicy"),
    ("NodeGroup", "train", "RolePolicy", "cluster-secrets"),
    ("NodeGroup", "train", "NatGateway", "network-use1-az1"),
    ("NodeGroup", "train", "Route", "network-private-use1-az2"),
    ("NodeGroup", "train", "RouteTableAssociation", "network-private-use1-az4"),
    ("NodeGroup", "train", "Route", "network-public"),
    ("NodeGroup", "train", "VpcEndpoint", "network-s3"),
    ("NodeGroup", "cluster-system", "NatGateway", "network-use1-az4"),
    ("NodeGroup", "cluster-system", "Addon", "kube-proxy"),
    ("Addon", "coredns", "NodeGroup", "cluster-system"),
    ("Cluster", "cluster", "LogGroup", "cluster"),
    ("Cluster", "cluster", "RolePolicyAttachment", "cluster-control-plane-AmazonEKSClusterPolicy"),
    ("BucketPolicy", "artifacts", "BucketPublicAccessBlock", "artifacts"),
    ("BucketLifecycleConfiguration", "artifacts", "BucketVersioning", "artifacts"),
]


@pytest.mark.parametrize(("kind", "name", "other", "needed"), AFTER, ids=[f"{a}-{b}-after-{d}" for a, b, _, d in AFTER])
def test_what_is_needed_is_made_before_and_destroyed_after(
    full: Recorded, kind: str, name: str, other: str, needed: str
) -> None:
    one = next(item for item in full.all(kind) if item.name == name and item.custom)
    before = next(item for item in full.all(other) if item.name == needed and item.custom)
    assert full.needs(one, before)
    assert not full.needs(before, one)


def test_what_lives_in_the_cluster_and_needs_no_goodbye_goes_with_it(full: Recorded) -> None:
    control_plane = next(item for item in full.all("Cluster") if item.custom)
    gone = {item.name for item in full.resources if item.options["deleted_with"] == control_plane.urn}
    assert gone == {"springtide"}


def told(found: Recorded) -> dict[str, str]:
    return {item.path: item.rule for item in found.warnings}


def test_what_will_not_run_is_told_as_a_warning_where_the_file_says_it() -> None:
    assert told(of_text(BASE)) == {
        "/pools/train/max_nodes": "aws/ceiling",
        "/jobs/gpt/image": "images/missing",
        "/services/chat/image": "images/missing",
        "/services/chat/replicas/max": "services/no-signal",
    }


def test_what_runs_is_not_warned_of() -> None:
    warm = ("min_nodes: 0", "min_nodes: 2\n      zones: [use1-az1]")
    assert told(of_text(edited(IMAGES, ("max: 2}", "max: 1}"), warm, AWAKE))) == {}


def test_a_service_of_a_job_that_never_ran_waits_for_a_model() -> None:
    found = of_text(edited(IMAGES, ("      run: first\n", "")))
    assert told(found)["/services/chat/model"] == "services/no-model"
    assert kubernetes(found) == []


def test_the_stack_tells_what_people_need_to_go_on(full: Recorded) -> None:
    assert full.outputs.keys() == {"cluster", "kubeconfig", "platform", "storage", "services"}
    assert full.outputs["storage"]["value"] == {
        "archive": "s3://springtide-full-archive-123456789012",
        "artifacts": "s3://springtide-full-artifacts-123456789012",
    }
    assert full.outputs["services"]["value"] == {"chat": "http://chat.springtide", "draft": "http://draft.springtide"}


if __name__ == "__main__":
    GOLDEN.write_text("\n".join(of_file("full").names()) + "\n", encoding="utf-8")
