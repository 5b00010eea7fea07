"""Objects in, a changed environment out: all of them are tried first, then applied in order, then what is left over goes.

Nothing is applied while the server refuses one of them. The only exception are definitions of kinds that come with the
objects: what uses them can be judged only after they are there.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from springtide.local.cluster import prune
from springtide.local.cluster.api import Api
from springtide.local.cluster.diff import Change, Difference, removals
from springtide.local.cluster.errors import AT_FAULT, UnreachableError, findings_of, refusal
from springtide.local.cluster.judge import Judgement, Step, defined, judge
from springtide.local.cluster.order import DEFINITION, coming, rank
from springtide.local.cluster.refs import ENVIRONMENT, Object, Ref
from springtide.local.progress import Progress
from springtide.offline.replacement import Action
from springtide.spec import Finding

SETTLE_SECONDS = 60.0
"""How long a definition may take to be served, and an object that is replaced to go."""
_PAUSE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an apply did, or would do."""

    difference: Difference = field(default_factory=Difference)
    """Every object that was or would be touched, with what changes in it."""
    findings: tuple[Finding, ...] = ()
    """What the server refuses, and what stays though nobody wants it any more."""

    @property
    def created(self) -> tuple[Ref, ...]:
        """Objects that were not there."""
        return self.difference.of(Action.CREATE)

    @property
    def changed(self) -> tuple[Ref, ...]:
        """Objects that were changed in place."""
        return self.difference.of(Action.UPDATE)

    @property
    def replaced(self) -> tuple[Ref, ...]:
        """Objects that were deleted and made anew, because something in them cannot be changed."""
        return self.difference.of(Action.REPLACE)

    @property
    def kept(self) -> tuple[Ref, ...]:
        """Runs that go on as they were started, though their definition has changed."""
        return self.difference.of(Action.KEEP)

    @property
    def pruned(self) -> tuple[Ref, ...]:
        """Objects that the plan no longer holds."""
        return self.difference.of(Action.DELETE)

    @property
    def unchanged(self) -> tuple[Ref, ...]:
        """Objects that were as they should be."""
        return self.difference.unchanged

    @property
    def refused(self) -> bool:
        """Whether something could not be applied."""
        return any(finding.stops for finding in self.findings)


def apply(objects: Sequence[Object], api: Api, owner: str, progress: Progress, *, dry_run: bool = False) -> Outcome:
    """Make the server hold these objects for an environment, and none that an earlier apply made for it.

    Args:
        objects: The objects, in any order.
        api: The server.
        owner: Name of the environment. Every object is labelled with it.
        progress: Who is told what happens.
        dry_run: Whether the outcome only says what would be done.

    Returns:
        What was done. Where it is `refused`, findings name every object that the server does not take, with its words.

    Raises:
        UnreachableError: the server went away; the text says how far the apply had come. The same apply finishes it.
        DeniedError: the server does not know who asks.
    """
    api.refresh()
    wanted = [_placed(item, api, owner) for item in coming(objects)]
    judged = judge(wanted, api, wanted)
    if judged.findings:
        return Outcome(findings=judged.findings)
    gone = prune.leftovers(api, owner, map(Ref.of, wanted))
    if dry_run:
        return _foreseen(judged, [Ref.of(item) for item in gone])
    work = _Work(api, progress, total=len(wanted))
    definitions = [step for step in judged.steps if step.ref.kind == DEFINITION]
    if not work.carry_out(definitions) or not work.settle(definitions):
        return work.outcome()
    afterwards = judge([_placed(item, api, owner) for item in judged.later], api, wanted)
    if afterwards.findings:
        return work.outcome(afterwards.findings)
    rest = [step for step in (*judged.steps, *afterwards.steps) if step.ref.kind != DEFINITION]
    if work.carry_out(sorted(rest, key=lambda step: rank(step.ref.kind))):
        work.prune(gone)
    return work.outcome()


