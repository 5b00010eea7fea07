"""Which changes exchange nodes though the resource itself stays: one node after another is drained and replaced."""

from collections.abc import Iterable

from springtide.offline.paths import overlaps
from springtide.offline.plan import Resource

NODE_GROUP = "aws:eks/nodeGroup:NodeGroup"
NODE_POOL = "gcp:container/nodePool:NodePool"
KARPENTER_POOL = "kubernetes:karpenter.sh/v1:NodePool"
NODE_CLASS = "kubernetes:karpenter.k8s.aws/v1:EC2NodeClass"
EKS_CLUSTER = "aws:eks/cluster:Cluster"

# Node groups: EKS's own rolling update. NodePool and EC2NodeClass: Karpenter's drift, by the hash of the template and by
# what selectors find (its page on disruption); weight, limits and disruption settings are no part of it. EKS clusters:
# the image that an alias stands for is looked up by the version of Kubernetes. GKE: what the provider updates by
# exchanging nodes; labels and taints are not among it.
_ROLLS: dict[str, tuple[str, ...]] = {
    EKS_CLUSTER: ("/version",),
    NODE_CLASS: ("/spec",),
    NODE_GROUP: ("/launchTemplate/version", "/releaseVersion", "/version"),
    NODE_POOL: (
        "/nodeConfig/containerdConfig", "/nodeConfig/diskSizeGb", "/nodeConfig/diskType", "/nodeConfig/fastSocket",
        "/nodeConfig/gcfsConfig", "/nodeConfig/gvnic", "/nodeConfig/imageType", "/nodeConfig/kubeletConfig",
        "/nodeConfig/linuxNodeConfig", "/nodeConfig/loggingVariant", "/nodeConfig/machineType",
        "/nodeConfig/workloadMetadataConfig", "/version",
    ),
    KARPENTER_POOL: ("/spec/template",),
}  # fmt: skip
_EXCEPT: dict[str, tuple[str, ...]] = {NODE_CLASS: ("/spec/role",)}
WHY: dict[str, str] = {
    EKS_CLUSTER: "drift to the image of its new version",
    KARPENTER_POOL: "drift from its template",
    NODE_CLASS: "drift from their class",
}
"""Types whose nodes Karpenter exchanges → why it does."""
NODES = frozenset({KARPENTER_POOL, NODE_CLASS, NODE_GROUP, NODE_POOL})
"""Types that stand for nodes: without the resource there are none."""


def rolls(kind: str, changed: Iterable[str]) -> bool:
    """Whether an update of these properties exchanges the nodes behind a resource of this type."""
    settled = [path for path in changed if not any(overlaps(path, other) for other in _EXCEPT.get(kind, ()))]
    return any(overlaps(path, trigger) for path in settled for trigger in _ROLLS.get(kind, ()))


def waits(node_pool: Resource) -> bool:
    """Whether its machines were waited for: flex-start and queued ones. GKE drains none of those for an upgrade.

    It upgrades them by the strategy SHORT_LIVED, which is theirs alone (its documentation on node upgrade strategies). That
    a machine which is there is left alone until it ends is from memory, unverified.
    """
    said = node_pool.inputs
    return bool((said.get("queuedProvisioning") or {}).get("enabled")) or bool(
        (said.get("nodeConfig") or {}).get("flexStart")
    )
