"""The table of what each cloud can do is made from the clouds, and the README has the current one."""

import pytest
from tests.environment_files import ROOT

from springtide import clouds, support


def test_the_readme_has_the_current_table() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert support.written(text) == text, "run `python -m springtide.support README.md`"


def test_every_cloud_is_a_column_and_says_yes_only_to_what_it_can() -> None:
    head, _, *rows = support.table().splitlines()
    assert head == f"| | {' | '.join(clouds.available())} |"
    cells = {row.split(" | ")[0].removeprefix("| "): row.rstrip(" |").split(" | ")[1:] for row in rows}
    aws = clouds.available().index("aws")
    assert cells["EFA"][aws] == "✓"
    assert cells["queued capacity"][aws] == "–"


def test_a_text_without_the_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="needs two lines"):
        support.written("# Nothing")
