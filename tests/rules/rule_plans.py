"""Plans of the table's files, made by the command itself: all of a kind in one run, once a test process."""

import contextlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from tests.environment_files import project

from springtide import cli

from .rule_table import Case, base, cases

Plan = dict[str, Any]
_PLATFORM = "aws"
"""The environment that the work of work.yaml runs on."""


@dataclass
class Run:
    """One run of the command."""

    status: int
    plans: dict[str, Plan]
    """By the name of the environment."""


@dataclass
class Plans:
    """The runs of the command, each made when it is asked for."""

    folder: Path
    made: dict[tuple[str, bool], Run] = field(default_factory=dict)

    def refused(self, case: Case) -> Plan:
        """The plan of the refused file; what is told and not refused is planned with the neighbours."""
        return self.run(case.family, stopped=case.outcome == "fail").plans[case.name]

    def accepted(self, case: Case) -> Plan:
        """The plan of its neighbour."""
        return self.run(case.family, stopped=False).plans[case.neighbour]

    def run(self, family: str, *, stopped: bool) -> Run:
        """`springtide plan` for all refused files of a family, or for all others."""
        if (family, stopped) not in self.made:
            self.made[family, stopped] = self._run(family, stopped=stopped)
        return self.made[family, stopped]

    def _run(self, family: str, *, stopped: bool) -> Run:
        files = _files(family, stopped=stopped)
        for name, config in {**files, _PLATFORM: base(_PLATFORM)}.items():
            project(self.folder, yaml.safe_dump({"config": config}, sort_keys=False), name)
        out = self.folder / f"{family}-{stopped}.json"
        with contextlib.chdir(self.folder):
            status = cli.main(["plan", *files, "--format", "json", "--out", str(out)])
        said = json.loads(out.read_text(encoding="utf-8"))
        plans = said if isinstance(said, list) else [said]
        return Run(status=status, plans={plan["environment"]["name"]: plan for plan in plans})


def stops(plan: Plan) -> list[dict[str, Any]]:
    """The findings that end a plan with exit status 1."""
    failing = (item for item in plan["findings"] if item["outcome"] == "fail" and item["severity"] == "error")
    unclear = (item for item in plan["findings"] if item["outcome"] == "cannot-tell" and item["blocks"])
    return [*failing, *unclear]


def _files(family: str, *, stopped: bool) -> dict[str, dict[str, Any]]:
    mine = [case for case in cases(numbered=True) if case.family == family]
    refused = {case.name: case.refused_config() for case in mine if (case.outcome == "fail") is stopped}
    return refused if stopped else refused | {case.neighbour: case.accepted_config() for case in mine}
