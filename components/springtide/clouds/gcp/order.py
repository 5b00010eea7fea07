"""Order that rides on a value of another component."""

from typing import TypeVar

import pulumi

V = TypeVar("V")


def behind(value: V, earlier: pulumi.Input[str]) -> pulumi.Output[V]:
    """`value`, for use by what must be made after all that `earlier` stands for, and destroyed before it.

    Known in a preview where `earlier` is. `component.after` does the same for resources.
    """
    return pulumi.Output.from_input(earlier).apply(lambda _: value)
