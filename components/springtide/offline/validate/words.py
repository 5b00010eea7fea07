"""How a validation speaks: names near a misspelt one, values as text, findings with one voice."""

import difflib
import json
from collections.abc import Iterable
from typing import Any

from springtide.offline.paths import steps
from springtide.offline.plan import Resource
from springtide.spec import Finding, Outcome, Severity, Source

SHOWN = 8
"""Allowed values that a finding lists; the closest come first."""
_LONGEST = 80


def finding(resource: Resource, rule: str, path: str, message: str, **more: Any) -> Finding:
    """A failing finding of severity error about `path` of `resource`; `more` sets what differs."""
    told = {"outcome": Outcome.FAIL, "severity": Severity.ERROR, **more}
    return Finding(rule=rule, source=Source.CLOUD_MODEL, message=message, urn=resource.urn, path=path, **told)


def cannot_tell(resource: Resource, rule: str, path: str, message: str, fix: str = "") -> Finding:
    """A finding that something could not be checked, and why. It never stops a plan."""
    return finding(resource, rule, path, message, fix=fix, outcome=Outcome.CANNOT_TELL, severity=Severity.WARNING)


def stranger(resource: Resource, rule: str, path: str, known: Iterable[str]) -> Finding:
    """A finding that the last step of `path` names no member of its object, which has the `known` ones."""
    *_, name = steps(path)
    holder = spoken(path.rpartition("/")[0])
    names = sorted(known)
    near = nearest(name, names)
    message = f"{f'`{holder}` of ' if holder else ''}{resource.type} {resource.name} has no member `{name}`"
    return finding(
        resource,
        rule,
        path,
        f"{message}; did you mean `{near}`?" if near else message,
        value=name,
        allowed=closest_first(name, names),
        fix=f"rename `{name}` to `{near}`" if near else f"remove `{name}`",
    )


def nearest(value: Any, allowed: Iterable[Any]) -> str:
    """The allowed name that `value` was most likely meant to be; empty when none is near."""
    by_folded = {str(name).casefold(): str(name) for name in allowed}
    found = difflib.get_close_matches(str(value).casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else ""


def closest_first(value: Any, allowed: Iterable[Any], limit: int = SHOWN) -> tuple[Any, ...]:
    """At most `limit` allowed values, those most like `value` first; short lists keep their own order."""
    names = tuple(allowed)
    if len(names) <= limit:
        return names
    folded = str(value).casefold()
    ranked = sorted(names, key=lambda name: (-_likeness(folded, str(name).casefold()), str(name)))
    return tuple(ranked[:limit])


def shown(value: Any) -> str:
    """`value` as a person would type it, cut where it gets long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def spoken(path: str) -> str:
    """A JSON Pointer as people write it: `/taints/0/effect` → `taints[0].effect`."""
    return "".join(f"[{step}]" if step.isdigit() else f".{step}" for step in steps(path)).removeprefix(".")


def _likeness(left: str, right: str) -> float:
    matcher = difflib.SequenceMatcher(None, left, right)
    return matcher.ratio() if matcher.quick_ratio() > _WORTH_A_LOOK else 0.0


_WORTH_A_LOOK = 0.5
