"""Load balancers that lead to services: GKE makes them, of what a Service or a Gateway says; addresses and names are ours."""

import re

import pulumi
import pulumi_gcp as gcp
import pulumi_kubernetes as kubernetes

from springtide.clouds import ExposureParts
from springtide.clouds.gcp.names import LONGEST_RESOURCE_NAME, fitted, label
from springtide.clouds.gcp.services import enabled
from springtide.cluster import ClusterRef
from springtide.component import after, child_of
from springtide.k8s import Manifest
from springtide.k8s.exposure import (
    backend_policy,
    front_labels,
    gateway,
    health_check,
    internal_balancer,
    redirect,
    route,
)
from springtide.spec import Finding, PublicSpec, ServiceSpec, refuse

APIS = ("certificatemanager", "dns")
GATEWAY_VERSION = "gateway.networking.k8s.io/v1"
POLICY_VERSION = "networking.gke.io/v1"
TTL_SECONDS = 300
_ZONE = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")


def exposure_controllers(_mode: str) -> tuple[str, ...]:
    """None: GKE keeps what makes its load balancers."""
    return ()


def exposure_conditions(_name: str, _mode: str) -> tuple[str, ...]:
    """None of ours: GKE adds its own to pods behind a Gateway, and asks those behind a Service on their node."""
    return ()


def internal(
    name: str, spec: ServiceSpec, cluster: ClusterRef, backend: pulumi.Resource, parent: pulumi.Resource
) -> ExposureParts:
    """A passthrough load balancer under an address of the nodes' subnet, for clients in the same region."""
    # packets pass through: nothing waits for an answer on the way
    place = cluster["environment"]
    address = gcp.compute.Address(
        name,
        name=_called(name, cluster),
        region=place["region"],
        address_type="INTERNAL",
        subnetwork=cluster["private_subnets"][cluster["zones"][0]],
        opts=child_of(parent),
    )
    balancer = kubernetes.core.v1.Service(
        f"{name}-internal",
        **internal_balancer(name, cluster["namespace"], address.address, front_labels(name, spec)),
        opts=child_of(parent, depends_on=[backend]),
    )
    found = pulumi.Output.all(address.address, balancer.urn).apply(lambda known: str(known[0]))
    return ExposureParts(address=pulumi.Output.concat("http://", found))


def public(  # noqa: PLR0913, PLR0917  a way in ties all of these together
    name: str,
    spec: ServiceSpec,
    public: PublicSpec,
    cluster: ClusterRef,
    backend: pulumi.Resource,
    parent: pulumi.Resource,
) -> ExposureParts:
    """A global Application Load Balancer, which speaks HTTPS, and HTTP to say so."""
    called = _called(name, cluster)
    apis = enabled(APIS, child_of(parent), f"{name}-")
    address = gcp.compute.GlobalAddress(name, name=called, opts=child_of(parent))
    certified = _certificate_map(name, called, public, apis, parent)
    space = cluster["namespace"]
    door = _custom(
        name,
        GATEWAY_VERSION,
        "Gateway",
        gateway(name, space, public.host, certificate_map=certified, address=after(called, address)),
        child_of(parent, depends_on=[backend]),
    )
    inside = child_of(parent, depends_on=[door])
    ways = [
        _custom(name, GATEWAY_VERSION, "HTTPRoute", route(name, space, public.host), inside),
        _custom(f"{name}-redirect", GATEWAY_VERSION, "HTTPRoute", redirect(name, space, public.host), inside),
    ]
    policies = child_of(parent, depends_on=[backend])
    _custom(name, POLICY_VERSION, "HealthCheckPolicy", health_check(name, space), policies)
    _custom(name, POLICY_VERSION, "GCPBackendPolicy", backend_policy(name, space, spec), policies)
    record = _record(name, public, f"{public.host}.", "A", address.address, child_of(parent, depends_on=[*apis, *ways]))
    return ExposureParts(address=after(f"https://{public.host}", record))


def public_findings(public: PublicSpec, *, adopted: bool) -> list[Finding]:
    """What Google makes no record in. An adopted network is as good as one of ours: this load balancer lives in none."""
    del adopted
    if _ZONE.fullmatch(public.zone):
        return []
    message = f"{public.zone!r} is no name of a managed zone of Cloud DNS."
    fix = "write the name that the zone has in Cloud DNS, such as example-com, and not its domain"
    return [refuse("gcp/dns-zone", "/zone", public.zone, message, fix)]


def _called(name: str, cluster: ClusterRef) -> str:
    return fitted(f"{label(cluster['environment']['name'])}-{name}", LONGEST_RESOURCE_NAME)


def _certificate_map(
    name: str, called: str, public: PublicSpec, apis: list[pulumi.Resource], parent: pulumi.Resource
) -> pulumi.Output[str]:
    """The name of a map that holds a certificate for the host, which a record in its zone has shown to be ours."""
    inside = child_of(parent)
    proof = gcp.certificatemanager.DnsAuthorization(
        name, name=called, domain=public.host, opts=child_of(parent, depends_on=apis)
    )
    asked = proof.dns_resource_records[0]
    shown = _record(f"{name}-proof", public, asked.name, asked.type, asked.data, inside)
    certificate = gcp.certificatemanager.Certificate(
        name,
        name=called,
        managed={"domains": [public.host], "dns_authorizations": [proof.id]},
        opts=child_of(parent, depends_on=[shown]),
    )
    made = gcp.certificatemanager.CertificateMap(name, name=called, opts=child_of(parent, depends_on=apis))
    entry = gcp.certificatemanager.CertificateMapEntry(
        name, name=called, map=made.name, hostname=public.host, certificates=[certificate.id], opts=inside
    )
    return after(called, made, entry)


def _record(  # noqa: PLR0913, PLR0917  a record has this many sides
    title: str,
    public: PublicSpec,
    name: pulumi.Input[str],
    kind: pulumi.Input[str],
    data: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> gcp.dns.RecordSet:
    return gcp.dns.RecordSet(
        title, managed_zone=public.zone, name=name, type=kind, ttl=TTL_SECONDS, rrdatas=[data], opts=opts
    )


def _custom(name: str, version: str, kind: str, manifest: Manifest, opts: pulumi.ResourceOptions) -> pulumi.Resource:
    return kubernetes.apiextensions.CustomResource(name, api_version=version, kind=kind, **manifest, opts=opts)
