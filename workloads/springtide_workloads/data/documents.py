"""Documents out of files: text cut at a separator, Parquet row by row."""

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple

from springtide_workloads.errors import ConfigError

BLOCK: Final = 1 << 20
"""Bytes of text read at a time."""


class Document(NamedTuple):
    """A piece of text that belongs together."""

    number: int
    """Its place in the file, from 0."""
    text: bytes
    """UTF-8."""
    behind: float
    """Part of the file that is read with it, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How files become documents."""

    separator: str = "\n\n"
    """What parts documents of a text file. Empty: each file is one document. Default: an empty line."""
    column: str = "text"
    """Of a Parquet file, where the text lies."""

    def documents(self, path: Path) -> Iterator[Document]:
        """The documents of a file that have anything but white space, in their order.

        Raises:
            OSError: when the file cannot be read.
        """
        return _READERS.get(path.suffix, _text)(path, self)

    def mistakes(self, path: Path) -> Iterator[str]:
        """Why a file could not be read like this; nothing, when it can."""
        if path.suffix != ".parquet":
            return
        try:
            schema = _parquet().read_schema(path)
        except ConfigError as error:
            yield str(error)
        except (OSError, ValueError) as error:
            yield f"{path} is no Parquet file: {str(error).splitlines()[0]}"
        else:
            if self.column not in schema.names:
                yield f"{path} has no column {self.column!r}: give --column one of {', '.join(schema.names)}"


def _text(path: Path, reading: Reading) -> Iterator[Document]:
    size = path.stat().st_size
    number, rest, seen = 0, b"", 0
    with path.open("rb") as file:
        while block := file.read(BLOCK if reading.separator else -1):
            seen += len(block)
            *whole, rest = _parted(rest + block, reading.separator)
            for text in filter(bytes.strip, whole):
                yield Document(number, text, seen / size)
                number += 1
    if rest.strip():
        yield Document(number, rest, 1.0)


def _parted(text: bytes, separator: str) -> list[bytes]:
    return text.split(separator.encode()) if separator else [text]


def _rows(path: Path, reading: Reading) -> Iterator[Document]:
    file = _parquet().ParquetFile(path)
    number, row, rows = 0, 0, max(1, file.metadata.num_rows)
    for batch in file.iter_batches(batch_size=1024, columns=[reading.column]):
        for value in batch.column(0).to_pylist():
            row += 1
            text = _utf8(value)
            if text.strip():
                yield Document(number, text, row / rows)
                number += 1


def _utf8(value: Any) -> bytes:
    if value is None:
        return b""
    return value if isinstance(value, bytes) else str(value).encode()


def _parquet() -> ModuleType:
    try:
        return importlib.import_module("pyarrow.parquet")  # optional: only Parquet needs it
    except ImportError as error:
        raise ConfigError("Parquet files need pyarrow: pip install 'springtide-workloads[data]'") from error


_READERS: Final[dict[str, Callable[[Path, Reading], Iterator[Document]]]] = {".parquet": _rows}
