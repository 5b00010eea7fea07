"""The one table of charts: what a controller comes from, pinned, the values we give it, and what must be there before."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from springtide.catalog import Pods
from springtide.k8s.queue import configuration


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A Helm chart in one version."""

    name: str
    source: str
    """`oci://` reference of the chart itself, or the address of the repository it lies in."""
    version: str
    namespace: str
    values: Mapping[str, Any] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    """Charts that must be there before, where they are installed too: its own resource definitions, say."""
    pods: tuple[Pods, ...] = ()
    """What it runs on system nodes; none where it runs on GPU nodes alone."""
    why: str
    """What in an environment needs it."""


# What they ask for is said here and not left to the charts, whose defaults (500m a pod of JobSet, Kueue and Karpenter alike)
# two small system nodes cannot hold: a release would wait for a pod that never starts, and be taken back. A controller may
# use more than it asks for; these act when work comes and goes, and idle between.
METRICS_SERVER = Pods(name="metrics-server", replicas=2, cpu_millis=100, memory_mib=200)
KARPENTER = Pods(name="karpenter", replicas=2, cpu_millis=250, memory_mib=1024, apart=True)
LOAD_BALANCER = Pods(name="aws-load-balancer-controller", replicas=2, cpu_millis=50, memory_mib=128)
JOBSET = Pods(name="jobset", replicas=2, cpu_millis=100, memory_mib=128)
KUEUE = Pods(name="kueue", replicas=2, cpu_millis=100, memory_mib=512)
KEDA = {
    "operator": Pods(name="keda: operator", replicas=2, cpu_millis=100, memory_mib=100),
    "metricServer": Pods(name="keda: metrics server", replicas=1, cpu_millis=100, memory_mib=100),
    "webhooks": Pods(name="keda: webhooks", replicas=1, cpu_millis=100, memory_mib=100),
}
"""By the chart's key of each."""

CLASHING = {
    "gpu-operator": "it installs a driver and a device plugin on nodes whose image has both, and cannot replace them",
    "nvidia-dra-driver-gpu": "it offers the GPUs that the device plugin offers already, so that each is given out twice",
}
"""What may be in a cluster already and must not be beside GPU pools of ours, and why. Pods ask for `nvidia.com/gpu`."""

OTHERS = {
    "prometheus-operator": "install it yourself, by kube-prometheus-stack say",
}
"""What is used where somebody else installed it, and never installed here: what to do to have it."""

CHARTS = {
    chart.name: chart
    for chart in (
        Chart(
            name="metrics-server",
            source="https://kubernetes-sigs.github.io/metrics-server/",
            version="3.13.0",
            namespace="kube-system",
            values={
                "replicas": METRICS_SERVER.replicas,
                "podDisruptionBudget": {"enabled": True, "maxUnavailable": 1},
                "resources": {"requests": METRICS_SERVER.requests},
            },
            pods=(METRICS_SERVER,),
            why="CPU and memory figures for autoscalers and `kubectl top`",
        ),
        Chart(
            name="karpenter-crd",
            source="oci://public.ecr.aws/karpenter/karpenter-crd",
            version="1.14.1",
            namespace="kube-system",
            why="Karpenter's resource definitions, which its own chart never upgrades",
        ),
        Chart(
            name="karpenter",
            source="oci://public.ecr.aws/karpenter/karpenter",
            version="1.14.1",
            namespace="kube-system",
            values={
                "replicas": KARPENTER.replicas,
                "controller": {
                    "resources": {"requests": KARPENTER.requests, "limits": {"memory": KARPENTER.requests["memory"]}}
                },
                "settings": {"featureGates": {"reservedCapacity": True}},
            },
            after=("karpenter-crd",),
            pods=(KARPENTER,),
            why="makes the machines that pods ask for, and takes back those that nobody uses",
        ),
        Chart(
            name="aws-load-balancer-controller",
            source="https://aws.github.io/eks-charts",
            version="3.5.0",
            namespace="kube-system",
            values={
                "replicaCount": LOAD_BALANCER.replicas,
                "podDisruptionBudget": {"maxUnavailable": 1},
                "resources": {"requests": LOAD_BALANCER.requests},
                # Load balancers are ours; it only says which pods stand behind them. What it might do besides is off: the
                # rights for it are not there, and its webhook would stand in the way of every Service of the cluster.
                "enableServiceMutatorWebhook": False,
                "createIngressClassResource": False,
                "ingressClassParams": {"create": False},
                "controllerConfig": {
                    "featureGates": {"EnableServiceController": False, "ALBGatewayAPI": False, "NLBGatewayAPI": False}
                },
                # Else every upgrade makes another certificate and every plan differs.
                "keepTLSSecret": True,
            },
            pods=(LOAD_BALANCER,),
            why="tells load balancers of services which pods are there",
        ),
        Chart(
            name="aws-efa-k8s-device-plugin",
            source="https://aws.github.io/eks-charts",
            version="v0.5.30",
            namespace="kube-system",
            # By our own label: the chart's list of machine types names some that a pool may use without EFA.
            values={
                "supportedInstanceLabels": {"keys": ["springtide.dev/fabric"], "values": ["efa"]},
                "tolerations": [{"operator": "Exists"}],
            },
            why="counts EFA interfaces, so that pods can ask for them",
        ),
        # No node selectors below: GPU nodes are tainted, and a cluster that makes nodes by itself has no system pool.
        Chart(
            name="jobset",
            source="oci://registry.k8s.io/jobset/charts/jobset",
            version="0.12.0",
            namespace="jobset-system",
            values={
                "controller": {
                    "replicas": JOBSET.replicas,
                    "podDisruptionBudget": {"enabled": True},
                    "resources": {"requests": JOBSET.requests},
                }
            },
            pods=(JOBSET,),
            why="starts all pods of a training run anew, together, when one is lost",
        ),
        Chart(
            name="kueue",
            source="oci://registry.k8s.io/kueue/charts/kueue",
            version="0.19.2",
            namespace="kueue-system",
            values={
                "controllerManager": {
                    "replicas": KUEUE.replicas,
                    "podDisruptionBudget": {"enabled": True},
                    "manager": {"resources": {"requests": KUEUE.requests}},
                },
                # The chart reads it as YAML, of which JSON is a part.
                "managerConfig": {"controllerManagerConfigYaml": json.dumps(configuration())},
            },
            # It looks for the kinds of its integrations when it starts.
            after=("jobset",),
            pods=(KUEUE,),
            why="holds runs back until their queue has room for all their GPUs",
        ),
        Chart(
            name="keda",
            source="https://kedacore.github.io/charts",
            version="2.20.2",
            namespace="keda",
            values={
                "operator": {"replicaCount": KEDA["operator"].replicas},
                "podDisruptionBudget": {"operator": {"maxUnavailable": 1}},
                "resources": {key: {"requests": pods.requests} for key, pods in KEDA.items()},
            },
            pods=tuple(KEDA.values()),
            why="scales services on the requests that their servers count",
        ),
    )
}
"""By name, in the order of installation."""
