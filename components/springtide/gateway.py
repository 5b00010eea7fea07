"""What stands in front of a service: it holds the requests of one that sleeps and wakes it, and divides those of an A/B test."""

from collections.abc import Mapping

import pulumi
import pulumi_kubernetes as kubernetes

from springtide import exposure
from springtide.cluster import ClusterRef
from springtide.component import child_of
from springtide.k8s.backends import BACKENDS
from springtide.k8s.gateway import (
    CPU_MILLIS,
    LONGEST_LEAVE_SECONDS,
    MEMORY_GIB,
    SCRATCH_GIB,
    SUFFIXES,
    Gateway,
    deployment,
    gateway_name,
    hold_seconds,
    labels,
    numbers,
    role,
    role_binding,
    servers_name,
)
from springtide.k8s.identity import service_account
from springtide.k8s.pod import Place
from springtide.k8s.serving import EXIT_MARGIN_SECONDS, NODE_SECONDS, disruption_budget, servers
from springtide.place import system_nodes
from springtide.spec import Finding, ServiceSpec, did_you_mean, refuse
from springtide_workloads.contract import KEYS_FILE, METRICS_PATH, METRICS_PORT, GatewayContract

LONGEST_SERVICE_NAME = 63 - max(len(suffix) for suffix in SUFFIXES)
"""Characters of the name of a service with gateways, which others are made of."""
NO_LIMIT = 1_000_000
"""Requests at a time of a replica of which nothing is said: as many as come."""


def findings(spec: ServiceSpec) -> list[Finding]:
    """What is impossible about a service with gateways."""
    over = _leave_seconds(spec) - LONGEST_LEAVE_SECONDS
    if not spec.has_gateway or over <= 0:
        return []
    message = (
        f"a gateway that leaves waits up to {LONGEST_LEAVE_SECONDS + over} s for a replica, {NODE_SECONDS} s of it for a "
        f"machine; nobody waits longer than {LONGEST_LEAVE_SECONDS} s for a gateway."
    )
    without = "leave out split" if spec.split else "keep a replica: replicas: {min: 1}"
    fix = f"startup_seconds and drain_seconds must be {over} less together; or {without}"
    return [refuse("services/hold", "/startup_seconds", spec.startup_seconds, message, fix)]


def name_findings(path: str, name: str, spec: ServiceSpec) -> list[Finding]:
    """Whether the names that a service with gateways takes are names of Kubernetes Services too."""
    if not spec.has_gateway or len(name) <= LONGEST_SERVICE_NAME:
        return []
    others = " and ".join(f"{name}{suffix}" for suffix in SUFFIXES)
    message = f"it {_has(spec)}, so {others} are names of Kubernetes Services too, which have 63 characters at most."
    return [refuse("spec/name", path, name, message, f"use at most {LONGEST_SERVICE_NAME} characters")]


def names(services: Mapping[str, ServiceSpec]) -> list[Finding]:
    """Which services have a name that is too long for a gateway or that of another one's, and which arms are none."""
    fronted = {name: spec for name, spec in services.items() if spec.has_gateway}
    taken = {f"{name}{suffix}": name for name in fronted for suffix in SUFFIXES}
    return [
        *(found for name, spec in fronted.items() for found in name_findings(f"/services/{name}", name, spec)),
        *(found for name, spec in fronted.items() for found in _arms(name, spec, services)),
        *(
            refuse(
                "services/name",
                f"/services/{name}",
                name,
                f"service {taken[name]} {_has(services[taken[name]])}, and what stands in front of it is called {name}.",
                "use another name for one of them",
            )
            for name in services
            if name in taken
        ),
    ]


def _arms(name: str, spec: ServiceSpec, services: Mapping[str, ServiceSpec]) -> list[Finding]:
    """Which arms are no service that takes another one's requests."""
    others = [other for other in services if other != name]
    unknown = [
        refuse(
            "settings/reference",
            f"/services/{name}/split/{arm}",
            arm,
            "it is the service itself, which gets what is left."
            if arm == name
            else f"there is no {arm!r} under services.",
            did_you_mean(arm, others, "name another service, or add it to services"),
            allowed=others,
        )
        for arm in spec.split
        if arm not in others
    ]
    chained = [
        refuse(
            "services/split",
            f"/services/{name}/split/{arm}",
            arm,
            f"{arm} is divided itself: who asks would be given an arm twice.",
            f"name all arms under {name}: the percents of its split are of all requests",
        )
        for arm in spec.split
        if arm in others and services[arm].split
    ]
    return [*unknown, *chained]


