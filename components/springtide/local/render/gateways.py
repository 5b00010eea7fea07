"""Gateways of services that sleep at zero: processes of this machine, since no node of it is there at night."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from springtide.local.cluster.refs import Object
from springtide.local.plane.ports import LOOPBACK
from springtide.local.render.objects import containers, found_at, kubernetes_objects, pod_template, replaced
from springtide.local.render.substitution import Here
from springtide.offline.plan import Plan
from springtide_workloads.contract import GATEWAY_COMMAND, METRICS_PATH, GatewayMetric

_NAME = "app.kubernetes.io/name"
_TRIGGERS = ("spec", "triggers")
_OF_ENDPOINTS = ("aggregateFromKubeServiceEndpoints", "aggregationType")
"""How KEDA reads several gateways; here is one, at an address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """The gateway of one service."""

    service: str
    environment: Mapping[str, str]
    """Variables that its container would have, without those that Kubernetes supplies."""


def of(plan: Plan) -> tuple[Gateway, ...]:
    """The gateways that a plan holds."""
    return tuple(_gateway(item) for item in kubernetes_objects(plan) if is_gateway(item))


def is_gateway(item: Object) -> bool:
    """Whether it is the Deployment of a service's gateways."""
    pod = pod_template(item)
    return pod is not None and any(tuple(each.get("command", ())) == GATEWAY_COMMAND for each in containers(pod))


def _gateway(item: Object) -> Gateway:
    pod = pod_template(item)
    said = [] if pod is None else [variable for each in containers(pod) for variable in each.get("env", [])]
    variables = {variable["name"]: str(variable["value"]) for variable in said if "value" in variable}
    return Gateway(service=str(item["metadata"]["labels"][_NAME]), environment=variables)


def elsewhere(item: Object, here: Here) -> Object | None:
    """Without the Deployments of gateways; a ScaledObject that reads their numbers reads them where they are here."""
    if here.gateways is None:
        return item
    if is_gateway(item):
        return None
    port = here.gateways.get(item["metadata"]["name"])
    triggers = found_at(item, _TRIGGERS) if item["kind"] == "ScaledObject" else None
    if port is None or triggers is None:
        return item
    return replaced(item, _TRIGGERS, [_at(trigger, port) for trigger in triggers])


def _at(trigger: Object, port: int) -> Object:
    said = trigger.get("metadata", {})
    if said.get("valueLocation") != GatewayMetric.REQUESTS:
        return trigger
    kept = {key: value for key, value in said.items() if key not in _OF_ENDPOINTS}
    return {**trigger, "metadata": {**kept, "url": f"http://{LOOPBACK}:{port}{METRICS_PATH}"}}


def addresses(services: Iterable[str], ports: Mapping[str, int]) -> dict[str, str]:
    """Where each service that sleeps is asked on this machine."""
    return {name: f"http://{LOOPBACK}:{ports[port_name(name)]}" for name in services if port_name(name) in ports}


def port_name(service: str) -> str:
    """Name of the port that a service's gateway answers on, and of its process."""
    return f"gateway-{service}"


def numbers_name(service: str) -> str:
    """Name of the port that its numbers are read at."""
    return f"gateway-{service}:metrics"
