"""The table of configurations that are refused, and the two environment files of each case, which differ in one field."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
TABLE = HERE / "rules.yaml"
UNCHANGED = "what the base says"
"""Value of a neighbour that is its base as it is."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One field of one file, and what is said of it."""

    name: str
    """Of the environment that is refused."""
    base: str
    at: str
    """JSON Pointer to the field, below `config`."""
    refused: Any
    accepted: Any = UNCHANGED
    given: dict[str, Any] = field(default_factory=dict)
    """What both files say beyond their base, by JSON Pointer."""
    finding: str
    path: str
    says: str
    fix: str
    also: tuple[str, ...] = ()
    outcome: str = "fail"

    @property
    def family(self) -> str:
        """Which files are planned with it."""
        return self.base.partition("-")[0]

    @property
    def neighbour(self) -> str:
        """Name of the environment that is accepted; many cases have their base in common."""
        own = self.given or self.accepted != UNCHANGED
        return f"{self.name}-ok" if own else self.base

    def refused_config(self) -> dict[str, Any]:
        """What the refused file says."""
        return self._with(self.refused)

    def accepted_config(self) -> dict[str, Any]:
        """What its neighbour says."""
        return self._with(self.accepted)

    def _with(self, value: Any) -> dict[str, Any]:
        config = copy.deepcopy(base(self.base))
        for pointer, said in self.given.items():
            put(config, pointer, copy.deepcopy(said))
        if value != UNCHANGED:
            put(config, self.at, value)
        return config


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One configuration that no deployment should find out about, and what is done about it."""

    number: int | None
    cloud: str
    refuses: str
    cases: tuple[Case, ...]
    laws: tuple[str, ...]
    """Tests that hold for whatever is rendered, as pytest names them."""
    policy: str | None


@cache
def base(name: str) -> dict[str, Any]:
    """What a base file says under `config`."""
    said: dict[str, Any] = yaml.safe_load((HERE / f"{name}.yaml").read_text(encoding="utf-8"))["config"]
    return said


@cache
def table() -> tuple[Entry, ...]:
    """All entries, in the order of the file."""
    rows = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return tuple(_entry(i, row) for i, row in enumerate(rows))


def cases(*, numbered: bool | None = None) -> tuple[Case, ...]:
    """What an environment file can show: of the list, beyond it, or all of it."""
    chosen = (entry for entry in table() if numbered in {None, entry.number is not None})
    return tuple(case for entry in chosen for case in entry.cases)


def look_up(config: Any, pointer: str) -> Any:
    """The value at a JSON Pointer; None where there is none."""
    for part in _parts(pointer):
        if isinstance(config, list):
            config = config[int(part)]
        elif isinstance(config, dict) and part in config:
            config = config[part]
        else:
            return None
    return config


def put(config: dict[str, Any], pointer: str, value: Any) -> None:
    """Set the value at a JSON Pointer, in mappings only; None removes the key."""
    *parents, last = _parts(pointer)
    for part in parents:
        config = config.setdefault(part, {})
    if value is None:
        config.pop(last, None)
    else:
        config[last] = value


def differences(one: Any, other: Any, pointer: str = "") -> Iterator[str]:
    """Where two files differ, as far down as they have mappings; one that is not there is an empty one."""
    first, second = ({} if side is None else side for side in (one, other))
    if not (isinstance(first, dict) and isinstance(second, dict)):
        if one != other:
            yield pointer
        return
    for key in sorted({*first, *second}):
        escaped = str(key).replace("~", "~0").replace("/", "~1")
        yield from differences(first.get(key), second.get(key), f"{pointer}/{escaped}")


def _parts(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _entry(position: int, row: dict[str, Any]) -> Entry:
    title = f"rule-{row['number']}" if "number" in row else f"more-{position}"
    return Entry(
        number=row.get("number"),
        cloud=row["cloud"],
        refuses=row["refuses"],
        cases=tuple(_case(f"{title}-{i}", said) for i, said in enumerate(row.get("cases", []))),
        laws=tuple(row.get("laws", [])),
        policy=row.get("policy"),
    )


def _case(name: str, said: dict[str, Any]) -> Case:
    known = {key: value for key, value in said.items() if key != "in"}
    more = {"path": said.get("path", said["at"]), "also": tuple(said.get("also", []))}
    return Case(name=name, base=said["in"], **{**known, **more})
