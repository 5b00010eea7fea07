"""What holds the requests of a service that sleeps at zero, and wakes it."""

from collections.abc import Mapping
from typing import cast

import pulumi
import pulumi_kubernetes as kubernetes

from springtide import exposure
from springtide.cluster import ClusterRef
from springtide.component import child_of
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
from springtide.spec import Finding, ServiceSpec, refuse
from springtide_workloads.contract import KEYS_FILE, METRICS_PATH, METRICS_PORT, GatewayContract

LONGEST_SERVICE_NAME = 63 - max(len(suffix) for suffix in SUFFIXES)
"""Characters of the name of a service that sleeps, which others are made of."""


def findings(spec: ServiceSpec) -> list[Finding]:
    """What is impossible about a service that sleeps."""
    over = _leave_seconds(spec) - LONGEST_LEAVE_SECONDS
    if not spec.sleeps or over <= 0:
        return []
    message = (
        f"a gateway that leaves waits up to {LONGEST_LEAVE_SECONDS + over} s for a replica, {NODE_SECONDS} s of it for a "
        f"machine; nobody waits longer than {LONGEST_LEAVE_SECONDS} s for a gateway."
    )
    fix = f"startup_seconds and drain_seconds must be {over} less together; or keep a replica: replicas: {{min: 1}}"
    return [refuse("services/hold", "/startup_seconds", spec.startup_seconds, message, fix)]


def name_findings(path: str, name: str, spec: ServiceSpec) -> list[Finding]:
    """Whether the names that a service takes which sleeps are names of Kubernetes Services too."""
    if not spec.sleeps or len(name) <= LONGEST_SERVICE_NAME:
        return []
    others = " and ".join(f"{name}{suffix}" for suffix in SUFFIXES)
    message = f"it sleeps, so {others} are names of Kubernetes Services too, which have 63 characters at most."
    return [refuse("spec/name", path, name, message, f"use at most {LONGEST_SERVICE_NAME} characters")]


def names(services: Mapping[str, ServiceSpec]) -> list[Finding]:
    """Which services have a name that is too long for a gateway, or the name of another one's."""
    sleeping = {name: spec for name, spec in services.items() if spec.sleeps}
    taken = {f"{name}{suffix}": name for name in sleeping for suffix in SUFFIXES}
    return [
        *(found for name, spec in sleeping.items() for found in name_findings(f"/services/{name}", name, spec)),
        *(
            refuse(
                "services/name",
                f"/services/{name}",
                name,
                f"service {taken[name]} sleeps, and what stands in front of it is called {name}.",
                "use another name for one of them",
            )
            for name in services
            if name in taken
        ),
    ]


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
    kubernetes.core.v1.Service(found, **servers(name, space, found), opts=inside)
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
        image=str(spec.image),
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
    )


def _contract(name: str, spec: ServiceSpec, keys: str | None) -> GatewayContract:
    return GatewayContract(
        service=servers_name(name),
        in_flight_per_replica=cast("int", spec.scale_on.in_flight_per_replica),  # spec/wake
        hold_seconds=hold_seconds(spec.startup_seconds),
        grace_seconds=_leave_seconds(spec),
        propagation_seconds=spec.propagation_seconds,
        drain_seconds=spec.drain_seconds,
        keys_file=None if keys is None else KEYS_FILE,
    )


def _leave_seconds(spec: ServiceSpec) -> int:
    """From SIGTERM to SIGKILL: what it holds may need a replica that is not there yet."""
    held = hold_seconds(spec.startup_seconds)
    return spec.propagation_seconds + held + spec.drain_seconds + EXIT_MARGIN_SECONDS