def remove(api: Api, owner: str, progress: Progress) -> Outcome:
    """Take away everything that was applied for an environment."""
    return apply((), api, owner, progress)


def _placed(item: Object, api: Api, owner: str) -> Object:
    """An object with its environment's label, and with its namespace where its kind has one."""
    meta = item["metadata"]
    known = api.knows(item["apiVersion"], item["kind"])
    inside = known and api.kind(item["apiVersion"], item["kind"]).namespaced
    place = {"namespace": meta.get("namespace", "default")} if inside else {}
    return {**item, "metadata": {**meta, **place, "labels": {**meta.get("labels", {}), ENVIRONMENT: owner}}}


def _foreseen(judged: Judgement, gone: Sequence[Ref]) -> Outcome:
    changes = [step.change for step in judged.steps if step.change is not None]
    unseen = "its kind comes with this apply, so the server has not judged it"
    later = [Change(action=Action.CREATE, ref=Ref.of(item), because=unseen) for item in judged.later]
    unchanged = tuple(step.ref for step in judged.steps if step.change is None)
    return Outcome(difference=Difference(changes=(*changes, *later, *removals(gone)), unchanged=unchanged))


class _Work:
    """Carries steps out and remembers what was done."""

    def __init__(self, api: Api, progress: Progress, *, total: int) -> None:
        self._api = api
        self._progress = progress
        self._total = total
        self._changes: list[Change] = []
        self._unchanged: list[Ref] = []
        self._findings: list[Finding] = []

    def outcome(self, findings: Iterable[Finding] = ()) -> Outcome:
        difference = Difference(changes=tuple(self._changes), unchanged=tuple(self._unchanged))
        return Outcome(difference=difference, findings=(*self._findings, *findings))

    def carry_out(self, steps: Iterable[Step]) -> bool:
        """Do the steps; False where one was refused after all, and those after it were not tried."""
        for step in steps:
            try:
                self._do(step)
            except AT_FAULT as error:
                self._findings += findings_of(error, step.ref)
                return False
            except UnreachableError as error:
                done = len(self._changes) + len(self._unchanged)
                raise UnreachableError(f"{error}. {done} of {self._total} objects were applied: apply again") from error
        return True

    def _do(self, step: Step) -> None:
        if step.change is None:
            self._unchanged.append(step.ref)
            return
        if step.change.action is not Action.KEEP:
            self._progress.doing(f"applying {step.ref} ({len(self._changes) + 1} of {self._total})")
            if step.change.action is Action.REPLACE:
                self._clear(step)
            self._api.apply(step.item)
        self._changes.append(step.change)

    def _clear(self, step: Step) -> None:
        """Delete the object that another one replaces, and wait until it is gone."""
        self._api.delete(step.ref, foreground=True, uid=step.uid)
        end = time.monotonic() + SETTLE_SECONDS
        while (live := self._api.get(step.ref)) and live["metadata"]["uid"] == step.uid and time.monotonic() < end:
            time.sleep(_PAUSE)

    def settle(self, definitions: Iterable[Step]) -> bool:
        """Wait until the server serves what was defined; False where it does not."""
        kinds = [(step.ref, pair) for step in definitions for pair in defined(step.item)]
        end = time.monotonic() + SETTLE_SECONDS
        while missing := [ref for ref, pair in kinds if not self._api.knows(*pair)]:
            if time.monotonic() > end:
                self._findings += [_unserved(ref) for ref in missing]
                return False
            self._progress.doing(f"waiting until {missing[0]} is served")
            time.sleep(_PAUSE)
        return True

    def prune(self, objects: Iterable[Object]) -> None:
        pruning = prune.Pruning(self._api, self._progress)
        pruning.take_away(objects)
        self._changes += removals(pruning.removed)
        self._findings += pruning.findings


def _unserved(ref: Ref) -> Finding:
    message = f"the server does not serve it after {SETTLE_SECONDS:.0f} s"
    return refusal("local/unserved", ref, message, f"kubectl describe crd {ref.name} says why")
