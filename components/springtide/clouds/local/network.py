"""No network is made: simulated nodes have none, and what really runs is on this machine's own."""

import pulumi

from springtide.clouds import NetworkParts
from springtide.environment import EnvironmentRef
from springtide.imitation import NETWORK
from springtide.spec import Finding, NetworkSpec, refuse


def network(name: str, spec: NetworkSpec, place: EnvironmentRef, parent: pulumi.Resource) -> NetworkParts:  # noqa: ARG001
    """This machine's own network, and the zones that simulated nodes say they are in."""
    return NetworkParts(network_id=pulumi.Output.from_input(NETWORK), private_subnets=dict(spec.subnets))


def network_findings(spec: NetworkSpec) -> list[Finding]:
    """What a network asks for that this machine does not have."""
    if spec.existing == NETWORK:
        return []
    message = "no network is made on this machine."
    fix = f"write existing: {NETWORK}, and under subnets {NETWORK} for each zone"
    return [refuse("local/network", "/existing", spec.existing, message, fix, allowed=(NETWORK,))]
