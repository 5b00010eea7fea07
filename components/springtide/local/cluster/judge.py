"""What an apply would do, by the server's own judgement: every object is tried in a dry run before any is applied."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from springtide.local.cluster.api import Api
from springtide.local.cluster.diff import Change, asked_difference, property_difference
from springtide.local.cluster.errors import (
    AT_FAULT,
    ConflictError,
    ImpossibleError,
    OwnedError,
    Problem,
    RefusedError,
    findings_of,
)
from springtide.local.cluster.given_once import autoscaled, given_once, settled
from springtide.local.cluster.order import DEFINITION, NAMESPACE
from springtide.local.cluster.refs import ADOPTED, ENVIRONMENT, Object, Ref, adopted, managed
from springtide.offline.replacement import Action
from springtide.spec import Finding

RUNS = frozenset({"Job", "JobSet"})
"""A run keeps the definition that it was started with."""
PRECIOUS = frozenset({"PersistentVolume", "PersistentVolumeClaim", NAMESPACE, DEFINITION})
"""Kinds that take with them what people keep in them: never deleted to be made anew."""
NEXT_RUN = "a run keeps the definition that it was started with: this takes effect in the next run"
_ANYWHERE = "default"
"""A namespace that every cluster has: where objects are tried whose own namespace is yet to come."""
_LOOKS = 5
"""How often an object is looked at anew that a controller writes at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One object, and what is to be done about it."""

    item: Object
    """The object to apply."""
    ref: Ref
    change: Change | None
    """None: nothing."""
    uid: str = ""
    """UID of the one that is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the server says of all objects."""

    steps: tuple[Step, ...] = ()
    findings: tuple[Finding, ...] = ()
    """Every reason why some object cannot be applied."""
    later: tuple[Object, ...] = ()
    """Objects that nobody can judge before the definition of their kind is there, which is among the objects."""


def judge(objects: Sequence[Object], api: Api, among: Sequence[Object]) -> Judgement:
    """Try every object in a dry run. Nothing is changed.

    Args:
        objects: The objects, each with its namespace.
        api: The server.
        among: All that comes with them: their namespaces, definitions and autoscalers may be there.
    """
    court = _Court(api, among)
    later = [item for item in objects if court.waits_for_definition(item)]
    steps: list[Step] = []
    findings: list[Finding] = []
    for item in objects:
        if item not in later:
            try:
                steps.append(court.step(item))
            except AT_FAULT as error:
                findings += findings_of(error, Ref.of(item))
    return Judgement(steps=tuple(steps), findings=tuple(findings), later=tuple(later))


class _Court:
    """Judges one object after another, knowing which others come with it."""

    def __init__(self, api: Api, objects: Iterable[Object]) -> None:
        self._api = api
        together = list(objects)
        self._defined = {pair for item in together for pair in defined(item)}
        self._scaled = autoscaled(together)
        self._new_namespaces = {
            item["metadata"]["name"]
            for item in together
            if item["kind"] == NAMESPACE and not _stays(api.get(Ref.of(item)))
        }

    def waits_for_definition(self, item: Object) -> bool:
        return (item["apiVersion"], item["kind"]) in self._defined and not self._api.knows(
            item["apiVersion"], item["kind"]
        )

    def step(self, item: Object) -> Step:
        ref = Ref.of(item)
        if ref.namespace in self._new_namespaces:
            self._try_new(item, _ANYWHERE)
            return _created(item, ref)
        live = self._api.get(ref)
        if live is None:
            self._api.apply(item, dry_run=True)
            return _created(item, ref)
        uid = live["metadata"]["uid"]
        if not _stays(live):
            self._try_new(item, ref.namespace)
            return Step(item=item, ref=ref, change=_replaced(ref, "the one that is there is being deleted"), uid=uid)
        _ours(item, live, ref)
        wanted = item if managed(live) and not adopted(live) else _adopting(item)
        if ref.kind not in RUNS:
            wanted = settled(wanted, live, given_once(item, scaled=ref.identity[1:] in self._scaled))
        return Step(item=wanted, ref=ref, change=self._change(wanted, live, ref), uid=uid)

    def _change(self, item: Object, live: Object, ref: Ref) -> Change | None:
        try:
            found = property_difference(*self._before_and_after(item, live, ref))
        except RefusedError as error:
            return self._instead(item, live, error)
        if not found:
            return None
        if ref.kind in RUNS:
            return Change(action=Action.KEEP, ref=ref, changes=found, because=NEXT_RUN)
        return Change(action=Action.UPDATE, ref=ref, changes=found)

    def _before_and_after(self, item: Object, live: Object, ref: Ref) -> tuple[Object, Object]:
        """Two looks at one version of the object: what a controller writes in between would pass for a change of ours."""
        after = self._api.apply(item, dry_run=True)
        for _ in range(_LOOKS):
            if _version(after) == _version(live):
                break
            live = self._api.get(ref) or live
            after = self._api.apply(item, dry_run=True)
        return live, after

    def _instead(self, item: Object, live: Object, error: RefusedError) -> Change:
        """What becomes of a change that the server refuses.

        A definition that it takes by itself is only refused as a change: something in it cannot be changed.
        """
        ref, asked = error.about, asked_difference(live, item)
        if ref.kind in RUNS:
            return Change(action=Action.KEEP, ref=ref, changes=asked, because=NEXT_RUN)
        self._try_new(item, ref.namespace)
        if ref.kind in PRECIOUS or adopted(item):
            raise ImpossibleError(ref, error.problems) from error
        why = "; ".join(f"{problem.field}: {problem.words}".removeprefix(": ") for problem in error.problems)
        return Change(action=Action.REPLACE, ref=ref, changes=asked, because=why)

    def _try_new(self, item: Object, namespace: str) -> None:
        try:
            self._api.try_new(item, namespace)
        except ConflictError:
            # Told only after the object itself has passed.
            return


def _ours(item: Object, live: Object, ref: Ref) -> None:
    """See that no other environment has applied the object.

    Raises:
        OwnedError: one has, and both would write it in turn.
    """
    ours, theirs = (found["metadata"].get("labels", {}).get(ENVIRONMENT) for found in (item, live))
    if managed(live) and theirs not in {None, ours}:
        raise OwnedError(ref, (Problem(field="", words=f"it belongs to environment {theirs}, which is up there"),))


def _stays(live: Object | None) -> bool:
    """Whether an object is there and not on its way out."""
    return live is not None and "deletionTimestamp" not in live["metadata"]


def _version(item: Object) -> str:
    return str(item["metadata"].get("resourceVersion", ""))


def _created(item: Object, ref: Ref) -> Step:
    return Step(item=item, ref=ref, change=Change(action=Action.CREATE, ref=ref))


def _replaced(ref: Ref, because: str) -> Change:
    return Change(action=Action.REPLACE, ref=ref, because=because)


def defined(item: Object) -> list[tuple[str, str]]:
    """The kinds that an object defines, each with its group and version; none where it is no definition."""
    if item["kind"] != DEFINITION:
        return []
    spec = item["spec"]
    return [
        (f"{spec['group']}/{version['name']}", spec["names"]["kind"])
        for version in spec["versions"]
        if version["served"]
    ]


def _adopting(item: Object) -> Object:
    """An object of ours over one that somebody else had made."""
    meta = item["metadata"]
    return {**item, "metadata": {**meta, "annotations": {**meta.get("annotations", {}), ADOPTED: "true"}}}
