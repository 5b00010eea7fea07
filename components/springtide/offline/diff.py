"""What a plan changes against another one: created, changed, deleted, replaced where known, and which runs it hits."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final

from springtide.offline import rolling
from springtide.offline.paths import WHOLE, child, covers, overlaps, pointer_of
from springtide.offline.plan import Plan, Resource
from springtide.offline.replacement import Action, action_for, replacing_properties
from springtide.offline.views import JobView, PoolView

_NODE_GROUP = "aws:eks/nodeGroup:NodeGroup"
_TEMPLATES = {_NODE_GROUP: "aws:ec2/launchTemplate:LaunchTemplate"}
_HOLDS_ALL_NODES = frozenset({"aws:eks/cluster:Cluster", "gcp:container/cluster:Cluster"})
_RUNS = frozenset({"kubernetes:batch/v1:Job", "kubernetes:jobset.x-k8s.io/v1alpha2:JobSet"})
Replaced = Mapping[str, Resource]
"""Replaced resources by URN."""
_URN = re.compile(r"urn:pulumi:[^\s«»#\"]+")


class Absent(Enum):
    """The side of a change on which there is no value; null is a value."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertyChange:
    """One value that differs; `old` or `new` is ABSENT where the property comes or goes."""

    path: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceChange:
    """What happens to one resource."""

    action: Action
    urn: str
    type: str
    name: str
    custom: bool
    """False for a component or a provider: its change is the intent, what the cloud sees is in its children."""
    changes: tuple[PropertyChange, ...] = ()
    ignored: tuple[PropertyChange, ...] = ()
    """Differences that `ignore_changes` holds back."""
    because: str = ""
    """The property that makes a replacement, or the replaced resource that this one refers to."""
    renamed_from: str = ""
    """The URN in the base, where an alias joins the two."""
    rolls_nodes: bool = False
    """Whether every node behind it is drained and started anew, though the resource itself stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A running job that the change disturbs."""

    job: str
    run: str
    pool: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A plan against its base."""

    changes: tuple[ResourceChange, ...]
    unchanged: int
    """Custom resources that are the same on both sides."""
    hits: tuple[Hit, ...]
    new_environment: bool
    """Whether the base has no such environment, so that everything is created."""

    def of(self, *actions: Action) -> tuple[ResourceChange, ...]:
        """Changes of the resources that a cloud or a cluster holds, by what happens to them."""
        return tuple(change for change in self.changes if change.custom and change.action in actions)

    @property
    def intent(self) -> tuple[ResourceChange, ...]:
        """Changes of components: what was asked for, before what it means."""
        return tuple(change for change in self.changes if not change.custom)

    @property
    def ranked(self) -> tuple[ResourceChange, ...]:
        """What was asked for, then what it means, the dangerous before the harmless."""
        return (*self.intent, *(change for action in Action for change in self.of(action)))

    @property
    def empty(self) -> bool:
        """Whether an update would do nothing."""
        return not any(change.custom and change.action is not Action.KEEP for change in self.changes)


def compare(base: Plan | None, plan: Plan) -> Comparison:
    """What `plan` changes against `base`; without a base everything is created."""
    before = {} if base is None else {resource.urn: resource for resource in _made(base)}
    after = _made(plan)
    renames = dict(_renames(after, before))
    current_name = {old: new for new, old in renames.items()}
    found: dict[str, ResourceChange] = {}
    gone: dict[str, Resource] = {}
    for resource in after:
        old = before.get(renames.get(resource.urn, resource.urn))
        change = _change(None if old is None else _renamed(old, current_name), resource, found, gone)
        found[resource.urn] = change
        if change.custom and change.action is Action.REPLACE:
            gone[resource.urn] = resource
    kept = {renames.get(resource.urn, resource.urn) for resource in after}
    deleted = [_simple(Action.DELETE, resource) for urn, resource in before.items() if urn not in kept]
    changes = [*(change for change in found.values() if _tells(change)), *deleted]
    return Comparison(
        changes=tuple(changes),
        unchanged=sum(1 for change in found.values() if change.custom and not _tells(change)),
        hits=() if base is None else tuple(_hits(base, plan, changes, current_name)),
        new_environment=base is None,
    )


def property_changes(old: Any, new: Any, path: str = WHOLE) -> Iterator[PropertyChange]:
    """The smallest differing values between two inputs, in order of their pointers' steps.

    Pointers lead on into texts that are JSON documents, such as policies, where both sides are.
    """
    old, new = _documents(old, new)
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(old.keys() | new.keys()):
            yield from property_changes(old.get(key, ABSENT), new.get(key, ABSENT), child(path, key))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            yield from property_changes(_at(old, index), _at(new, index), child(path, index))
    elif old != new or isinstance(old, bool) != isinstance(new, bool):
        yield PropertyChange(path=path, old=old, new=new)


def _documents(old: Any, new: Any) -> tuple[Any, Any]:
    """Two different texts as the JSON they hold, where both hold some and it differs; anything else as it is."""
    if old == new or not (isinstance(old, str) and isinstance(new, str)):
        return old, new
    try:
        parsed = json.loads(old), json.loads(new)
    except ValueError:
        return old, new
    same_kind = isinstance(parsed[0], dict | list) and type(parsed[0]) is type(parsed[1])
    return parsed if same_kind and parsed[0] != parsed[1] else (old, new)


def _at(items: list[Any], index: int) -> Any:
    return items[index] if index < len(items) else ABSENT


def _made(plan: Plan) -> tuple[Resource, ...]:
    """What the plan makes; what it only reads has an id and belongs to someone else."""
    return tuple(resource for resource in plan.resources if resource.id is None)


def _tells(change: ResourceChange) -> bool:
    return change.action is not Action.KEEP or bool(change.ignored or change.renamed_from)


def _renames(resources: Iterable[Resource], before: Mapping[str, Resource]) -> Iterator[tuple[str, str]]:
    """New URN → the base's URN that one of its aliases names."""
    for resource in resources:
        if resource.urn not in before:
            yield from ((resource.urn, alias) for alias in resource.options.get("aliases", ()) if alias in before)


