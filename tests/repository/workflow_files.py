"""The workflows as data: parsed, with every job and step by itself."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".github" / "workflows"


@dataclass(frozen=True, slots=True)
class Workflow:
    name: str
    text: str

    @property
    def data(self) -> dict[str, Any]:
        # The base loader leaves every scalar a string: YAML 1.1 would read the key `on` as true.
        loaded: dict[str, Any] = yaml.load(self.text, Loader=yaml.BaseLoader)
        return loaded

    @property
    def triggers(self) -> dict[str, Any]:
        found: dict[str, Any] = self.data["on"]
        return found

    @property
    def jobs(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = self.data["jobs"]
        return found

    def job(self, name: str) -> dict[str, Any]:
        return self.jobs[name]

    def permissions(self, job: str) -> dict[str, str]:
        """What a job's token may do: its own list, or else the workflow's."""
        found: dict[str, str] = self.jobs[job].get("permissions", self.data["permissions"])
        return found

    def steps(self) -> Iterator[dict[str, Any]]:
        for job in self.jobs.values():
            yield from job["steps"]

    def scripts(self) -> list[str]:
        return [step["run"] for step in self.steps() if "run" in step]

    def uses(self) -> list[str]:
        """Every action in use, with the comment behind it."""
        return re.findall(r"^\s*(?:- )?uses:\s*(.+?)\s*$", self.text, re.MULTILINE)


def workflow(name: str) -> Workflow:
    return Workflow(name, (FOLDER / f"{name}.yml").read_text(encoding="utf-8"))


def workflows() -> list[Workflow]:
    return [workflow(path.stem) for path in sorted(FOLDER.glob("*.y*ml"))]
