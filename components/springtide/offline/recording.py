"""From a program's registrations in two worlds to the resources of a plan.

Both runs must register the same resources with the same relations: a program whose shape depends on what only the cloud
knows has no plan. Where an input differs between the worlds, it is unknown.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from springtide.offline import wire
from springtide.offline.monitor import Monitor, RefusedError, Registration
from springtide.offline.paths import child, steps
from springtide.offline.plan import Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What one program registers, ready for a plan."""

    resources: tuple[Resource, ...]
    """In topological order, ties by URN."""
    outputs: dict[str, dict[str, Any]]
    """The stack's exports as the plan holds them."""
    component_outputs: dict[str, dict[str, Any]]
    """The registered outputs of components, by URN."""


def compared(one: Monitor, other: Monitor, *, secret_config: bool) -> Recorded:
    """The plan's view on two runs of one program.

    Args:
        one: The run whose values the plan shows.
        other: The run in the other world.
        secret_config: Whether the program reads configuration that is encrypted and so differs between the worlds.

    Raises:
        RefusedError: the program branches on what only the cloud knows, or its values differ from run to run.
    """
    _same_shape(one.registrations, other.registrations)
    differing = {
        urn: _differing(registration, other.registrations[urn], secret_config=secret_config)
        for urn, registration in one.registrations.items()
    }
    return Recorded(
        resources=tuple(_resource(one.registrations[urn], differing[urn]) for urn in in_order(one.registrations)),
        outputs={
            name: {"value": wire.redacted(value), "unknown": value != other.stack_outputs.get(name)}
            for name, value in sorted(one.stack_outputs.items())
        },
        component_outputs={
            urn: wire.redacted(one.outputs[urn]) for urn in sorted(one.outputs) if urn in one.registrations
        },
    )


def in_order(registrations: Mapping[str, Registration]) -> Iterator[str]:
    """The URNs in topological order: what a resource needs comes before it; ties go by URN."""
    needs = {urn: _needs(registration) & registrations.keys() for urn, registration in registrations.items()}
    needed_by: dict[str, list[str]] = {urn: [] for urn in registrations}
    for urn, needed in needs.items():
        for each in needed:
            needed_by[each].append(urn)
    open_needs = {urn: len(needed) for urn, needed in needs.items()}
    ready = [urn for urn, count in open_needs.items() if count == 0]
    heapq.heapify(ready)
    while ready:
        urn = heapq.heappop(ready)
        yield urn
        for dependent in needed_by[urn]:
            open_needs[dependent] -= 1
            if open_needs[dependent] == 0:
                heapq.heappush(ready, dependent)


def _needs(registration: Registration) -> set[str]:
    above = {registration.parent, registration.provider, registration.options["deleted_with"]} - {None}
    return {*registration.depends_on, *above}


def _same_shape(one: Mapping[str, Registration], other: Mapping[str, Registration]) -> None:
    only_one = sorted(one.keys() ^ other.keys())
    moved = sorted(urn for urn in one.keys() & other.keys() if _shape(one[urn]) != _shape(other[urn]))
    if only_one or moved:
        raise RefusedError(
            "which resources exist, or how they hang together, depends on a value that only the cloud knows: "
            f"{_listed([*only_one, *moved])}. Decide it from the arguments, never from an output."
        )


def _shape(registration: Registration) -> tuple[Any, ...]:
    return (
        registration.parent,
        registration.provider,
        registration.depends_on,
        registration.property_depends_on,
        registration.options,
    )


def _differing(one: Registration, other: Registration, *, secret_config: bool) -> tuple[str, ...]:
    paths = tuple(sorted(wire.differing_paths(one.inputs, other.inputs)))
    stray = [path for path in paths if not _explained(one, path)]
    if stray and not secret_config:
        raise RefusedError(
            f"{one.urn}: {_listed(stray)} differs from run to run although it comes from no resource. "
            "A plan must be the same each time: no clock, no random number, no environment variable."
        )
    return paths


def _explained(registration: Registration, path: str) -> bool:
    """Whether a property depends on some resource; for one that is read, the SDK does not say by property."""
    by_property = registration.property_depends_on
    return bool(registration.id) or any(child("", name) in by_property for name in steps(path)[:1]) or not steps(path)


def _resource(registration: Registration, unknown: tuple[str, ...]) -> Resource:
    return Resource(
        urn=registration.urn,
        type=registration.type,
        name=registration.name,
        parent=registration.parent,
        custom=registration.custom,
        id=registration.id,
        provider=registration.provider,
        inputs=wire.redacted(registration.inputs),
        unknown=unknown,
        secret=tuple(sorted(wire.secret_paths(registration.inputs))),
        depends_on=registration.depends_on,
        property_depends_on=registration.property_depends_on,
        options=registration.options,
    )


def _listed(items: Iterable[str], limit: int = 5) -> str:
    every = list(items)
    more = f" and {len(every) - limit} more" if len(every) > limit else ""
    return ", ".join(every[:limit]) + more