def _has(spec: ServiceSpec) -> str:
    if spec.sleeps:
        return "sleeps"
    return "has a split" if spec.split else f"asks for keys before {spec.backend}"


def build(name: str, spec: ServiceSpec, cluster: ClusterRef, parent: pulumi.Resource) -> pulumi.Resource:
    """The gateways and what they need; their Deployment. They run on the system nodes: a node must be there at night too."""
    space, called, inside = cluster["namespace"], gateway_name(name), child_of(parent)
    account = kubernetes.core.v1.ServiceAccount(called, **service_account(called, space, {}), opts=inside)
    right = kubernetes.rbac.v1.Role(called, **role(name, space), opts=inside)
    bound = role_binding(name, space)
    allowed = kubernetes.rbac.v1.RoleBinding(
        called,
        metadata=bound["metadata"],
        role_ref=bound["roleRef"],
        subjects=bound["subjects"],
        opts=child_of(parent, depends_on=[account, right]),
    )
    found = servers_name(name)
    numbered = BACKENDS[spec.backend].metrics_port_name
    kubernetes.core.v1.Service(found, **servers(name, space, found, numbered), opts=inside)
    kubernetes.core.v1.Service(called, **numbers(name, space), opts=inside)
    kubernetes.policy.v1.PodDisruptionBudget(called, **disruption_budget(called, space, labels(name)), opts=inside)
    return kubernetes.apps.v1.Deployment(
        called, **deployment(_gateway(name, spec, cluster)), opts=child_of(parent, depends_on=[allowed])
    )


def numbers_url(name: str, namespace: pulumi.Input[str]) -> pulumi.Output[str]:
    """Where KEDA reads the number that wakes the service; it takes Service and namespace from the host."""
    return pulumi.Output.concat("http://", gateway_name(name), ".", namespace, f".svc:{METRICS_PORT}{METRICS_PATH}")


def _gateway(name: str, spec: ServiceSpec, cluster: ClusterRef) -> Gateway:
    keys = exposure.keys(name, spec)
    return Gateway(
        name=name,
        image=str(spec.gateway_image if spec.is_foreign else spec.image),
        contract=_contract(name, spec, keys),
        place=Place(
            namespace=cluster["namespace"],
            account=gateway_name(name),
            selector=system_nodes(cluster),
            cpu=f"{CPU_MILLIS}m",
            memory_gib=MEMORY_GIB,
            scratch_gib=SCRATCH_GIB,
        ),
        keys=keys,
        conditions=exposure.conditions(name, spec, cluster),
        awaited=not spec.sleeps,
    )


def _contract(name: str, spec: ServiceSpec, keys: str | None) -> GatewayContract:
    asked = spec.scale_on.in_flight_per_replica
    return GatewayContract(
        service=servers_name(name),
        in_flight_per_replica=NO_LIMIT if asked is None else asked,
        arms=_divided(name, spec),
        hold_seconds=hold_seconds(spec.startup_seconds),
        grace_seconds=_leave_seconds(spec),
        propagation_seconds=spec.propagation_seconds,
        drain_seconds=spec.drain_seconds,
        keys_file=None if keys is None else KEYS_FILE,
    )


def _divided(name: str, spec: ServiceSpec) -> str | None:
    """Percent of the requests that go to each arm, the service itself first; None where all are its own."""
    percents = {name: 100 - sum(spec.split.values()), **spec.split}
    return ",".join(f"{arm}={percent}" for arm, percent in percents.items()) if spec.split else None


def _leave_seconds(spec: ServiceSpec) -> int:
    """From SIGTERM to SIGKILL: what it holds may need a replica that is not there yet."""
    held = hold_seconds(spec.startup_seconds)
    return spec.propagation_seconds + held + spec.drain_seconds + EXIT_MARGIN_SECONDS
