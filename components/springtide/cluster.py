"""A Kubernetes cluster: the control plane, its add-ons, and the few CPU nodes they run on."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as kubernetes

from springtide import clouds
from springtide.component import after, checked, child_of, intent
from springtide.environment import EnvironmentRef
from springtide.k8s.namespace import RESTRICTED, namespace
from springtide.network import NetworkRef
from springtide.spec import ClusterSpec

NAMESPACE = "springtide"


class ClusterArgs(TypedDict):
    """Arguments of `Cluster`."""

    environment: EnvironmentRef
    """Environment it is built in; take it from `Environment.ref`."""
    network: NetworkRef
    """Network its nodes live in; take it from `Network.ref`."""
    version: str
    """Kubernetes minor version in quotes, such as "1.35"."""
    access: list[str]
    """Address ranges that may reach the Kubernetes API over the internet: who deploys, who administers; or [private]."""
    runner: NotRequired[str]
    """Where the machine that deploys is: `outside` the network (default) or `inside`. A private API needs one inside."""
    mode: NotRequired[str]
    """`standard` (default): pools are ours. `auto`: the cloud makes nodes by itself (EKS Auto Mode, GKE Autopilot)."""
    existing: NotRequired[str]
    """Name of a cluster that is there already: it is used, not made, and `version` says which version it has."""
    release_channel: NotRequired[str]
    """How soon the cloud upgrades by itself, where it has channels: rapid, regular (default there), stable, extended."""
    admins: NotRequired[list[str]]
    """Who administers besides the deployer: ARNs of roles or users on AWS, members such as group:ops@example.com on GCP."""
    system_machine_types: NotRequired[list[str]]
    """Machine types of the CPU nodes that run the cluster's own add-ons. Default: m7i.large, e2-standard-4."""
    system_nodes: NotRequired[int]
    """CPU nodes kept for the add-ons, at least 1. Default 2: one may go away."""
    pod_security: NotRequired[str]
    """Pod security standard of the workloads' namespace: restricted, baseline, privileged. Default: what the pools need."""
    log_retention_days: NotRequired[int]
    """Days that the control plane's logs are kept. Default 30."""


class ClusterRef(TypedDict):
    """Cluster that something runs in; take it from `Cluster.ref`."""

    environment: EnvironmentRef
    """Environment of the cluster."""
    zones: list[str]
    """Zone ids its nodes may live in."""
    version: str
    """Kubernetes minor version."""
    mode: str
    """Who makes nodes: `standard`, our pools; `auto`, the cloud."""
    existing: NotRequired[bool]
    """Whether it was there already: its system nodes have no label of ours. Default: no."""
    network_id: pulumi.Input[str]
    """Id of the network its nodes live in."""
    security_group: pulumi.Input[str]
    """Group that all its machines are in; empty where the cloud has no such thing."""
    name: pulumi.Input[str]
    """The cluster's name in the cloud."""
    node_role: pulumi.Input[str]
    """Identity that the cluster's machines have."""
    private_subnets: dict[str, pulumi.Input[str]]
    """Subnet for machines of each zone, by zone id."""
    public_subnets: NotRequired[pulumi.Input[list[str]]]
    """Subnets for load balancers with a public address. Default: none are known."""
    namespace: pulumi.Input[str]
    """Kubernetes namespace that workloads run in."""
    controllers: dict[str, pulumi.Input[str]]
    """What runs in it for others, by name, with the version; empty until `Controllers` installed something."""
    monitor_labels: NotRequired[dict[str, str]]
    """Labels by which its Prometheus chooses monitors and rules. Default: it takes all."""


class Cluster(pulumi.ComponentResource):
    """A Kubernetes cluster that workloads can be deployed to.

    Attributes:
        ref: What other components need to know of it.
        inside: Options for components that deploy into it: they use the cluster's own provider.
    """

    name: pulumi.Output[str]
    """The cluster's name in the cloud."""
    endpoint: pulumi.Output[str]
    """Address of the Kubernetes API."""
    kubeconfig: pulumi.Output[str]
    """Configuration for kubectl; it asks the cloud for a token at each use and holds none. Empty where kubectl has its own."""
    network_id: pulumi.Output[str]
    """Id of the network its nodes live in."""
    private_subnets: pulumi.Output[dict[str, str]]
    """Subnet for machines of each zone, by zone id."""
    public_subnets: pulumi.Output[list[str]]
    """Subnets for load balancers with a public address."""
    security_group: pulumi.Output[str]
    """Group that all its machines are in; empty where the cloud has no such thing."""
    node_role: pulumi.Output[str]
    """Identity that the cluster's machines have."""
    namespace: pulumi.Output[str]
    """Kubernetes namespace that workloads run in; whoever uses it is made after it."""

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        place, network = args["environment"], args["network"]
        cloud = clouds.load(place["cloud"])
        spec = checked(
            ClusterSpec, args, f"Cluster {name}", wiring=["environment", "network"], rules=cloud.cluster_findings
        )
        if not spec.system_machine_types:
            spec = replace(spec, system_machine_types=cloud.system_machine_types)
        said = intent(spec, cloud=place["cloud"], region=place["region"])
        super().__init__("springtide:index:Cluster", name, said, opts)
        made = cloud.cluster(name, spec, place, network, self)
        provider = kubernetes.Provider(
            name,
            kubeconfig=made.kubeconfig,
            context=made.context,
            enable_server_side_apply=True,
            opts=child_of(self, depends_on=made.ready),
        )
        standard = RESTRICTED if spec.pod_security is None else spec.pod_security
        space = kubernetes.core.v1.Namespace(
            NAMESPACE,
            **namespace(NAMESPACE, standard),
            opts=child_of(self, provider=provider, deleted_with=made.control_plane),
        )
        self.ref = ClusterRef(
            environment=place,
            zones=network["zones"],
            version=spec.version,
            mode=spec.mode,
            existing=spec.existing is not None,
            network_id=network["network_id"],
            security_group=made.security_group,
            name=made.name,
            node_role=made.node_role,
            private_subnets=network["private_subnets"],
            public_subnets=network.get("public_subnets", []),
            namespace=after(NAMESPACE, space),
            controllers={},
        )
        self.inside = pulumi.ResourceOptions(providers=[*_providers(opts), provider])
        self.name, self.endpoint = made.name, made.endpoint
        self.kubeconfig = pulumi.Output.from_input("") if made.kubeconfig is None else made.kubeconfig
        self.network_id = pulumi.Output.from_input(network["network_id"])
        self.private_subnets = pulumi.Output.all(**network["private_subnets"])
        self.public_subnets = pulumi.Output.from_input(network.get("public_subnets", []))
        self.security_group, self.node_role = made.security_group, made.node_role
        self.namespace = pulumi.Output.from_input(self.ref["namespace"])
        self.register_outputs(said | {"name": made.name, "endpoint": made.endpoint})


def _providers(opts: pulumi.ResourceOptions | None) -> list[pulumi.ProviderResource]:
    given = None if opts is None else opts.providers
    return list(given.values()) if isinstance(given, Mapping) else list(given or ())
