"""Keys that mean nothing beside another one: refused, lest somebody believes that they do something."""

from collections.abc import Iterable
from dataclasses import MISSING, fields
from typing import Any

from springtide.spec.cluster import ClusterSpec
from springtide.spec.environment import NetworkSpec
from springtide.spec.finding import Finding, refuse


def unused(spec: ClusterSpec | NetworkSpec, keys: Iterable[str], rule: str, because: str, fix: str) -> list[Finding]:
    """Which of these keys say something else than their default, where they would say it in vain.

    Args:
        spec: Spec whose keys they are.
        keys: Names of its fields.
        rule: Rule that a finding is of.
        because: Why nothing comes of them, in words that follow "<key> does nothing here: ".
        fix: What to do instead of removing the key.
    """
    defaults = {item.name: _default(item) for item in fields(spec)}
    said = {key: getattr(spec, key) for key in keys}
    return [
        refuse(rule, f"/{key}", value, f"{key} does nothing here: {because}", f"remove {key}, or {fix}")
        for key, value in said.items()
        if value != defaults[key]
    ]


def _default(item: Any) -> Any:
    return item.default if item.default_factory is MISSING else item.default_factory()
