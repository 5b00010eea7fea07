"""Nothing is refused that no test shows, and the table says nothing that is not so."""

import ast
import re
from pathlib import Path

import pytest
import yaml
from tests.environment_files import ROOT

from springtide_policies import RULES

from .rule_page import written
from .rule_table import cases, table

NUMBERS = sorted({*range(1, 61)} - {18, 19, 20, 27})
CODE = ROOT / "components" / "springtide"
MISTAKES = ROOT / "tests" / "errors" / "mistakes.yaml"
RULE = re.compile(
    r"(aws|catalog|clouds|controllers|gcp|images|jobs|local|queues|services|settings|spec|storage)/[a-z][a-z0-9-]*"
)
NO_FILE = ("bootstrap.py", "ci.py", "doctor", "offline", "k8s")
"""Parts of the package that no environment file reaches by the settings, or that judge resources."""
_LOCAL_FILE = "tests/test_settings_local.py, by files of this machine"
_OWN_PROGRAM = "arguments of a component in a program of one's own; the settings never give such"
ELSEWHERE = {
    "aws/adopted-contents": "tests/clouds/aws/test_cluster.py; it is told and not refused",
    "aws/driver": "every machine that the image's driver does not serve is unusable in the catalog, which says so first",
    "gcp/access-ranges": "tests/clouds/gcp/test_findings.py, by 101 ranges",
    "gcp/fabric-zone": "tests/clouds/gcp/test_pool_rules.py: no region of the catalog has such machines in two zones",
    "local/account": _OWN_PROGRAM,
    "local/cluster": _OWN_PROGRAM,
    "local/in-vain": _LOCAL_FILE,
    "local/network": _OWN_PROGRAM,
    "services/pool": _LOCAL_FILE,
    "settings/machines": _LOCAL_FILE,
    "settings/file": "tests/rules/test_refusals.py, by a platform's file that is no YAML",
    "spec/grants": _OWN_PROGRAM,
    "spec/plain": _OWN_PROGRAM,
    "spec/prefix": _OWN_PROGRAM,
    "spec/reference": _OWN_PROGRAM,
    "spec/required": _OWN_PROGRAM,
    "spec/type": _OWN_PROGRAM,
}
"""Findings that no case shows, and why."""


def said_by_the_code() -> set[str]:
    """Rule ids in the source, but for those of warnings: what is told is not refused."""
    found: set[str] = set()
    for file in CODE.rglob("*.py"):
        parts = file.relative_to(CODE).parts
        # What applies a plan to this machine judges objects; the cloud `local` judges files as every cloud does.
        if not set(parts) & set(NO_FILE) and parts[0] != "local":
            found |= _rules(ast.parse(file.read_text(encoding="utf-8")))
    return found


def _rules(tree: ast.AST) -> set[str]:
    warned = {
        node.args[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "warn" and node.args
    }
    words = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node not in warned)
    return {str(node.value) for node in words if isinstance(node.value, str) and RULE.fullmatch(node.value)}


def test_every_refusal_of_the_code_is_shown_by_a_file() -> None:
    mistakes = {item["rule"] for item in yaml.safe_load(MISTAKES.read_text(encoding="utf-8"))}
    shown = {case.finding for case in cases()} | mistakes
    assert sorted(said_by_the_code() - shown - set(ELSEWHERE)) == []
    assert sorted(set(ELSEWHERE) & shown) == []


def test_every_rule_of_the_list_is_in_the_table_once() -> None:
    assert [entry.number for entry in table() if entry.number is not None] == NUMBERS


def test_every_rule_is_shown_by_a_file_or_held_by_a_law() -> None:
    assert [entry.refuses for entry in table() if not (entry.cases or entry.laws)] == []


@pytest.mark.parametrize("law", sorted({law for entry in table() for law in entry.laws}))
def test_a_law_that_the_table_names_is_a_test(law: str) -> None:
    file, _, name = law.partition("::")
    assert f"def {name}(" in Path(ROOT / file).read_text(encoding="utf-8")


def test_a_policy_that_the_table_names_is_one() -> None:
    named = {entry.policy for entry in table() if entry.policy is not None}
    assert named <= {rule.name for rule in RULES}


def test_the_page_of_rules_is_the_tables() -> None:
    page = ROOT / "docs" / "rules.md"
    assert page.read_text(encoding="utf-8") == written(), "run `python -m tests.rules.rule_page docs/rules.md`"
