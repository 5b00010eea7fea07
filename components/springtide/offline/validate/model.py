"""The clouds' own API models: what one member of one operation or schema may hold.

A member's address is its service, the operation (AWS) or schema (GCP), and the members below it, with `[]` for a
list's elements and `{}` for a mapping's values: `eks:CreateNodegroup.taints[].effect`,
`container.v1:NodePool.config.accelerators[].acceleratorType`. GCP's services carry the version of their API.
"""

from functools import cache

from springtide.offline.validate import aws_model, gcp_model
from springtide.offline.validate.constraint import Constraint


class UnknownMember(LookupError):  # noqa: N818  it is an answer about the installed model, not a fault
    """The installed API model has no such service, operation, schema or member."""


@cache
def member(address: str) -> Constraint:
    """What the API model says about the member at `address`.

    Raises:
        UnknownMember: the installed model lacks it; another version of its package may have renamed it.
    """
    service, _, rest = address.partition(":")
    name, *steps = rest.replace("[]", ".[]").replace("{}", ".{}").split(".")
    read = gcp_model.member if "." in service else aws_model.member
    try:
        return read(service, name, steps, address)
    except (KeyError, FileNotFoundError) as missing:
        message = f"the installed API models have no {address}"
        raise UnknownMember(message) from missing
