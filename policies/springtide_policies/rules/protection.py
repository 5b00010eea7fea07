"""Reserved capacity is protected: a replacement gives machines back that are paid for, and somebody else takes them."""

from collections.abc import Callable, Iterator

from springtide_policies import pools
from springtide_policies.facts import Facts
from springtide_policies.graph import Graph, Node, UnknownInputError
from springtide_policies.rule import Level, Rule, Scope, Verdict, cannot_tell, failed, passed, unknown_input

_CAPACITY_TYPE = "karpenter.sh/capacity-type"
_TARGET = ("capacityReservationSpecification", "capacityReservationTarget")


def _all_reserved(graph: Graph, _facts: Facts) -> Iterator[Verdict]:
    for node in graph.of_type(*_RESERVED):
        try:
            if _RESERVED[node.type](graph, node):
                yield _kept(node)
        except UnknownInputError as unknown:
            yield unknown_input(unknown)


def _kept(node: Node) -> Verdict:
    if node.protected is None:
        return cannot_tell(node.at(), f"nothing says whether {node.name} is protected")
    if node.protected:
        return passed(node.at())
    name = pools.pool_name(node)
    return failed(
        node.at(), f"reserved machines of pool {name} go to others when {node.name} is replaced or destroyed."
    )


def _group(graph: Graph, group: Node) -> bool:
    """A capacity block says so itself; another reservation is named by the launch template."""
    if group.at("capacityType").value == "CAPACITY_BLOCK":
        return True
    used = {urn for path, urns in group.uses.items() if path.startswith("/launchTemplate") for urn in urns}
    templates = (node for node in graph.of_type(pools.LAUNCH_TEMPLATE) if node.urn in used)
    return any(template.at(*_TARGET).given for template in templates)


def _karpenter(_graph: Graph, pool: Node) -> bool:
    for requirement in pool.at("spec", "template", "spec", "requirements").members():
        if requirement.get("key").value == _CAPACITY_TYPE:
            kinds = [item.value for item in requirement.get("values").members()]
            return str(requirement.get("operator").value) == "In" and "reserved" in kinds
    return False


def _gke(_graph: Graph, pool: Node) -> bool:
    return str(pool.at("nodeConfig", "reservationAffinity", "consumeReservationType").value) == "SPECIFIC_RESERVATION"


_RESERVED: dict[str, Callable[[Graph, Node], bool]] = {
    pools.NODE_GROUP: _group,
    pools.KARPENTER_POOL: _karpenter,
    pools.GKE_POOL: _gke,
}

PROTECTED = Rule(
    name="reserved-pool-protected",
    title="reserved capacity is protected",
    why="Reserved machines are paid for in advance; a replacement gives them away for as long as it takes.",
    about="pools of reserved machines",
    level=Level.HIGH,
    scope=Scope.STACK,
    blocks=False,  # the engine asks again before it deletes anything that costs
    fix="leave the pool's `protect` out, or set it to true",
    source="config-rules 59",
    check=_all_reserved,
)
