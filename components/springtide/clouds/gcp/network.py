"""A VPC with one regional subnet for nodes and pods, Cloud NAT, and a peering for Google's file systems."""

from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network

import pulumi
import pulumi_gcp as gcp

from springtide.clouds import NetworkParts
from springtide.clouds.gcp.names import label
from springtide.clouds.gcp.services import BASE, enabled
from springtide.component import after, child_of
from springtide.environment import EnvironmentRef
from springtide.spec import NetworkSpec

PODS, SERVICES = "pods", "services"
"""Names of the secondary ranges; an adopted subnet must have them under these names."""
DEFAULT_PODS_CIDR = "100.64.0.0/14"
"""Shared address space (RFC 6598), which no company network uses: a /24 for each of 1,024 nodes."""
LUSTRE_PORT = "988"
PROXIES_PREFIX = 23
"""What Google recommends for a proxy-only subnet."""
WEBHOOK_PORTS = ("6443", "8082", "8443", "9443")
"""Where KEDA serves metrics, Kueue its queues, and controllers their webhooks (the charts' own defaults)."""
SLOW = pulumi.CustomTimeouts(delete="20m")
"""Firewall rules and endpoint groups that GKE made go some minutes after their cluster; until then a network stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges:
    """Address ranges of a network; none overlaps another."""

    nodes: IPv4Network
    """Half of all: an address for each node."""
    services: IPv4Network
    """A quarter: an address for each Kubernetes Service."""
    peering: IPv4Network
    """An eighth: file systems that Google runs in a network of its own."""
    proxies: IPv4Network
    """Proxies of internal load balancers."""


def ranges(cidr: str) -> Ranges:
    """Divide a network by purpose. A subnet spans all zones of its region, so zones do not matter."""
    nodes, rest = IPv4Network(ip_network(cidr)).subnets(prefixlen_diff=1)
    services, last = rest.subnets(prefixlen_diff=1)
    peering, left = last.subnets(prefixlen_diff=1)
    proxies = next(left.subnets(new_prefix=max(PROXIES_PREFIX, left.prefixlen)))
    return Ranges(nodes=nodes, services=services, peering=peering, proxies=proxies)


def network(name: str, spec: NetworkSpec, place: EnvironmentRef, parent: pulumi.Resource) -> NetworkParts:
    """A network of our own, or the one that the file names.

    The project's APIs are turned on here: a network is what everything else of a platform is made after.
    """
    apis = enabled(BASE, child_of(parent))
    if spec.existing is not None:
        return _adopted(name, spec, spec.existing, apis, parent)
    divided, called = ranges(spec.cidr), label(place["name"])
    vpc = gcp.compute.Network(
        name,
        name=called,
        auto_create_subnetworks=False,
        routing_mode="REGIONAL",
        opts=child_of(parent, depends_on=apis, custom_timeouts=SLOW),
    )
    path = f"projects/{place['account']}/global/networks/{called}"
    site = _Site(name=name, called=called, region=place["region"], network=after(path, vpc), parent=parent)
    pods = DEFAULT_PODS_CIDR if spec.pods_cidr is None else spec.pods_cidr
    subnet = _nodes(site, divided, pods)
    proxies = _proxies(site, divided)
    peering = _peering(site, divided)
    webhooks = _webhooks(site, divided)
    way_out = _way_out(site)
    subnet_path = f"projects/{place['account']}/regions/{place['region']}/subnetworks/{called}"
    return NetworkParts(
        network_id=after(path, vpc, proxies, webhooks, *peering),
        private_subnets=dict.fromkeys(spec.zones, after(subnet_path, subnet, *way_out)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Site:
    """What every part of a network is told."""

    name: str
    """Beginning of resource names."""
    called: str
    """Beginning of names in the cloud."""
    region: str
    network: pulumi.Output[str]
    parent: pulumi.Resource


def _nodes(site: _Site, divided: Ranges, pods: str) -> gcp.compute.Subnetwork:
    """Machines without a public address, which reach Google's own services without leaving its network."""
    return gcp.compute.Subnetwork(
        site.name,
        name=site.called,
        network=site.network,
        region=site.region,
        ip_cidr_range=str(divided.nodes),
        private_ip_google_access=True,
        secondary_ip_ranges=[
            {"range_name": PODS, "ip_cidr_range": pods},
            {"range_name": SERVICES, "ip_cidr_range": str(divided.services)},
        ],
        opts=child_of(site.parent, custom_timeouts=SLOW),
    )


