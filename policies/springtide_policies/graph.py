"""A stack as rules see it: resources as plain data, read through one accessor that never guesses.

The input is the plan's own format of a resource (`springtide.offline.plan`), whoever made it: the offline plan or an
engine's calls to a policy pack. What only the cloud knows is listed under `unknown`; reading it raises.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Self

Key = str | int


class UnknownInputError(Exception):
    """A rule read a value that only the cloud knows.

    Attributes:
        field: The place that was read.
        paths: JSON Pointers of the unknown values that were in the way.
    """

    def __init__(self, place: "Field", paths: tuple[str, ...]) -> None:
        self.field = place
        self.paths = paths
        super().__init__(f"{place.node.urn}: only the cloud knows {', '.join(paths)}")


@dataclass(frozen=True, slots=True)
class Field:
    """One place in a resource's inputs, whether something is written there or not."""

    node: "Node"
    path: str
    """JSON Pointer of the place; empty for the inputs as a whole."""
    _found: Any = field(default=None, repr=False)

    def get(self, key: Key) -> "Field":
        """The place one step down: a key of a mapping, an index of a list."""
        escaped = str(key).replace("~", "~0").replace("/", "~1")
        return Field(self.node, f"{self.path}/{escaped}", _member(self._found, key))

    def at(self, *keys: Key) -> "Field":
        """The place several steps down."""
        return reduce(Field.get, keys, self)

    @property
    def unknown(self) -> tuple[str, ...]:
        """JSON Pointers of what only the cloud knows, at this place, around it or inside it."""
        return (*self._covered_by(), *(path for path in self.node.unknown if path.startswith(f"{self.path}/")))

    @property
    def value(self) -> Any:
        """What is written here; None where nothing is, or null.

        Raises:
            UnknownInputError: it, or a part of it, is known only to the cloud.
        """
        if self.unknown:
            raise UnknownInputError(self, self.unknown)
        return self._found

    @property
    def shown(self) -> Any:
        """What may be shown of the value: all of it when known, else None."""
        return None if self.unknown else self._found

    @property
    def given(self) -> bool:
        """Whether something is written here; a value that only the cloud knows counts.

        Raises:
            UnknownInputError: something around this place is known only to the cloud.
        """
        around = tuple(path for path in self._covered_by() if path != self.path)
        if around:
            raise UnknownInputError(self, around)
        return self.path in self.node.unknown or self._found is not None

    def members(self) -> tuple["Field", ...]:
        """The places of a list, or of nothing. An unknown list has one member, itself: reading that raises."""
        if self._covered_by():
            return (self,)
        return tuple(self.get(index) for index in range(len(self._found))) if _is_list(self._found) else ()

    def _covered_by(self) -> tuple[str, ...]:
        return tuple(path for path in self.node.unknown if self.path == path or self.path.startswith(f"{path}/"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One resource. Its inputs are reached by `at` only."""

    urn: str
    type: str
    name: str
    parent: str | None = None
    unknown: tuple[str, ...] = ()
    """JSON Pointers of inputs that only the cloud knows, and of secrets, which no rule may read."""
    uses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """URNs of the resources that an input is made of, by the input's JSON Pointer."""
    protected: bool | None = None
    """Whether a destroy or a replacement is refused; None where a front end does not say."""
    read: bool = False
    """Whether the resource is only looked up; what it is was decided elsewhere."""
    _inputs: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, resource: Mapping[str, Any]) -> Self:
        """The node of a resource in the plan's JSON; every member but `urn`, `type` and `name` may be absent."""
        return cls(
            urn=resource["urn"],
            type=resource["type"],
            name=resource["name"],
            parent=resource.get("parent"),
            unknown=(*resource.get("unknown", ()), *resource.get("secret", ())),
            uses={path: tuple(urns) for path, urns in resource.get("property_depends_on", {}).items()},
            protected=resource.get("options", {}).get("protect"),
            read=resource.get("id") is not None,
            _inputs=resource.get("inputs", {}),
        )

    def at(self, *keys: Key) -> Field:
        """The place in the inputs that the keys lead to."""
        return Field(self, "", self._inputs).at(*keys)

    @property
    def lineage(self) -> tuple[str, ...]:
        """Types of the components it is in, outermost first, and its own: a URN tells them, so one node is enough."""
        return tuple(self.urn.split("::", 3)[2].split("$"))

    @property
    def names(self) -> tuple[str, ...]:
        """The names people know it by: its own, and that of the component it is a part of."""
        return (self.name,) if self.parent is None else (self.name, self.parent.split("::", 3)[-1])


@dataclass(frozen=True, slots=True)
class Graph:
    """The resources that rules look at: a whole stack, or one of its resources."""

    nodes: tuple[Node, ...]

    @classmethod
    def of(cls, resources: Iterable[Mapping[str, Any]]) -> Self:
        """The graph of resources in the plan's JSON, without those that are only read."""
        return cls(tuple(node for node in map(Node.of, resources) if not node.read))

    def of_type(self, *types: str) -> Iterator[Node]:
        """The nodes of some types, in the graph's order."""
        return (node for node in self.nodes if node.type in types)


def _member(found: Any, key: Key) -> Any:
    if isinstance(found, Mapping):
        return found.get(key)
    return found[key] if _is_list(found) and isinstance(key, int) and key < len(found) else None


def _is_list(found: Any) -> bool:
    return isinstance(found, Sequence) and not isinstance(found, str)
