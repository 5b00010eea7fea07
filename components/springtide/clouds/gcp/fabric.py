"""GPUDirect: the networks that each GPU's own network card is in, and what Kubernetes has to know of them.

A pool brings its networks: one for each card (TCPX, TCPXO), or one for all cards of a zone with the profile for RoCE. Addresses
are of 198.18.0.0/15, which no internet route uses and hardly any network either (RFC 2544): the cards of one machine may not
have overlapping ranges, and these must not overlap with the cluster's, which a pool does not know.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from itertools import islice

import pulumi
import pulumi_gcp as gcp
import pulumi_kubernetes as kubernetes

from springtide import catalog
from springtide.catalog import MachineType
from springtide.clouds.gcp.fabric_pods import card_names
from springtide.clouds.gcp.names import LONGEST_RESOURCE_NAME, fitted, label
from springtide.clouds.gcp.network import SLOW
from springtide.cluster import ClusterRef
from springtide.component import child_of
from springtide.selection import Choice
from springtide.spec import Finding, Outcome, PoolSpec, Severity, Source, refuse

RANGE = IPv4Network("198.18.0.0/16")
PREFIX = 20
"""Room for 4,092 machines in each of 16 subnets."""
MTUS = {"tcpx": 8244, "tcpxo": 8244, "rdma": 8896}
"""Bytes in a packet, as Google's documentation of each kind has it."""
API_VERSION = "networking.gke.io/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fabric:
    """The networks of a pool."""

    # In quotes: unquoted, these types would import all of Compute Engine to read a file.
    interfaces: "tuple[gcp.compute.Subnetwork, ...]"
    """Subnets in the order of a machine's cards."""
    networks: "tuple[gcp.compute.Network, ...]"
    """The network of each of them."""
    ready: tuple[pulumi.Resource, ...]
    """What must be there before a node pool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Card:
    name: str
    network: "gcp.compute.Network"
    subnet: "gcp.compute.Subnetwork"
    mode: str


def fabric(name: str, machine: MachineType, zone: str, cluster: ClusterRef, parent: pulumi.Resource) -> Fabric:
    """The networks of a pool of such machines, and the objects by which pods ask for them."""
    prefix = f"{label(cluster['environment']['name'])}-"
    names = card_names(name, machine)
    ranges = [str(item) for item in islice(RANGE.subnets(new_prefix=PREFIX), len(names))]
    titled = list(zip(names, ranges, strict=True))
    own = [
        _own_network(title, prefix, cidr, machine, cluster, parent) for title, cidr in titled[: machine.extra_networks]
    ]
    roce = titled[machine.extra_networks :]
    cards = [*(card for card, _ in own), *(_roce(name, prefix, roce, zone, cluster, parent) if roce else [])]
    rules = [rule for _, rule in own]
    known = [_known_to_pods(card, parent) for card in cards]
    return Fabric(
        interfaces=tuple(card.subnet for card in cards),
        networks=tuple(card.network for card in cards),
        ready=(*rules, *known),
    )


def gpudirect_findings(spec: PoolSpec, choice: Choice) -> list[Finding]:
    """What cannot go with GPUDirect."""
    machines = choice.machine_types
    kinds = {machine.gpudirect for machine in machines}
    if not machines:
        return []
    if "" in kinds or len(kinds) > 1:
        return [_mixed(spec, machines)]
    if kinds == {"rdma"} and len(choice.zones) > 1:
        message = f"{machines[0].name} needs a network that lies in one zone, and {len(choice.zones)} offer it."
        fix = f"name one: zones: [{choice.zones[0]}]"
        return [refuse("gcp/fabric-zone", "/zones", list(spec.zones), message, fix, allowed=choice.zones)]
    return []


def floor_findings(spec: PoolSpec, choice: Choice, version: str) -> list[Finding]:
    """A GKE version that is older than the fabric of the machines."""
    feature = _feature(spec, choice)
    if feature is None or catalog.has_feature("gcp", feature, version) is not False:
        return []
    floors = catalog.feature_floors("gcp", feature)
    message = f"{choice.machine_types[0].name} has GPUDirect on GKE from {floors[0]} on, and the cluster is {version}."
    return [refuse("gcp/fabric-floor", "/fabric", spec.fabric, message, "raise cluster.version", allowed=floors)]


def unknown_floor_findings(path: str, spec: PoolSpec, choice: Choice, version: str) -> list[Finding]:
    """A minor version of which some patches have the fabric and some have not."""
    feature = _feature(spec, choice)
    if feature is None or catalog.has_feature("gcp", feature, version) is not None:
        return []
    floors = ", ".join(floor for floor in catalog.feature_floors("gcp", feature) if floor.startswith(f"{version}."))
    message = (
        f"whether the cluster's patch of {version} has GPUDirect for {choice.machine_types[0].name} cannot be told."
    )
    return [
        Finding(
            rule="gcp/fabric-floor",
            outcome=Outcome.CANNOT_TELL,
            severity=Severity.WARNING,
            source=Source.CATALOG,
            message=message,
            fix=f"see that it is {floors or 'newer than that'} or later, or raise cluster.version",
            path=f"{path}/fabric",
            value=spec.fabric,
        )
    ]


def _feature(spec: PoolSpec, choice: Choice) -> str | None:
    """Name of the fabric in the catalog's table of floors, where it has one."""
    kinds = {machine.gpudirect for machine in choice.machine_types}
    name = f"gpudirect-{next(iter(kinds))}" if spec.fabric == "gpudirect" and len(kinds) == 1 else ""
    return name if name in catalog.features("gcp") else None