def _renamed(old: Resource, current_name: Mapping[str, str]) -> Resource:
    """`old` as it would read had the renamed resources always borne their new names."""
    if not current_name:
        return old
    return replace(
        old,
        inputs=_substitute(old.inputs, current_name),
        property_depends_on={path: _current(urns, current_name) for path, urns in old.property_depends_on.items()},
    )


def _current(urns: Iterable[str], current_name: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(current_name.get(urn, urn) for urn in urns)


def _substitute(value: Any, current_name: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _URN.sub(lambda found: current_name.get(found[0], found[0]), value)
    if isinstance(value, list):
        return [_substitute(item, current_name) for item in value]
    if isinstance(value, dict):
        return {key: _substitute(item, current_name) for key, item in value.items()}
    return value


def _change(
    old: Resource | None, new: Resource, settled: Mapping[str, ResourceChange], gone: Replaced
) -> ResourceChange:
    """What happens to one resource, given what happens to those it depends on."""
    if old is None:
        return _simple(Action.CREATE, new)
    held_back = tuple(pointer_of(path) for path in new.options.get("ignore_changes", ()))
    differing = [item for item in property_changes(old.inputs, new.inputs) if not _same_placeholder(item, old, new)]
    ignored = [item for item in differing if any(covers(path, item.path) for path in held_back)]
    changes = [item for item in differing if item not in ignored]
    action, because = action_for(new.type, (item.path for item in changes), new.options)
    if new.custom and action is not Action.REPLACE:
        action, because = _cascade(new, action, held_back, settled, gone)
    follows = _follows_template(new, settled)
    rolls = follows or (rolling.rolls(new.type, (item.path for item in changes)) and not rolling.waits(new))
    if follows and action in (Action.KEEP, Action.UPDATE):
        action, because = Action.UPDATE, "it takes the new version of its launch template"
    return replace(
        _simple(action if new.custom or action is Action.KEEP else Action.UPDATE, new),
        changes=tuple(changes), ignored=tuple(ignored), because=because,
        renamed_from=old.urn if old.urn != new.urn else "", rolls_nodes=rolls and action is Action.UPDATE,
    )  # fmt: skip


def _simple(action: Action, resource: Resource) -> ResourceChange:
    held = resource.custom and not resource.type.startswith("pulumi:")
    return ResourceChange(action=action, urn=resource.urn, type=resource.type, name=resource.name, custom=held)


def _same_placeholder(change: PropertyChange, old: Resource, new: Resource) -> bool:
    """Whether a value known only to the cloud is the same one on both sides, though its stand-ins differ."""
    if change.path not in old.unknown or change.path not in new.unknown or isinstance(change.new, str):
        return False
    return _sources(old, change.path) == _sources(new, change.path)


def _sources(resource: Resource, path: str) -> set[str]:
    return {urn for key, urns in resource.property_depends_on.items() if overlaps(key, path) for urn in urns}


def _follows_template(new: Resource, settled: Mapping[str, ResourceChange]) -> bool:
    """Whether a node group takes the version that its changed template is about to get."""
    wanted = _TEMPLATES.get(new.type, "")
    templates = (settled.get(urn) for urns in new.property_depends_on.values() for urn in urns)
    return any(item and item.type == wanted and item.action is Action.UPDATE for item in templates)


def _cascade(
    new: Resource, action: Action, held_back: tuple[str, ...], settled: Mapping[str, ResourceChange], gone: Replaced
) -> tuple[Action, str]:
    """A replaced resource gets a new identity, and whoever takes it in a replacing property is replaced too."""
    known = replacing_properties(new.type)
    for path, urn in _references(new, gone):
        if any(covers(outer, path) for outer in held_back):
            continue
        if known is None:
            action = Action.UPDATE_OR_REPLACE
        elif any(overlaps(path, trigger) for trigger in known):
            return Action.REPLACE, f"{path} refers to {settled[urn].name}, which is replaced"
        elif action is Action.KEEP:
            action = Action.UPDATE
    return action, ""


def _references(new: Resource, gone: Replaced) -> Iterator[tuple[str, str]]:
    """Pointers of `new` whose value is an output of a replaced resource, with that resource's URN."""
    for path, value in _strings(new.inputs):
        named = {urn for urn in _URN.findall(value) if urn in gone}
        same = {urn for urn in _sources(new, path) if urn in gone and value in gone[urn].inputs.values()}
        yield from ((path, urn) for urn in sorted(named | same))


def _strings(value: Any, path: str = WHOLE) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list | dict):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from _strings(item, child(path, key))


def _hits(base: Plan, plan: Plan, changes: Iterable[ResourceChange], current_name: Mapping[str, str]) -> Iterator[Hit]:
    """The base's started runs that a change stops or moves."""
    everything = {resource.urn: resource for resource in (*base.resources, *plan.resources)}
    running = [job for job in base.jobs() if job.run is not None]
    drifting = _drifting(base)
    for change in changes:
        why = _disturbance(change)
        owner = _component_of(change.urn, everything)
        for job in running if why else ():
            if _concerns(change, owner, job, current_name) and (job.pool in drifting or not _drifts(change)):
                yield Hit(job=job.name, run=str(job.run), pool=job.pool, why=why)


def _disturbance(change: ResourceChange) -> str:
    """What the change does to whatever runs on or by this resource; empty for nothing."""
    because = f" ({change.because})" if change.because else ""
    if _drifts(change):
        return f"Karpenter exchanges the machines of {change.name}, which {rolling.WHY[change.type]}"
    if change.rolls_nodes:
        return f"every node of {change.name} is rolled{because}"
    words = {
        Action.REPLACE: "is replaced", Action.DELETE: "is deleted", Action.UPDATE_OR_REPLACE: "may be replaced",
    }  # fmt: skip
    verb = words.get(change.action) if change.type in {*rolling.NODES, *_HOLDS_ALL_NODES, *_RUNS} else None
    return f"{change.name} {verb}{because}" if verb else ""


def _drifting(plan: Plan) -> set[str]:
    """Pools whose busy machines Karpenter exchanges: those of training pools it leaves alone."""
    karpenters = {resource.parent for resource in plan.of_type(rolling.KARPENTER_POOL)}
    return {pool.name for pool in plan.pools() if pool.urn in karpenters and pool.purpose != "training"}


def _drifts(change: ResourceChange) -> bool:
    """Whether the nodes are Karpenter's to exchange."""
    return change.rolls_nodes and change.type in rolling.WHY


def _component_of(urn: str, everything: Mapping[str, Resource]) -> Resource | None:
    """The nearest component above a resource."""
    found = everything.get(urn)
    while found is not None and found.custom:
        found = everything.get(found.parent or "")
    return found


def _concerns(change: ResourceChange, owner: Resource | None, job: JobView, current_name: Mapping[str, str]) -> bool:
    if change.type in _HOLDS_ALL_NODES:
        return True
    if owner is None:
        return False
    if owner.type == PoolView.TYPE:
        return owner.name == job.pool
    return owner.type == JobView.TYPE and owner.urn in {job.urn, current_name.get(job.urn, job.urn)}
