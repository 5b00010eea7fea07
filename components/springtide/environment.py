"""The account, the place and the limits that everything of one environment lives in."""

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

import pulumi

from springtide import clouds, selection
from springtide.component import checked, child_of, intent
from springtide.spec import EnvironmentSpec, Finding, dns_label


class EnvironmentArgs(TypedDict):
    """Arguments of `Environment`."""

    cloud: str
    """Cloud to build in: a folder of `springtide.clouds`, such as aws."""
    account: str
    """Account id that everything must end up in; the provider refuses any other."""
    region: str
    """Region of the cloud, such as us-east-1."""
    machines: NotRequired[str]
    """Cloud whose machine types and prices are imitated, where the cloud has none itself. Default: the cloud's own."""
    budget_usd_per_hour: NotRequired[float]
    """Most that all GPU pools together may cost at their ceiling, in USD per hour at on-demand list prices."""
    exempt: NotRequired[list[str]]
    """Named exceptions from policies, each `<rule>:<resource>`."""


class EnvironmentRef(TypedDict):
    """Where a component builds; take it from `Environment.ref`."""

    name: str
    """Name of the environment; names of cloud resources begin with it."""
    cloud: str
    """Cloud to build in."""
    account: str
    """Account id."""
    region: str
    """Region of the cloud."""
    machines: NotRequired[str]
    """Cloud whose catalog describes the machines, where they are imitated. Default: the cloud itself."""


class Environment(pulumi.ComponentResource):
    """A guard around one account and one region.

    Attributes:
        ref: What other components need to know of it.
        inside: Options for components that build in it: they use the guarded provider.
    """

    cloud: pulumi.Output[str]
    """Cloud it builds in."""

    def __init__(self, name: str, args: EnvironmentArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        spec = checked(
            EnvironmentSpec,
            args,
            f"Environment {name}",
            rules=lambda spec: [
                *dns_label("/name", name),
                *_place(spec.cloud, spec.account, spec.region, spec.machines),
            ],
        )
        super().__init__("springtide:index:Environment", name, intent(spec), opts)
        provider = clouds.load(spec.cloud).provider(name, spec, child_of(self))
        self.ref = reference(name, spec)
        self.inside = pulumi.ResourceOptions(providers=[] if provider is None else [provider])
        self.cloud = pulumi.Output.from_input(spec.cloud)
        self.register_outputs(intent(spec))


def reference(name: str, spec: EnvironmentSpec) -> EnvironmentRef:
    """An environment as components see it."""
    place = EnvironmentRef(name=name, cloud=spec.cloud, account=spec.account, region=spec.region)
    if spec.machines is not None:
        place["machines"] = spec.machines
    return place


def machines_of(place: EnvironmentRef) -> str:
    """Cloud whose catalog describes the machines."""
    return place.get("machines", place["cloud"])


def reference_findings(place: Mapping[str, Any]) -> list[Finding]:
    """What is wrong with a reference to an environment that somebody wrote by hand."""
    cloud = place["cloud"]
    return [
        *dns_label("/name", place["name"]),
        *_place(cloud, place["account"], place["region"], place.get("machines")),
    ]


def _place(cloud: str, account: str, region: str, machines: str | None) -> list[Finding]:
    described = cloud if machines is None else machines
    return clouds.cloud_findings(cloud) or [
        *clouds.load(cloud).account_findings(account),
        *(clouds.machines_findings(cloud, described) or selection.region_findings(described, region)),
    ]