def _proxies(site: _Site, divided: Ranges) -> gcp.compute.Subnetwork:
    """Where the proxies of internal load balancers live; without it an internal Gateway gets no address."""
    return gcp.compute.Subnetwork(
        f"{site.name}-proxies",
        name=f"{site.called}-proxies",
        network=site.network,
        region=site.region,
        ip_cidr_range=str(divided.proxies),
        purpose="REGIONAL_MANAGED_PROXY",
        role="ACTIVE",
        opts=child_of(site.parent, custom_timeouts=SLOW),
    )


def _peering(site: _Site, divided: Ranges) -> list[pulumi.Resource]:
    """Private services access, which Managed Lustre needs. A network has one, so no file system can bring its own."""
    inside = child_of(site.parent, custom_timeouts=SLOW)
    reserved = gcp.compute.GlobalAddress(
        f"{site.name}-peering",
        name=f"{site.called}-peering",
        network=site.network,
        purpose="VPC_PEERING",
        address_type="INTERNAL",
        address=str(divided.peering.network_address),
        prefix_length=divided.peering.prefixlen,
        opts=inside,
    )
    connection = gcp.servicenetworking.Connection(
        f"{site.name}-peering",
        network=site.network,
        service="servicenetworking.googleapis.com",
        reserved_peering_ranges=[reserved.name],
        opts=inside,
    )
    lustre = gcp.compute.Firewall(
        f"{site.name}-lustre",
        name=f"{site.called}-lustre",
        network=site.network,
        direction="INGRESS",
        source_ranges=[str(divided.peering)],
        allows=[{"protocol": "tcp", "ports": [LUSTRE_PORT]}],
        opts=inside,
    )
    return [connection, lustre]


def _webhooks(site: _Site, divided: Ranges) -> gcp.compute.Firewall:
    """The control plane's way to webhooks and metrics that run on nodes; GKE's own rule lets it reach 443 and 10250 alone.

    Its private endpoint has an address of the nodes' subnet. Without this rule, whatever JobSet and Kueue admit times out.
    """
    return gcp.compute.Firewall(
        f"{site.name}-webhooks",
        name=f"{site.called}-webhooks",
        network=site.network,
        direction="INGRESS",
        source_ranges=[str(divided.nodes)],
        allows=[{"protocol": "tcp", "ports": list(WEBHOOK_PORTS)}],
        opts=child_of(site.parent, custom_timeouts=SLOW),
    )


def _way_out(site: _Site) -> list[pulumi.Resource]:
    """Cloud NAT: a property of the network and no machine, so none of it goes away with a zone."""
    router = gcp.compute.Router(
        site.name,
        name=site.called,
        network=site.network,
        region=site.region,
        opts=child_of(site.parent),
    )
    nat = gcp.compute.RouterNat(
        site.name,
        name=site.called,
        router=router.name,
        region=site.region,
        nat_ip_allocate_option="AUTO_ONLY",
        source_subnetwork_ip_ranges_to_nat="ALL_SUBNETWORKS_ALL_IP_RANGES",
        # A machine that pulls images and data opens more connections than its fixed share of 64 ports.
        enable_dynamic_port_allocation=True,
        enable_endpoint_independent_mapping=False,
        log_config={"enable": True, "filter": "ERRORS_ONLY"},
        opts=child_of(site.parent),
    )
    return [router, nat]


def _adopted(
    name: str, spec: NetworkSpec, existing: str, apis: list[pulumi.Resource], parent: pulumi.Resource
) -> NetworkParts:
    """A network that is there already, and whose way out, peering and proxies are its owner's."""
    [path] = spec.subnets.values()
    inside = child_of(parent, depends_on=apis)
    vpc = gcp.compute.Network.get(name, existing, opts=inside)
    subnet = gcp.compute.Subnetwork.get(name, path, opts=inside)
    return NetworkParts(network_id=after(existing, vpc), private_subnets=dict.fromkeys(spec.zones, after(path, subnet)))
