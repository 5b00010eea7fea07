"""Load balancers that lead to services. They are made here and not by a controller in the cluster.

So a plan shows them with their price, a destroy takes them away before the network they would block, and the controller
needs no right to make one: it only says which pods there are (TargetGroupBinding).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from springtide.clouds import ExposureParts
from springtide.clouds.aws.load_balancer import CLUSTER_TAG
from springtide.clouds.aws.load_balancer import NAME as CONTROLLER
from springtide.clouds.aws.order import id_after
from springtide.cluster import ClusterRef
from springtide.component import after, child_of
from springtide.k8s.exposure import (
    CHECK_SECONDS,
    CHECK_TIMEOUT_SECONDS,
    CHECKS,
    HTTP,
    PRIVATE_RANGES,
    binding,
    leave_seconds,
    request_seconds,
)
from springtide.spec import Finding, PublicSpec, ServiceSpec, refuse
from springtide_workloads.contract import HTTP_PORT, READY_PATH

BINDINGS = {"standard": "elbv2.k8s.aws/v1beta1", "auto": "eks.amazonaws.com/v1"}
"""API version of TargetGroupBinding by who keeps its controller: we, or EKS Auto Mode."""
CONDITION = "target-health.elbv2.k8s.aws"
"""What the controller says of a pod once the load balancer sends it requests, before the binding's name."""
TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"
EVERYBODY = ("0.0.0.0/0",)
HTTPS = 443
IDLE_SECONDS = 660
"""How long a flow through an NLB may be silent: longer than the servers keep an idle connection. A gateway that holds a
request for longer asks by TCP each minute whether its client is there, which counts."""
LONGEST_CERTIFIED = 64
"""Characters of the name that a certificate of ACM is made for (RequestCertificate: DomainName)."""
_PREFIX = 6
"""Characters that names of load balancers and target groups may begin with, where AWS makes the rest."""
_ZONE = re.compile(r"Z[0-9A-Z]{1,31}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Site:
    """What every part of a way in is told."""

    name: str
    cluster: ClusterRef
    parent: pulumi.Resource
    seconds: int
    """How long a pod that goes still answers."""


def exposure_controllers(mode: str) -> tuple[str, ...]:
    """Charts without which no target group has targets; in Auto Mode AWS runs the controller itself."""
    return (CONTROLLER,) if mode == "standard" else ()


def exposure_conditions(name: str, mode: str) -> tuple[str, ...]:
    """A pod counts as ready once the load balancer finds it healthy: else an update takes the last one away before that.

    Auto Mode names the condition otherwise, and nobody has published how.
    """
    return (f"{CONDITION}/{name}",) if mode == "standard" else ()


def internal(
    name: str, spec: ServiceSpec, cluster: ClusterRef, backend: pulumi.Resource, parent: pulumi.Resource
) -> ExposureParts:
    """A Network Load Balancer in the private subnets."""
    site = _site(name, spec, cluster, parent)
    group = _firewall(site, {HTTP: PRIVATE_RANGES})
    targets = _targets(site, "TCP", preserve_client_ip="false")
    balancer = aws.lb.LoadBalancer(
        name,
        name_prefix=_prefix(name),
        load_balancer_type="network",
        internal=True,
        subnets=list(cluster["private_subnets"].values()),
        security_groups=[group],
        # Replicas are few, and rarely as many in one zone as in the other.
        enable_cross_zone_load_balancing=True,
        tags={"Name": name},
        opts=child_of(parent),
    )
    listener = aws.lb.Listener(
        name,
        load_balancer_arn=balancer.arn,
        port=HTTP,
        protocol="TCP",
        tcp_idle_timeout_seconds=IDLE_SECONDS,
        default_actions=[{"type": "forward", "target_group_arn": targets.arn}],
        opts=child_of(parent),
    )
    bound = _bind(site, targets, listener, backend)
    return ExposureParts(address=pulumi.Output.concat("http://", id_after(balancer.dns_name, bound)))


def public(  # noqa: PLR0913, PLR0917  a way in ties all of these together
    name: str,
    spec: ServiceSpec,
    public: PublicSpec,
    cluster: ClusterRef,
    backend: pulumi.Resource,
    parent: pulumi.Resource,
) -> ExposureParts:
    """An Application Load Balancer in the public subnets, which speaks HTTPS, and HTTP to say so."""
    site = _site(name, spec, cluster, parent)
    group = _firewall(site, {HTTP: EVERYBODY, HTTPS: EVERYBODY})
    targets = _targets(site, "HTTP")
    balancer = aws.lb.LoadBalancer(
        name,
        name_prefix=_prefix(name),
        load_balancer_type="application",
        internal=False,
        subnets=cluster.get("public_subnets", []),
        security_groups=[group],
        idle_timeout=request_seconds(spec),
        drop_invalid_header_fields=True,
        tags={"Name": name},
        opts=child_of(parent),
    )
    _redirect(site, balancer)
    listener = aws.lb.Listener(
        name,
        load_balancer_arn=balancer.arn,
        port=HTTPS,
        protocol="HTTPS",
        ssl_policy=TLS_POLICY,
        certificate_arn=_certificate(site, public),
        default_actions=[{"type": "forward", "target_group_arn": targets.arn}],
        opts=child_of(parent),
    )
    bound = _bind(site, targets, listener, backend)
    record = aws.route53.Record(
        name,
        zone_id=public.zone,
        name=public.host,
        type="A",
        aliases=[{"name": balancer.dns_name, "zone_id": balancer.zone_id, "evaluate_target_health": False}],
        opts=child_of(parent, depends_on=[bound]),
    )
    return ExposureParts(address=after(f"https://{public.host}", record))


def public_findings(public: PublicSpec, *, adopted: bool) -> list[Finding]:
    """What AWS makes no certificate or record for, and where it has no place for a load balancer."""
    found = []
    if adopted:
        message = "the network is used as it is, and nobody says which of its subnets are public."
        fix = "use internal, behind what your network has for the internet; or let the network be made"
        found.append(refuse("aws/public-subnets", "", public.host, message, fix))
    if not _ZONE.fullmatch(public.zone):
        message = f"{public.zone!r} is no id of a hosted zone of Route 53."
        fix = "write the id of the zone that has this name: Z and up to 31 letters and digits"
        found.append(refuse("aws/dns-zone", "/zone", public.zone, message, fix))
    if len(public.host) > LONGEST_CERTIFIED:
        message = f"it has {len(public.host)} characters, and ACM certifies names of {LONGEST_CERTIFIED} at most."
        found.append(refuse("aws/host", "/host", public.host, message, "use a shorter name"))
    return found


def _site(name: str, spec: ServiceSpec, cluster: ClusterRef, parent: pulumi.Resource) -> _Site:
    return _Site(name=name, cluster=cluster, parent=parent, seconds=leave_seconds(spec))


def _firewall(site: _Site, entrances: Mapping[int, Iterable[str]]) -> pulumi.Output[str]:
    """The load balancer's security group: who may come in, and the way from it to the pods."""
    inside, pods = child_of(site.parent), site.cluster["security_group"]
    group = aws.ec2.SecurityGroup(
        site.name,
        description=f"Load balancer of service {site.name}",
        vpc_id=site.cluster["network_id"],
        tags={"Name": site.name},
        opts=inside,
    )
    # The same both ways, for which the SDK has two types.
    port: dict[str, Any] = {"ip_protocol": "tcp", "from_port": HTTP_PORT, "to_port": HTTP_PORT}
    ways: list[pulumi.Resource] = [
        aws.vpc.SecurityGroupEgressRule(
            site.name, security_group_id=group.id, referenced_security_group_id=pods, **port, opts=inside
        ),
        aws.vpc.SecurityGroupIngressRule(
            f"{site.name}-pods", security_group_id=pods, referenced_security_group_id=group.id, **port, opts=inside
        ),
    ]
    ways += [
        aws.vpc.SecurityGroupIngressRule(
            f"{site.name}-{entrance}-{i}",
            security_group_id=group.id,
            cidr_ipv4=cidr,
            ip_protocol="tcp",
            from_port=entrance,
            to_port=entrance,
            opts=inside,
        )
        for entrance, ranges in entrances.items()
        for i, cidr in enumerate(ranges)
    ]
    return id_after(group.id, *ways)


def _targets(site: _Site, protocol: str, **more: Any) -> aws.lb.TargetGroup:
    """Pods by their own addresses. One that goes gets no new request, and finishes those it has."""
    return aws.lb.TargetGroup(
        site.name,
        name_prefix=_prefix(site.name),
        vpc_id=site.cluster["network_id"],
        target_type="ip",
        port=HTTP_PORT,
        protocol=protocol,
        deregistration_delay=site.seconds,
        health_check={
            "protocol": "HTTP",
            "path": READY_PATH,
            "matcher": "200",
            "interval": CHECK_SECONDS,
            "timeout": CHECK_TIMEOUT_SECONDS,
            "healthy_threshold": CHECKS,
            "unhealthy_threshold": CHECKS,
        },
        tags={"Name": site.name, CLUSTER_TAG: site.cluster["name"]},
        **more,
        opts=child_of(site.parent),
    )


def _bind(
    site: _Site, targets: aws.lb.TargetGroup, listener: aws.lb.Listener, backend: pulumi.Resource
) -> pulumi.Resource:
    """What fills the target group. It goes first of all, while controller and load balancer are still there."""
    mode = site.cluster["mode"]
    controllers = [site.cluster["controllers"][item] for item in exposure_controllers(mode)]
    space = pulumi.Output.all(site.cluster["namespace"], *controllers).apply(lambda known: str(known[0]))
    return kubernetes.apiextensions.CustomResource(
        site.name,
        api_version=BINDINGS[mode],
        kind="TargetGroupBinding",
        **binding(site.name, space, targets.arn),
        opts=child_of(site.parent, depends_on=[backend, listener]),
    )


def _redirect(site: _Site, balancer: aws.lb.LoadBalancer) -> None:
    told: Any = {"port": str(HTTPS), "protocol": "HTTPS", "status_code": "HTTP_301"}
    aws.lb.Listener(
        f"{site.name}-redirect",
        load_balancer_arn=balancer.arn,
        port=HTTP,
        protocol="HTTP",
        default_actions=[aws.lb.ListenerDefaultActionArgs(type="redirect", redirect=told)],
        opts=child_of(site.parent),
    )


def _certificate(site: _Site, public: PublicSpec) -> pulumi.Output[str]:
    """A certificate for the name, once a record in its zone has shown whose it is."""
    inside = child_of(site.parent)
    certificate = aws.acm.Certificate(
        site.name, domain_name=public.host, validation_method="DNS", tags={"Name": site.name}, opts=inside
    )
    asked = certificate.domain_validation_options[0]
    proof = aws.route53.Record(
        f"{site.name}-proof",
        zone_id=public.zone,
        name=asked.resource_record_name,
        type=asked.resource_record_type,
        records=[asked.resource_record_value],
        ttl=300,
        opts=inside,
    )
    valid = aws.acm.CertificateValidation(
        site.name, certificate_arn=certificate.arn, validation_record_fqdns=[proof.fqdn], opts=inside
    )
    return valid.certificate_arn


def _prefix(name: str) -> str:
    """The beginning of a name that AWS completes; it may not begin with `internal-`."""
    return f"{name[: _PREFIX - 1].rstrip('-')}-"
