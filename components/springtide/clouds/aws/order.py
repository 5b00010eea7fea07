"""Order that rides on what only AWS knows: an id that is used when something else is there as well."""

import pulumi

from springtide.component import after


def id_after(known_late: pulumi.Output[str], *resources: pulumi.Resource) -> pulumi.Output[str]:
    """An id or ARN, for use by what must be made after `resources` and destroyed before them.

    `component.after` does the same for a value of ours, which a preview knows.
    """
    return pulumi.Output.all(known_late, after(None, *resources)).apply(lambda both: str(both[0]))
