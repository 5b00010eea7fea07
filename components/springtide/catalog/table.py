"""The catalog's file format: JSON with a header of provenance, named columns, and one row a line for readable diffs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

FORMAT = 1

Rows = Sequence[Mapping[str, Any]]


class RefreshError(RuntimeError):
    """A table could not be remade; the message says what is missing and how to get it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Where the rows of a file come from."""

    about: str
    """What a row means, with units where a column's name does not say them."""
    date: str | None
    """ISO date of the data; None where its source states none, and `source` names the version instead."""
    source: str
    licence: str
    tool: str
    """What wrote the file: a command, or `by hand` for figures that no API answers."""
    sources: dict[str, str] = field(default_factory=dict)
    """Key → citation, for files whose rows name their sources one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One data file."""

    header: Header
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def records(self) -> list[dict[str, Any]]:
        """The rows as mappings from column to value."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def make(header: Header, columns: Sequence[str], records: Rows) -> Table:
    """A table of `records`, each of which holds exactly `columns`."""
    rows = tuple(tuple(_plain(record[column]) for column in columns) for record in records)
    return Table(header=header, columns=tuple(columns), rows=rows)


def dumps(table: Table) -> str:
    """The file's text: equal tables make equal bytes."""
    header = {key: value for key, value in asdict(table.header).items() if key != "sources" or value}
    lines = ",\n".join("    " + _line(row) for row in table.rows)
    body = f"[\n{lines}\n  ]" if table.rows else "[]"
    head = json.dumps(header, indent=4).replace("\n}", "\n  }")
    columns = _line(table.columns)
    return f'{{\n  "format": {FORMAT},\n  "header": {head},\n  "columns": {columns},\n  "rows": {body}\n}}\n'


def loads(text: str) -> Table:
    """The inverse of `dumps`.

    Raises:
        ValueError: the text is not JSON, or another version of the format.
    """
    data = json.loads(text)
    if data.get("format") != FORMAT:
        raise ValueError(f"catalog format {data.get('format')!r}: this springtide reads format {FORMAT}")
    rows = tuple(tuple(row) for row in data["rows"])
    return Table(header=Header(**data["header"]), columns=tuple(data["columns"]), rows=rows)


def read(path: Path) -> Table:
    """The table in `path`."""
    return loads(path.read_text(encoding="utf-8"))


def write(path: Path, table: Table) -> bool:
    """Write `table` and say whether anything changed.

    A file whose rows are the same keeps its provenance, which says since when the data is as it is: a refresh that
    finds nothing new leaves the same bytes.
    """
    if path.exists():
        old = read(path)
        if _content(old) == _content(loads(dumps(table))):
            return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dumps(table), encoding="utf-8")
    return True


def _content(table: Table) -> tuple[object, ...]:
    return (table.header.about, table.columns, table.rows)


def _line(row: Sequence[Any]) -> str:
    return json.dumps(row)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
