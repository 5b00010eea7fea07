"""What names an object on an API server, and the marks by which we know those that we made."""

from dataclasses import dataclass
from typing import Any, Self

Object = dict[str, Any]
"""A Kubernetes object as its API server takes it: camelCase keys, JSON values."""

MANAGER = "springtide"
"""Field manager of every server-side apply of ours: the server records under it which fields are ours."""
ENVIRONMENT = "springtide.dev/environment"
"""Label of every object that we apply: name of the environment it belongs to."""
POOL = "springtide.dev/pool"
"""Label of a pool's nodes, and of their claims before they join."""
ADOPTED = "springtide.dev/adopted"
"""Annotation of objects that were there before us: they are changed as the plan says, and never deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of object, as a server's discovery describes it."""

    api_version: str
    name: str
    plural: str
    namespaced: bool
    verbs: frozenset[str] = frozenset()

    @property
    def root(self) -> str:
        """Path of the kind's group and version."""
        return f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"

    def path(self, namespace: str = "", name: str = "") -> str:
        """Path of one object, of the kind in one namespace, or of the kind everywhere."""
        place = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{self.root}{place}/{self.plural}{f'/{name}' if name else ''}"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Ref:
    """One object's name: `NodePool train`, `Job springtide/gpt-first`."""

    api_version: str
    kind: str
    name: str
    namespace: str = ""

    @classmethod
    def of(cls, item: Object) -> Self:
        """The name of an object; one without a namespace is either cluster-wide or in `default`."""
        meta = item.get("metadata", {})
        return cls(
            api_version=str(item.get("apiVersion", "")),
            kind=str(item.get("kind", "")),
            name=str(meta.get("name", "")),
            namespace=str(meta.get("namespace", "")),
        )

    @property
    def group(self) -> str:
        """Group of the API; empty for the core one."""
        return self.api_version.rpartition("/")[0]

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What stays the same where the object is read or written in another version of its API."""
        return (self.group, self.kind, self.namespace, self.name)

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


def managed(item: Object) -> bool:
    """Whether we have applied an object, or a part of it."""
    entries = item["metadata"].get("managedFields", ())
    return any((entry["manager"], entry["operation"]) == (MANAGER, "Apply") for entry in entries)


def adopted(item: Object) -> bool:
    """Whether an object that we apply is somebody else's."""
    return ADOPTED in (item["metadata"].get("annotations") or {})
