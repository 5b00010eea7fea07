"""What an environment has left behind, and what is somebody else's."""

from typing import Any

from tests.local.applied_objects import named, settings

from springtide.local.cluster.errors import Problem, RefusedError
from springtide.local.cluster.prune import leftovers
from springtide.local.cluster.refs import ADOPTED, MANAGER, Kind, Object, Ref, adopted, managed

KINDS = tuple(
    Kind(api_version="v1", name=name, plural=f"{name.lower()}s", namespaced=True) for name in ("ConfigMap", "Secret")
)


def applied(name: str, manager: str = MANAGER, operation: str = "Apply", **meta: Any) -> Object:
    entry = {"manager": manager, "operation": operation}
    return {**settings("work", name), "metadata": {**named(name, "work"), "managedFields": [entry], **meta}}


class Cluster:
    """A server whose Secrets this user may not list."""

    def __init__(self, *objects: Object) -> None:
        self._objects = list(objects)

    def kinds(self) -> tuple[Kind, ...]:
        return KINDS

    def metadata(self, kind: Kind, **_selectors: str) -> list[Object]:
        if kind.name == "Secret":
            raise RefusedError(Ref.of({}), (Problem(field="", words="secrets is forbidden"),))
        return self._objects


def left(*objects: Object, wanted: tuple[str, ...] = ()) -> list[str]:
    cluster: Any = Cluster(*objects)
    found = leftovers(cluster, "local", [Ref.of(settings("work", name)) for name in wanted])
    return [item["metadata"]["name"] for item in found]


def test_what_is_wanted_stays_and_the_rest_is_left_over() -> None:
    assert left(applied("a"), applied("b"), wanted=("b",)) == ["a"]


def test_what_others_made_or_labelled_is_not_ours() -> None:
    others = [applied("a", "kubectl"), applied("b", operation="Update")]
    assert left(*others) == []


def test_what_a_controller_made_goes_with_its_owner() -> None:
    assert left(applied("a", ownerReferences=[{"controller": True}])) == []


def test_what_is_leaving_is_not_sent_away_again() -> None:
    assert left(applied("a", deletionTimestamp="now")) == []


def test_an_object_in_another_version_of_its_api_is_the_same_object() -> None:
    newer = {**applied("a"), "apiVersion": "example.com/v2"}
    cluster: Any = Cluster(newer)
    assert leftovers(cluster, "local", [Ref.of({**newer, "apiVersion": "example.com/v1"})]) == []


def test_marks_are_read_from_objects_without_any() -> None:
    assert not managed(settings("work"))
    assert not adopted({"metadata": {"annotations": None}})
    assert adopted({"metadata": {"annotations": {ADOPTED: "true"}}})
