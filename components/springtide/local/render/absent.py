"""What has no place on this machine: kinds that nobody here answers for. Each is left out by name, never in silence."""

from collections.abc import Callable, Mapping

from springtide.local.cluster.refs import Object, Ref
from springtide.local.render.substitution import Here, Rule

KEDA = "keda.sh"
METRICS = "metrics.k8s.io"
_KUBERNETES = frozenset(
    {
        *("", "apps", "autoscaling", "batch", "policy", "resource.k8s.io", "scheduling.k8s.io", "storage.k8s.io"),
        *("admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "certificates.k8s.io"),
        *("coordination.k8s.io", "discovery.k8s.io", "events.k8s.io", "flowcontrol.apiserver.k8s.io"),
        *("networking.k8s.io", "node.k8s.io", "rbac.authorization.k8s.io"),
    }
)
"""Groups that every API server answers for."""
_VOLUMES = frozenset({"PersistentVolume", "PersistentVolumeClaim"})
_NO_CLOUD = "it asks a cloud's service, and there is none here"


def _unless(of_kind: Callable[[Object, Here], bool]) -> Callable[[Object, Here], Object | None]:
    return lambda item, here: None if of_kind(item, here) else item


def _of_group(group: str) -> Callable[[Object, Here], bool]:
    return lambda item, here: Ref.of(item).group == group and group not in here.groups


def _measured_cpu(item: Object, here: Here) -> bool:
    return item["kind"] == "HorizontalPodAutoscaler" and METRICS not in here.groups


def _outside(item: Object, _here: Here) -> bool:
    balancer = item["kind"] == "Service" and item.get("spec", {}).get("type") == "LoadBalancer"
    return balancer or Ref.of(item).group == "networking.k8s.io"


def _of_strangers(item: Object, here: Here) -> bool:
    return Ref.of(item).group not in _KUBERNETES | here.groups


_GROUPS: Mapping[str, tuple[str, str, str]] = {
    "helm.sh": (
        "Releases of Helm charts",
        "nothing is installed: what scales nodes and pods runs as programs of this machine, and nothing else does",
        "charts pull images, and no registry is asked here",
    ),
    "kueue.x-k8s.io": (
        "Kueue's queues",
        "runs start at once, whatever their queue's quota",
        "Kueue is published as an image only, and no registry is asked here",
    ),
    "cloud.google.com": (
        "GKE ComputeClasses",
        "the order of the NodePools' weights",
        "they are read in Google's control plane only",
    ),
    "networking.gke.io": ("GKE networks and load balancing policies", "nothing", _NO_CLOUD),
    "gateway.networking.k8s.io": ("Gateways and their routes", "pods are reached by their own addresses", _NO_CLOUD),
    "elbv2.k8s.aws": ("Bindings of AWS target groups", "pods are reached by their own addresses", _NO_CLOUD),
    "karpenter.sh": (
        "NodePools of Karpenter",
        "pods wait for a node of this cluster that has their pool's label and taint",
        "Karpenter does not run in this cluster",
    ),
    "karpenter.kwok.sh": (
        "KWOKNodeClasses, which simulate machines",
        "the machines that this cluster has",
        "Karpenter's kwok provider does not run in this cluster",
    ),
    "monitoring.coreos.com": (
        "Monitors and alerts of the Prometheus operator",
        "`springtide status` shows the servers' numbers",
        "no Prometheus runs here",
    ),
    KEDA: (
        "ScaledObjects of KEDA",
        "services keep the replicas that they have",
        "KEDA does not run here, or not yet",
    ),
}
"""Group of custom resources → what it is, what there is instead, and why."""

RULES: tuple[Rule, ...] = (
    *(
        Rule(what=what, instead=instead, why=why, change=_unless(_of_group(group)))
        for group, (what, instead, why) in _GROUPS.items()
    ),
    Rule(
        what="DaemonSets that prepare machines",
        instead="nothing: simulated nodes have their devices",
        why="they change the kernel and the devices of the node they run on",
        change=_unless(lambda item, _here: item["kind"] == "DaemonSet"),
    ),
    Rule(
        what="Ways in from outside the cluster",
        instead="pods are reached by their own addresses",
        why=_NO_CLOUD,
        change=_unless(_outside),
    ),
    Rule(
        what="Volumes on a cloud's file systems",
        instead="folders below {here.storage_path}",
        why=_NO_CLOUD,
        change=_unless(lambda item, _here: item["kind"] in _VOLUMES),
    ),
    Rule(
        what="Autoscalers by CPU use",
        instead="services keep the replicas that they have",
        why="nothing here measures what simulated pods use",
        change=_unless(_measured_cpu),
    ),
    Rule(
        what="Objects of kinds that nobody here knows",
        instead="nothing",
        why="this API server has no definition of them",
        change=_unless(_of_strangers),
    ),
)
"""What is left out. The last rule is for what no other one knows."""
