"""What must be so of the findings about a refused file, however they came about."""

import re
from collections.abc import Sequence
from typing import Any

from .rule_table import Case, look_up


def names_field_value_and_remedy(case: Case, findings: Sequence[dict[str, Any]], file: str) -> None:
    """Assert that the one finding of the case says where, what and what to do."""
    [found] = [item for item in findings if (item["rule"], item["path"]) == (case.finding, case.path)]
    assert found["outcome"] == case.outcome
    assert case.says in found["message"]
    assert case.fix in found["fix"]
    if found["urn"]:
        return  # a policy's finding names the resource, and an input of it
    said = look_up(case.refused_config(), case.path)
    if isinstance(said, dict):
        assert found["value"]  # of a section, what is wrong is its name, or something that is made of it
    else:
        assert said is None or found["value"] == said
    assert re.fullmatch(rf"{re.escape(file)}:\d+", found["where"])
