"""The file format."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.catalog import table
from springtide.catalog.table import Header, Table

HEADER = Header(about="figures", date="2026-01-01", source="a list", licence="none", tool="by hand")
values = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text(), max_size=3)
tables = st.builds(
    Table,
    header=st.just(HEADER),
    columns=st.just(("a", "b")),
    rows=st.lists(st.tuples(values, values), max_size=5).map(tuple),
)


@given(tables)
def test_what_is_written_is_read_back(one: Table) -> None:
    assert table.loads(table.dumps(one)) == one


@given(tables)
def test_each_row_has_a_line_of_its_own(one: Table) -> None:
    lines = table.dumps(one).splitlines()
    assert len(lines) - len(table.dumps(replace(one, rows=())).splitlines()) == (len(one.rows) + 1 if one.rows else 0)


def test_another_version_of_the_format_is_refused() -> None:
    with pytest.raises(ValueError, match="catalog format 2: this springtide reads format 1"):
        table.loads('{"format": 2}')


def test_a_record_that_lacks_a_column_is_refused() -> None:
    with pytest.raises(KeyError, match="b"):
        table.make(HEADER, ("a", "b"), [{"a": 1}])


def test_same_rows_keep_the_file_and_its_provenance(tmp_path: Path) -> None:
    path = tmp_path / "new" / "one.json"
    one = table.make(HEADER, ("a",), [{"a": ("x", "y")}])
    assert table.write(path, one)
    before = path.read_bytes()
    assert not table.write(path, replace(one, header=replace(HEADER, date="2027-01-01", source="another list")))
    assert path.read_bytes() == before


@pytest.mark.parametrize("change", [{"rows": ((0,),)}, {"columns": ("b",)}, {"header": replace(HEADER, about="other")}])
def test_other_content_rewrites_the_file(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "one.json"
    one = table.make(HEADER, ("a",), [{"a": 1}])
    table.write(path, one)
    changed = replace(one, **change)  # type: ignore[arg-type]
    assert table.write(path, changed)
    assert table.read(path) == changed