def _mixed(spec: PoolSpec, machines: Sequence[MachineType]) -> Finding:
    able = [machine.name for machine in machines if machine.gpudirect]
    kinds = ", ".join(f"{machine.name}: {machine.gpudirect or 'none'}" for machine in machines)
    if not able:
        message = f"no machine type of this pool has GPUDirect ({kinds})."
        return refuse("gcp/fabric", "/fabric", spec.fabric, message, "remove fabric, or use H100, H200 or B200")
    message = (
        f"the machine types of a pool must have the same kind of GPUDirect, for its pods are made for one ({kinds})."
    )
    fix = f"name one: machine_types: [{able[0]}]"
    return refuse("gcp/fabric", "/machine_types", list(spec.machine_types), message, fix, allowed=able)


def _own_network(  # noqa: PLR0913, PLR0917  a network has this many sides
    title: str, prefix: str, cidr: str, machine: MachineType, cluster: ClusterRef, parent: pulumi.Resource
) -> tuple[_Card, pulumi.Resource]:
    """A network with one subnet, inside which everything may talk to everything."""
    network = gcp.compute.Network(
        title,
        name=fitted(f"{prefix}{title}", LONGEST_RESOURCE_NAME),
        auto_create_subnetworks=False,
        mtu=MTUS[machine.gpudirect],
        opts=child_of(parent, custom_timeouts=SLOW),
    )
    subnet = _subnet(title, prefix, cidr, network, cluster, parent)
    within = gcp.compute.Firewall(
        title,
        name=fitted(f"{prefix}{title}", LONGEST_RESOURCE_NAME),
        network=network.id,
        direction="INGRESS",
        source_ranges=[str(RANGE)],
        allows=[{"protocol": protocol} for protocol in ("tcp", "udp", "icmp")],
        opts=child_of(parent),
    )
    return _Card(name=title, network=network, subnet=subnet, mode="NetDevice"), within


def _roce(  # noqa: PLR0913, PLR0917  a network has this many sides
    name: str,
    prefix: str,
    titled: Sequence[tuple[str, str]],
    zone: str,
    cluster: ClusterRef,
    parent: pulumi.Resource,
) -> list[_Card]:
    """One network with the zone's RoCE profile, and a subnet for each card. The profile takes no firewall rules of VPCs."""
    network = gcp.compute.Network(
        f"{name}-rdma",
        name=fitted(f"{prefix}{name}-rdma", LONGEST_RESOURCE_NAME),
        auto_create_subnetworks=False,
        mtu=MTUS["rdma"],
        network_profile=f"projects/{cluster['environment']['account']}/global/networkProfiles/{zone}-vpc-roce",
        opts=child_of(parent, custom_timeouts=SLOW),
    )
    return [
        _Card(name=title, network=network, subnet=_subnet(title, prefix, cidr, network, cluster, parent), mode="RDMA")
        for title, cidr in titled
    ]


def _subnet(  # noqa: PLR0913, PLR0917  a subnet has this many sides
    title: str,
    prefix: str,
    cidr: str,
    network: "gcp.compute.Network",
    cluster: ClusterRef,
    parent: pulumi.Resource,
) -> "gcp.compute.Subnetwork":
    return gcp.compute.Subnetwork(
        title,
        name=fitted(f"{prefix}{title}", LONGEST_RESOURCE_NAME),
        network=network.id,
        region=cluster["environment"]["region"],
        ip_cidr_range=cidr,
        opts=child_of(parent, custom_timeouts=SLOW),
    )


def _known_to_pods(card: _Card, parent: pulumi.Resource) -> pulumi.Resource:
    """The pair of objects that lets a pod name a network. GKE holds the parameters while the network is there."""
    parameters = kubernetes.apiextensions.CustomResource(
        f"{card.name}-parameters",
        api_version=API_VERSION,
        kind="GKENetworkParamSet",
        metadata={"name": card.name},
        spec={"vpc": card.network.name, "vpcSubnet": card.subnet.name, "deviceMode": card.mode},
        opts=child_of(parent),
    )
    return kubernetes.apiextensions.CustomResource(
        card.name,
        api_version=API_VERSION,
        kind="Network",
        metadata={"name": card.name},
        spec={
            "type": "Device",
            "parametersRef": {"group": "networking.gke.io", "kind": "GKENetworkParamSet", "name": card.name},
        },
        opts=child_of(parent, depends_on=[parameters]),
    )
