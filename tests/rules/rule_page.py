"""The table for people: `python -m tests.rules.rule_page docs/rules.md` writes it, from the repository's root."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from .rule_table import Case, Entry, table

REFUSED, POLICY, TOLD, NEVER = "refused", "policy", "told", "never made"
INTRODUCTION = """\
# What is refused before anything is deployed

Made by `python -m tests.rules.rule_page docs/rules.md` from `tests/rules/rules.yaml`; a test holds it to be current.

Each of these configurations fails late, or silently, where nobody looks: after minutes in a cloud's API, as a node that
never joins, as a pod that waits for ever, as a bill. They are found offline, without an account:

- **refused**: an environment file that asks for it stops `springtide plan` and `pulumi up`, with the field, its value and
  what to write instead. A test plans two files that differ in that one field: one is stopped, its neighbour is not.
- **policy**: it would work and is unwise. A policy stops it, unless `policies.exempt` names the exception; the policy pack
  looks at resources that other programs make as well.
- **told**: only the cloud knows. The plan says so, with the field and the command that answers, and does not claim that
  all is well.
- **never made**: no environment file can ask for it. A test holds that no accepted file is rendered so.

Nothing here was run against a cloud: what a cloud refuses is known from its API models, its documentation, and the reports
of others. `gcp` and `aws` name what a rule is about; `any` holds on both.
"""


def written() -> str:
    """The page."""
    numbered = [entry for entry in table() if entry.number is not None]
    beyond = [entry for entry in table() if entry.number is None]
    return "\n".join(
        [
            INTRODUCTION,
            _counts(numbered, beyond),
            "## The list\n",
            "Numbers are those of the list that this project began with; 18, 19, 20 and 27 were never given.\n",
            "| # | cloud | configuration | how | field → rule | held by |",
            "|---|---|---|---|---|---|",
            *(f"| {entry.number} {_row(entry)}" for entry in numbered),
            "\n## Beyond the list\n",
            "Settings refuse these alike; their tests read the file without planning it.\n",
            "| cloud | configuration | how | field → rule | held by |",
            "|---|---|---|---|---|",
            *(_row(entry) for entry in beyond),
            "",
        ]
    )


def treatments(entry: Entry) -> tuple[str, ...]:
    """How a configuration is met, in the order of this page."""
    kinds = {_kind(case) for case in entry.cases}
    found = {
        REFUSED: REFUSED in kinds,
        POLICY: entry.policy is not None,
        TOLD: TOLD in kinds,
        NEVER: bool(entry.laws) and REFUSED not in kinds,
    }
    return tuple(name for name, holds in found.items() if holds)


def _kind(case: Case) -> str:
    if case.outcome == "cannot-tell":
        return TOLD
    return POLICY if case.finding.startswith("policy/") else REFUSED


def _counts(numbered: Sequence[Entry], beyond: Sequence[Entry]) -> str:
    by_kind = {kind: sum(kind in treatments(entry) for entry in numbered) for kind in (REFUSED, POLICY, TOLD, NEVER)}
    reachable = sum(bool(entry.cases) for entry in numbered)
    pairs = sum(len(entry.cases) for entry in numbered)
    more = sum(len(entry.cases) for entry in beyond)
    return (
        f"Of {len(numbered)} rules, {reachable} can be met by an environment file, shown by {pairs} pairs of files that are "
        f"planned by the command:\nrefused {by_kind[REFUSED]}, policy {by_kind[POLICY]}, told {by_kind[TOLD]}; "
        f"{by_kind[NEVER]} are never made. A rule may be met in two ways.\n"
        f"Beyond the list there are {len(beyond)} more, shown by {more} pairs.\n"
    )


def _row(entry: Entry) -> str:
    rule = [] if entry.policy is None else [f"`policy/{entry.policy}`"]
    shown = [f"`{case.at[1:].replace('/', '.')}` → `{case.finding}`" for case in entry.cases]
    cells = (
        entry.cloud,
        entry.refuses,
        ", ".join(treatments(entry)),
        "<br>".join(_each_once([*shown, *rule])),
        "<br>".join(map(_linked, _held_by(entry))),
    )
    return f"| {' | '.join(cells)} |"


def _held_by(entry: Entry) -> list[str]:
    own = "tests/rules/test_rules.py" if entry.number is not None else "tests/rules/test_refusals.py"
    return [*([own] if entry.cases else []), *entry.laws]


def _linked(law: str) -> str:
    file, _, name = law.partition("::")
    return f"[{(name or Path(file).name).removeprefix('test_').replace('_', ' ')}](../{file})"


def _each_once(cells: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(cells))


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(written(), encoding="utf-8")
