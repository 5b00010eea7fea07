"""The one file that says what runs: written whole or not at all, and never believed without a look."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from springtide.local.plane.process import Started

_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What was started, in the order it was.

    Attributes:
        ports: By name of the process that listens.
        processes: By name.
    """

    ports: Mapping[str, int] = field(default_factory=dict)
    processes: Mapping[str, Started] = field(default_factory=dict)

    def having(self, name: str, started: Started) -> "State":
        """With a process more, or another one of that name in its old place."""
        return replace(self, processes={**self.processes, name: started})

    def lacking(self, name: str) -> "State":
        """Without a process."""
        return replace(self, processes={key: item for key, item in self.processes.items() if key != name})


def read(file: Path) -> State:
    """What the file says; nothing where there is none, or none of this version that can be read."""
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
        if said["version"] != _VERSION:
            return State()
        ports = {str(name): int(port) for name, port in said["ports"].items()}
        return State(ports=ports, processes={name: Started.from_json(item) for name, item in said["processes"].items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return State()


def write(file: Path, state: State) -> None:
    """Write the file."""
    said = {
        "version": _VERSION,
        "ports": dict(state.ports),
        "processes": {name: item.as_json() for name, item in state.processes.items()},
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(json.dumps(said, indent=1), encoding="utf-8")
    part.rename(file)
