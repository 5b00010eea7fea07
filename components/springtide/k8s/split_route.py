"""Arms of a service behind somebody's Gateway API instead of gateways of ours: an HTTPRoute with weights.

It divides and does nothing more. The Gateway API holds no request while nobody can answer, so each arm must keep a replica or
hold requests itself; and its weights are drawn for each request anew: session persistence is in its experimental channel only
(GEP-1619), and a filter that would name the arm in an answer is each implementation's own affair (v1.5.1).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from springtide.k8s import Manifest
from springtide.k8s.exposure import HTTP
from springtide.k8s.gateway import servers_name
from springtide.k8s.serving import labels
from springtide.spec import Finding, refuse

MOST_ARMS = 16
"""References of one rule; the Gateway API's own bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """The Gateway that a route belongs to."""

    name: str
    namespace: str
    listener: str | None = None
    """One of its listeners. Default: all that let the route in."""


def split_route(
    name: str, namespace: Any, arms: Mapping[str, int], parent: Parent, host: str | None = None
) -> Manifest:
    """What comes in goes to the arms by their weights; the service's own part goes straight to its servers.

    Args:
        name: Of the service, which is the first arm.
        namespace: Of the service and of all arms.
        arms: Percent of each arm.
        parent: Who lets requests in.
        host: Name that they are for. Default: all that the listener takes.
    """
    listener = {} if parent.listener is None else {"sectionName": parent.listener}
    gateway = {
        "group": "gateway.networking.k8s.io",
        "kind": "Gateway",
        "name": parent.name,
        "namespace": parent.namespace,
    }
    behind = [
        {"name": servers_name(arm) if arm == name else arm, "port": HTTP, "weight": weight}
        for arm, weight in arms.items()
    ]
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": labels(name)},
        "spec": {
            "parentRefs": [gateway | listener],
            **({} if host is None else {"hostnames": [host]}),
            "rules": [{"backendRefs": behind}],
        },
    }


def route_findings(path: str, name: str, arms: Mapping[str, int], sleeping: frozenset[str]) -> list[Finding]:
    """What such a route cannot do: more arms than a rule has places for, and holding requests of the service itself."""
    found = []
    if len(arms) > MOST_ARMS:
        message = f"{len(arms)} arms: a rule of an HTTPRoute leads to {MOST_ARMS} at most."
        found.append(refuse("spec/route-arms", path, len(arms), message, "divide among fewer"))
    if name in sleeping and arms.get(name, 0) > 0:
        message = f"{name} sleeps, and an HTTPRoute holds no request while it wakes."
        found.append(refuse("spec/route-sleeps", path, name, message, "keep a replica: replicas: {min: 1}"))
    return found
