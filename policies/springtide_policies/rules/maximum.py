"""A maximum on every pool: without one, an autoscaler spends until a quota stops it."""

from collections.abc import Callable, Iterator

from springtide_policies import pools
from springtide_policies.facts import Facts
from springtide_policies.graph import Field, Node
from springtide_policies.rule import Level, Rule, Scope, Verdict, each, failed, passed

_ANY_LIMIT = ("cpu", "memory")


def _every_pool(node: Node, _facts: Facts) -> Iterator[Verdict]:
    if node.type in _MAXIMA:
        yield _bounded(node)


def _bounded(node: Node) -> Verdict:
    places = _MAXIMA[node.type](node)
    bound = next((place for place in places if place.value is not None), None)
    if bound is None:
        return failed(places[0], f"nothing limits the number of nodes of pool {pools.pool_name(node)}.")
    return passed(bound)


def _karpenter_limits(node: Node) -> tuple[Field, ...]:
    names = (pools.GPU_RESOURCE, "nodes") if pools.accelerated(node) else (pools.GPU_RESOURCE, "nodes", *_ANY_LIMIT)
    return tuple(node.at("spec", "limits", name) for name in names)


def _gke_limits(node: Node) -> tuple[Field, ...]:
    fixed = () if node.at("autoscaling").given else (node.at("nodeCount"),)
    return (node.at("autoscaling", "totalMaxNodeCount"), node.at("autoscaling", "maxNodeCount"), *fixed)


_MAXIMA: dict[str, Callable[[Node], tuple[Field, ...]]] = {
    pools.GPU_POOL: lambda node: (node.at("maxNodes"),),
    pools.NODE_GROUP: lambda node: (node.at("scalingConfig", "maxSize"),),
    pools.KARPENTER_POOL: _karpenter_limits,
    pools.GKE_POOL: _gke_limits,
}

MAXIMUM = Rule(
    name="gpu-max-required",
    title="every pool has a maximum",
    why="Without a maximum an autoscaler adds nodes until a quota or the budget of the whole account stops it.",
    about="pools",
    level=Level.HIGH,
    scope=Scope.RESOURCE,
    blocks=True,  # an unknown maximum is no maximum yet, and this is the last look before money flows
    fix=(
        "set the pool's `max_nodes`; on a rendering: `scalingConfig.maxSize`, a `nvidia.com/gpu` limit of a Karpenter "
        "NodePool, `autoscaling.maxNodeCount`"
    ),
    source="config-rules 50; kubernetes-sigs/karpenter#1753",
    check=each(_every_pool),
)
