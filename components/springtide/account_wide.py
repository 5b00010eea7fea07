"""What an account has once, whatever runs in it: what a cloud makes by itself for some of its services and not for ours."""

from typing import NotRequired, TypedDict

import pulumi

from springtide.clouds import bootstrap
from springtide.component import checked, intent
from springtide.environment import EnvironmentRef
from springtide.spec import Finding, one_of, spec

ROLES = ("make", "existing")


class AccountWideArgs(TypedDict):
    """Arguments of `AccountWide`."""

    environment: EnvironmentRef
    """Environment it is built in; take it from `Environment.ref`."""
    roles: NotRequired[str]
    """Roles that the cloud's own services take on: `make` (default), or `existing` where the account has them already."""


@spec
class AccountWideSpec:
    """What an account has once."""

    roles: str = ROLES[0]

    def findings(self) -> list[Finding]:
        """What is no answer."""
        return one_of("/roles", self.roles, ROLES)


class AccountWide(pulumi.ComponentResource):
    """What an account has once, and keeps when this stack goes."""

    def __init__(self, name: str, args: AccountWideArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        place = args["environment"]
        chosen = checked(AccountWideSpec, args, f"AccountWide {name}", wiring=["environment"])
        said = intent(chosen, cloud=place["cloud"])
        super().__init__("springtide:index:AccountWide", name, said, opts)
        if chosen.roles == "make":
            bootstrap.load(place["cloud"]).service_roles(self)
        self.register_outputs(said)
