"""A private network over several zones, with one way out."""

from typing import NotRequired, TypedDict

import pulumi

from springtide import clouds, selection
from springtide.component import checked, intent
from springtide.environment import EnvironmentRef, machines_of
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
    pods_cidr: NotRequired[str]
    """Second address range, which pods take their addresses from, such as 100.64.0.0/16. Default: the cloud's habit."""
    endpoints: NotRequired[list[str]]
    """What is reached without leaving the cloud's network: `storage` (default), `registry`, `identity`. Some cost by the hour."""
    existing: NotRequired[str]
    """Id of a network that is there already: it is used as it is, and nothing is made in it."""
    subnets: NotRequired[dict[str, str]]
    """Private subnets of the existing network, by zone id; on GCP by region."""


class NetworkRef(TypedDict):
    """Where nodes live; take it from `Network.ref`."""

    network_id: pulumi.Input[str]
    """Id of the network."""
    zones: list[str]
    """Zone ids of the network."""
    private_subnets: dict[str, pulumi.Input[str]]
    """Subnet of each zone whose machines have no public address, by zone id."""
    public_subnets: NotRequired[pulumi.Input[list[str]]]
    """Subnets for load balancers with a public address. Default: none are known."""


class Network(pulumi.ComponentResource):
    """Private subnets for nodes, public ones for load balancers, and an address translator.

    Attributes:
        ref: What other components need to know of it.
    """

    network_id: pulumi.Output[str]
    """Id of the network."""
    private_subnets: pulumi.Output[dict[str, str]]
    """Subnet of each zone whose machines have no public address, by zone id."""
    public_subnets: pulumi.Output[list[str]]
    """Subnets for load balancers with a public address; none where the network was there already, or needs none."""

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        place = args["environment"]
        spec = checked(
            NetworkSpec,
            args,
            f"Network {name}",
            wiring=["environment"],
            rules=lambda spec: [
                *selection.zone_findings(machines_of(place), place["region"], spec.zones),
                *clouds.load(place["cloud"]).network_findings(spec),
            ],
        )
        said = intent(spec, cloud=place["cloud"], region=place["region"])
        super().__init__("springtide:index:Network", name, said, opts)
        made = clouds.load(place["cloud"]).network(name, spec, place, self)
        self.network_id = made.network_id
        self.private_subnets = pulumi.Output.all(**made.private_subnets)
        self.public_subnets = pulumi.Output.all(*made.public_subnets)
        self.ref = NetworkRef(
            network_id=made.network_id,
            zones=list(spec.zones),
            private_subnets=dict(made.private_subnets),
            public_subnets=pulumi.Output.all(*made.public_subnets) if made.public_subnets else [],
        )
        self.register_outputs(said | {"networkId": made.network_id, "privateSubnets": self.private_subnets})
