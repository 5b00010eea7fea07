"""Floor zero: a GPU that waits for work costs as much as one that works, so keeping one warm is a named decision."""

from collections.abc import Callable, Iterator

from springtide_policies import pools
from springtide_policies.facts import Facts
from springtide_policies.graph import Field, Node
from springtide_policies.rule import Level, Rule, Scope, Verdict, each, failed, passed

NAME = "gpu-idle-floor-zero"
SERVICE = "springtide:index:ModelService"
_NONE = (None, 0, "0")


def _floors(node: Node, _facts: Facts) -> Iterator[Verdict]:
    if node.type in _FLOORS and pools.accelerated(node):
        yield _sleeps(_FLOORS[node.type](node))
    if node.type == SERVICE and node.at("pool").value is not None and node.at("gpus").value not in _NONE:
        yield _lets_go(node)


def _sleeps(places: tuple[Field, ...]) -> Verdict:
    kept = next((place for place in places if place.value not in _NONE), None)
    if kept is None:
        return passed(places[0])
    name = pools.pool_name(kept.node)
    return failed(kept, f"pool {name} keeps {kept.value} GPU nodes running when no work waits.", fix=_fix(name))


def _lets_go(service: Node) -> Verdict:
    """A replica that stays holds its GPUs, and so its node, whatever the floor of the pool says."""
    replicas, pool = service.at("minReplicas"), service.at("pool").value
    if replicas.value in _NONE:
        return passed(replicas)
    gpus = f"{service.at('gpus').value} GPU each in pool {pool}"
    message = f"service {service.name} keeps {replicas.value} replicas with {gpus} when nobody calls."
    return failed(replicas, message, fix=_fix(service.name), also=(pool,))


def _fix(name: str) -> str:
    return f"set the minimum to 0, or say that it is meant: add `{NAME}:{name}` to `policies.exempt`"


def _gke_floor(node: Node) -> tuple[Field, ...]:
    fixed = () if node.at("autoscaling").given else (node.at("nodeCount"),)
    return (node.at("autoscaling", "totalMinNodeCount"), node.at("autoscaling", "minNodeCount"), *fixed)


_FLOORS: dict[str, Callable[[Node], tuple[Field, ...]]] = {
    pools.GPU_POOL: lambda node: (node.at("minNodes"),),
    pools.NODE_GROUP: lambda node: (node.at("scalingConfig", "minSize"),),
    pools.KARPENTER_POOL: lambda node: (node.at("spec", "replicas"),),
    pools.GKE_POOL: _gke_floor,
}

FLOOR = Rule(
    name=NAME,
    title="no GPU is kept running for nobody",
    why="An idle GPU node costs as much as a busy one, and is forgotten more easily.",
    about="GPU pools or services on GPUs",
    level=Level.HIGH,
    scope=Scope.RESOURCE,
    blocks=True,  # what nobody can tell to be zero is paid for around the clock
    fix="set the minimum to 0",
    source="config-rules 60; skypilot-org/skypilot#67",
    check=each(_floors),
)
