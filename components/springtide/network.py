"""A private network over several zones, with one way out."""

from typing import NotRequired, TypedDict

import pulumi

from springtide import clouds, selection
from springtide.component import checked, intent
from springtide.environment import EnvironmentRef
from springtide.spec import NetworkSpec


class NetworkArgs(TypedDict):
    """Arguments of `Network`."""

    environment: EnvironmentRef
    """Environment it is built in; take it from `Environment.ref`."""
    zones: list[str]
    """Zone ids (use1-az1) to span: ids name the same place in every account, names do not."""
    cidr: NotRequired[str]
    """Address range, a /16 to a /20. Default 10.0.0.0/16."""
    nat: NotRequired[str]
    """`one` address translator for all zones (default; cheaper, and gone with its zone) or one `per-zone`."""


class NetworkRef(TypedDict):
    """Where nodes live; take it from `Network.ref`."""

    zones: list[str]
    """Zone ids of the network."""
    private_subnets: dict[str, pulumi.Input[str]]
    """Subnet of each zone whose machines have no public address, by zone id."""


class Network(pulumi.ComponentResource):
    """Private subnets for nodes, public ones for load balancers, and an address translator.

    Attributes:
        ref: What other components need to know of it.
    """

    network_id: pulumi.Output[str]
    """Id of the network."""

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        place = args["environment"]
        spec = checked(
            NetworkSpec,
            args,
            f"Network {name}",
            wiring=["environment"],
            rules=lambda spec: selection.zone_findings(place["cloud"], place["region"], spec.zones),
        )
        said = intent(spec, cloud=place["cloud"], region=place["region"])
        super().__init__("springtide:index:Network", name, said, opts)
        made = clouds.load(place["cloud"]).network(name, spec, place, self)
        self.network_id = made.network_id
        self.ref = NetworkRef(zones=list(spec.zones), private_subnets=dict(made.private_subnets))
        self.register_outputs(said | {"networkId": made.network_id})
