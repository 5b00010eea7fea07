"""What a plan says of a service that is to be simulated: its autoscaler's very object, its pool, its gateway."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from springtide import catalog
from springtide.offline.cost import ON_DEMAND, bounding_price, nodes_for
from springtide.offline.plan import Plan
from springtide.offline.views import PoolView, ServiceView
from springtide.simulate.fleet import Machines
from springtide.simulate.hpa_object import HpaObject
from springtide.simulate.keda_object import KedaObject
from springtide.simulate.mistake import UsageError
from springtide.simulate.options import IDLE_SECONDS, SLOTS, Options
from springtide.simulate.quantity import seconds
from springtide.simulate.service import Price, Service
from springtide_workloads.contract import Env

DEPLOYMENT = "kubernetes:apps/v1:Deployment"
_READERS: dict[str, Callable[[Mapping[str, Any]], HpaObject | KedaObject]] = {
    "kubernetes:keda.sh/v1alpha1:ScaledObject": KedaObject.of,
    "kubernetes:autoscaling/v2:HorizontalPodAutoscaler": HpaObject.of,
}
_GATEWAY = "-gateway"
_HELD_REQUESTS = 1000
"""Of one gateway, where its Deployment does not say (springtide_workloads.contract)."""
_POOL_LABEL = "springtide.dev/pool"


def service_of(plan: Plan, platform: Plan | None, name: str | None, options: Options) -> Service:
    """A service with all that its plan says.

    Args:
        plan: Of its environment.
        platform: Of the platform that it runs on, where that is another environment.
        name: Of the service; may be left out where there is one.
        options: What was said instead of what is assumed.

    Raises:
        UsageError: there is no such service, it waits for something, or its objects cannot be simulated.
    """
    view = _chosen(plan, name)
    if not _deployments(plan, view.name):
        raise UsageError(f"service {view.name} waits, and has no server to simulate: {_why(plan, view)}")
    pool = _pool(plan, platform, view)
    gateways, held = _gateways(plan, view.name)
    said = view.scale_on or {}
    slots = options.slots if options.slots is not None else said.get("inFlightPerReplica") or SLOTS
    return Service(
        environment=str(plan.environment["name"]),
        name=view.name,
        slots=int(slots),
        least=view.min_replicas,
        autoscaler=_autoscaler(plan, view.name),
        gateways=gateways,
        hold_seconds=float(held.get(Env.HOLD_SECONDS.value, math.inf)),
        held_requests=gateways * int(held.get(Env.HELD_REQUESTS.value, _HELD_REQUESTS)) if gateways else None,
        propagation_seconds=view.propagation_seconds,
        drain_seconds=view.drain_seconds,
        load_seconds=options.load_seconds,
        machines=None if pool is None else _machines([plan, *_known(platform)], pool, view, options),
        gpus=view.gpus,
        gpus_per_node=0 if pool is None else pool.gpus_per_node,
        machine_type="" if pool is None else pool.machine_types[0],
        prices=() if pool is None else tuple(_prices(pool)),
    )


def _known(plan: Plan | None) -> tuple[Plan, ...]:
    return () if plan is None else (plan,)


def _chosen(plan: Plan, name: str | None) -> ServiceView:
    views = {view.name: view for view in plan.services()}
    environment = plan.environment["name"]
    if not views:
        raise UsageError(f"environment {environment} has no service: name one that has, or add one under `services:`")
    if name is None and len(views) > 1:
        raise UsageError(f"which service of {environment}? Say --service with one of {', '.join(views)}")
    chosen = next(iter(views)) if name is None else name
    if chosen not in views:
        raise UsageError(f"environment {environment} has no service {chosen!r}: it has {', '.join(views)}")
    return views[chosen]


def _why(plan: Plan, view: ServiceView) -> str:
    if view.image is None:
        return "no image"
    job = view.model.get("job", "")
    runs = {item.name: item.run for item in plan.jobs()}
    return f"job {job} has no run whose model it could load" if runs.get(job) is None else "its plan has no Deployment"


def _deployments(plan: Plan, name: str) -> list[Mapping[str, Any]]:
    return [item.inputs for item in plan.of_type(DEPLOYMENT) if item.inputs["metadata"].get("name") == name]


def _autoscaler(plan: Plan, name: str) -> HpaObject | KedaObject | None:
    """The object that moves the service's Deployment."""
    for kind, read in _READERS.items():
        for item in plan.of_type(kind):
            spec = item.inputs["spec"]
            if spec["scaleTargetRef"]["name"] == name:
                return read(spec)
    return None


