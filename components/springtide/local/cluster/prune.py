"""What an environment leaves behind: found by its label and our field manager, and taken away in reverse order."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from springtide.local.cluster.api import Api
from springtide.local.cluster.errors import ConflictError, RefusedError, refusal
from springtide.local.cluster.judge import defined
from springtide.local.cluster.order import DEFINITION, NAMESPACE, leaving
from springtide.local.cluster.refs import ENVIRONMENT, Kind, Object, Ref, adopted, managed
from springtide.local.progress import Progress
from springtide.spec import Finding, Severity

LEAVING_SECONDS = 60.0
"""How long the next ones wait for those before them: a run that saves takes its time, and nothing is lost if it does."""
_PAUSE = 0.2
_WITH_PARTS = frozenset({"Deployment", "DaemonSet", "Job", "JobSet", "NodePool", "ReplicaSet", "StatefulSet"})
"""They stay until their pods or machines are gone, so that being gone means that nothing runs or costs any more."""
_EVERYWHERE = frozenset(
    {("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default"), ("ConfigMap", "istio-ca-root-cert")}
)
"""What controllers put into every namespace."""
_PASSING = frozenset({"Event", "Endpoints", "EndpointSlice", "Lease", "PodMetrics"})


def leftovers(api: Api, owner: str, wanted: Iterable[Ref]) -> list[Object]:
    """Objects that we applied for an environment and that are not wanted any more, without what is in them.

    Only what carries the environment's label and was applied by us counts: what a controller made of it, or somebody
    labelled alike, is not ours.
    """
    keep = {ref.identity for ref in wanted}
    found = (item for kind in api.kinds() for item in _labelled(api, kind, owner))
    return [item for item in found if _ours(item) and Ref.of(item).identity not in keep]


def _labelled(api: Api, kind: Kind, owner: str) -> list[Object]:
    try:
        return api.metadata(kind, labels=f"{ENVIRONMENT}={owner}")
    except RefusedError:
        # A user may not look at every kind of a cluster that others share: what they may not see they did not apply.
        return []


def _ours(item: Object) -> bool:
    meta = item["metadata"]
    controlled = any(owner.get("controller") for owner in meta.get("ownerReferences", ()))
    return managed(item) and not controlled and "deletionTimestamp" not in meta


class Pruning:
    """Takes objects away, those first that need others.

    Attributes:
        removed: What is gone, or on its way.
        findings: What stays, and why.
    """

    def __init__(self, api: Api, progress: Progress, *, seconds: float = LEAVING_SECONDS) -> None:
        self._api = api
        self._progress = progress
        self._seconds = seconds
        self.removed: list[Ref] = []
        self.findings: list[Finding] = []

    def take_away(self, objects: Iterable[Object]) -> None:
        """Delete the objects, group after group; what was there before us is only given back."""
        by_ref = {Ref.of(item): item for item in objects}
        for group in leaving(by_ref):
            deleted = [ref for ref in group if self._part_with(by_ref[ref], ref)]
            self.removed += deleted
            self._await_absence(deleted)

    def _part_with(self, item: Object, ref: Ref) -> bool:
        self._progress.doing(f"removing {ref}")
        if adopted(item):
            self._give_back(ref)
            return False
        inhabitants = next(iter(self._others_in(ref)), None)
        if inhabitants is not None:
            fix = f"delete {inhabitants} if nobody needs it, and run the same again"
            self._stays(ref, f"it stays: {inhabitants} is in it, which is not springtide's", fix)
            return False
        try:
            return self._api.delete(ref, foreground=ref.kind in _WITH_PARTS, uid=item["metadata"]["uid"])
        except ConflictError:
            # Somebody has made another one of the same name since: not ours.
            return False

    def _give_back(self, ref: Ref) -> None:
        """Apply nothing of it: the server takes our fields away and leaves everybody else's."""
        bare: Object = {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": {"name": ref.name}}
        if ref.namespace:
            bare["metadata"]["namespace"] = ref.namespace
        try:
            self._api.apply(bare)
        except RefusedError:
            self._stays(ref, "it stays as it is: it was there before", "edit or delete it yourself")

    def _others_in(self, ref: Ref) -> Iterator[Ref]:
        """What is in an object and would go with it, though nobody asked: only namespaces and definitions hold others."""
        holds = _HOLDERS.get(ref.kind)
        return iter(()) if holds is None else holds(self._api, ref)

    def _stays(self, ref: Ref, message: str, fix: str) -> None:
        self.findings.append(replace(refusal("local/stays", ref, message, fix), severity=Severity.WARNING))

    def _await_absence(self, refs: Iterable[Ref]) -> None:
        end = time.monotonic() + self._seconds
        waiting = [ref for ref in refs if self._api.get(ref) is not None]
        while waiting and time.monotonic() < end:
            self._progress.doing(f"waiting until {waiting[0]} is gone")
            time.sleep(_PAUSE)
            waiting = [ref for ref in waiting if self._api.get(ref) is not None]


def _in_namespace(api: Api, ref: Ref) -> Iterator[Ref]:
    """Objects of a namespace that nobody's controller made."""
    for kind in api.kinds():
        if kind.namespaced and kind.name not in _PASSING:
            yield from _free(api, kind, ref.name)


def _free(api: Api, kind: Kind, namespace: str = "") -> Iterator[Ref]:
    for item in api.metadata(kind, namespace=namespace):
        meta = item["metadata"]
        if not (meta.get("ownerReferences") or "deletionTimestamp" in meta or (kind.name, meta["name"]) in _EVERYWHERE):
            yield Ref.of(item)


def _of_definition(api: Api, ref: Ref) -> Iterator[Ref]:
    """Objects of the kind that a definition defines."""
    definition = api.get(ref)
    kinds = [] if definition is None else defined(definition)
    for api_version, name in kinds[:1]:
        yield from _free(api, api.kind(api_version, name))


_HOLDERS: dict[str, Callable[[Api, Ref], Iterator[Ref]]] = {NAMESPACE: _in_namespace, DEFINITION: _of_definition}
