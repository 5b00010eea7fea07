"""Rules are found by lying in the folder."""

from pathlib import Path

import pytest

from springtide.spec import Severity
from springtide_policies import RULES, Facts, Level, registry, rules

NEW_RULE = """
from springtide_policies.rule import Level, Rule, Scope, each

RULE = Rule(
    name="a-new-one", title="t", why="w", about="things", level=Level.LOW, scope=Scope.RESOURCE,
    blocks=False, fix="f", source="s", check=each(lambda node, facts: ()),
)
"""


def test_rules_come_sorted_by_name_and_named_once() -> None:
    names = [rule.name for rule in RULES]
    assert names == sorted(set(names))
    assert {"gpu-ceiling-budget", "gpu-idle-floor-zero", "gpu-max-required"} < set(names)


def test_a_rule_in_a_new_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "brand_new.py").write_text(NEW_RULE)
    monkeypatch.setattr(rules, "__path__", [*rules.__path__, str(tmp_path)])
    assert {rule.name for rule in registry.found()} - {rule.name for rule in RULES} == {"a-new-one"}


def test_every_rule_says_why_and_what_to_do() -> None:
    for rule in RULES:
        assert all((rule.title, rule.why, rule.about, rule.fix, rule.source))
        assert not rule.title.endswith(".")
        assert rule.why.endswith(".")


@pytest.mark.parametrize(
    ("level", "severity"),
    [
        (Level.CRITICAL, Severity.ERROR),
        (Level.HIGH, Severity.ERROR),
        (Level.MEDIUM, Severity.WARNING),
        (Level.LOW, Severity.WARNING),
    ],
)
def test_critical_and_high_are_errors(level: Level, severity: Severity) -> None:
    assert level.severity is severity


def test_an_exception_frees_by_rule_and_name_together() -> None:
    facts = Facts(exempt=("gpu-max-required:train",))
    assert facts.exempts("gpu-max-required", ("a", "train")) == "gpu-max-required:train"
    assert not facts.exempts("gpu-max-required", ("trainer",))
    assert not facts.exempts("gpu-idle-floor-zero", ("train",))