def _gateways(plan: Plan, name: str) -> tuple[int, Mapping[str, str]]:
    """How many gateways stand in front of a service, and what they are told."""
    for inputs in _deployments(plan, f"{name}{_GATEWAY}"):
        [container] = inputs["spec"]["template"]["spec"]["containers"]
        told = {item["name"]: str(item["value"]) for item in container.get("env", ()) if "value" in item}
        return int(inputs["spec"]["replicas"]), told
    return 0, {}


def _pool(plan: Plan, platform: Plan | None, view: ServiceView) -> PoolView | None:
    if view.pool is None:
        return None
    pools = [pool for item in (plan, *_known(platform)) for pool in item.pools() if pool.name == view.pool]
    if not pools:
        raise UsageError(f"service {view.name} runs on pool {view.pool}, which no plan here has")
    return pools[0]


def _machines(plans: Iterable[Plan], pool: PoolView, view: ServiceView, options: Options) -> Machines:
    plans = tuple(plans)
    boot = options.boot_seconds
    return Machines(
        replicas_each=pool.gpus_per_node // max(view.gpus, 1),
        most=max(pool.most_nodes - _taken(plans, pool, view), 0),
        kept=pool.min_nodes,
        boot_seconds=catalog.boot(pool.catalog).most_seconds if boot is None else boot,
        image_seconds=options.image_seconds,
        idle_seconds=_idle_seconds(plans, pool),
    )


def _taken(plans: Iterable[Plan], pool: PoolView, view: ServiceView) -> int:
    """Nodes that the pool's other work needs at the least."""
    pods: list[int] = []
    for plan in plans:
        others = [item for item in plan.services() if item.pool == pool.name and item.urn != view.urn]
        started = [item for item in plan.jobs() if item.pool == pool.name and item.run is not None]
        pods += [item.gpus for item in others for _ in range(item.min_replicas)]
        pods += [item.gpus_per_node for item in started for _ in range(item.nodes)]
    return nodes_for(pods, pool.gpus_per_node)


def _idle_seconds(plans: Iterable[Plan], pool: PoolView) -> float:
    """How long an empty machine of the pool stays."""
    for resource in (item for plan in plans for item in plan.resources):
        spec = resource.inputs.get("spec")
        if not isinstance(spec, Mapping):
            continue
        labels = spec.get("template", {}).get("metadata", {}).get("labels", {}) or {}
        after = spec.get("disruption", {}).get("consolidateAfter") if labels.get(_POOL_LABEL) == pool.name else None
        if after is not None and (found := seconds(str(after))) is not None:
            return found
        policy = spec.get("autoscalingPolicy", {})
        if (
            resource.type.endswith(":ComputeClass")
            and resource.name == pool.name
            and "consolidationDelayMinutes" in policy
        ):
            return 60.0 * float(policy["consolidationDelayMinutes"])
    return IDLE_SECONDS


def _prices(pool: PoolView) -> Iterable[Price]:
    """List prices of the machine that is tried first, bought in each way that the pool may, and on demand."""
    for capacity in dict.fromkeys((*pool.capacity, ON_DEMAND)):
        price = bounding_price(pool.catalog, pool.region, pool.machine_types[0], capacity)
        if price is None:
            yield Price(capacity=capacity, usd_per_hour=None)
        else:
            yield Price(capacity=capacity, usd_per_hour=price.usd_per_hour, source=f"{price.date}: {price.source}")
