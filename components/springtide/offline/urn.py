"""URNs as the Pulumi engine makes them: `urn:pulumi:<stack>::<project>::<type chain>::<name>`.

The type chain holds the types of all ancestors below the root stack, joined by `$`, the resource's own type last. (The
SDK's mock monitor differs: it counts the stack itself and forgets all but the nearest ancestor.)
"""

from dataclasses import dataclass
from typing import Self

STACK_TYPE = "pulumi:pulumi:Stack"

_PREFIX = "urn:pulumi:"
_PARTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Urn:
    """A resource's name in its stack, taken apart. Only the name may hold `::`; no type holds `$`."""

    stack: str
    project: str
    types: tuple[str, ...]
    """Types from the outermost ancestor below the root stack to the resource itself."""
    name: str

    def __str__(self) -> str:
        return f"{_PREFIX}{self.stack}::{self.project}::{'$'.join(self.types)}::{self.name}"

    @property
    def type(self) -> str:
        """The resource's own type token."""
        return self.types[-1]

    @classmethod
    def parse(cls, text: str) -> Self:
        """The inverse of `str`.

        Raises:
            ValueError: `text` is no URN.
        """
        parts = text.removeprefix(_PREFIX).split("::", _PARTS - 1)
        if not text.startswith(_PREFIX) or len(parts) != _PARTS:
            raise ValueError(f"{text!r} is no URN: it must read urn:pulumi:<stack>::<project>::<types>::<name>")
        stack, project, types, name = parts
        return cls(stack=stack, project=project, types=tuple(types.split("$")), name=name)

    @classmethod
    def of_stack(cls, project: str, stack: str) -> Self:
        """The root stack's own URN."""
        return cls(stack=stack, project=project, types=(STACK_TYPE,), name=f"{project}-{stack}")

    def child(self, resource_type: str, name: str) -> Self:
        """The URN of a resource whose parent this is; the root stack leaves no trace in its children's chain."""
        ancestors = () if self.type == STACK_TYPE else self.types
        return type(self)(stack=self.stack, project=self.project, types=(*ancestors, resource_type), name=name)
