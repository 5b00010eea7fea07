"""A request trace: when requests came, and how much they asked for. docs/simulate.md describes the formats."""

import csv
import math
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

from springtide.simulate.mistake import UsageError
from springtide.simulate.options import Options

_NAMES = {
    "timestamp": "arrival",
    "arrival_seconds": "arrival",
    "contexttokens": "prompt",
    "request tokens": "prompt",
    "generatedtokens": "generated",
    "response tokens": "generated",
    "service_seconds": "service",
}
"""Column of a trace, in small letters → what it holds."""
_FORMATS = "TIMESTAMP, ContextTokens and GeneratedTokens, or arrival_seconds and service_seconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Requests in the order of their arrival."""

    arrivals: "array[float]"
    """Seconds since the first."""
    services: "array[float]"
    """Seconds that a slot of a replica is busy with each."""

    def __len__(self) -> int:
        return len(self.arrivals)

    @property
    def seconds(self) -> float:
        """From the first arrival to the last."""
        return self.arrivals[-1]


def read_trace(file: Path, options: Options) -> Trace:
    """Read a trace, at the rate that was asked for.

    Raises:
        UsageError: there is no such file, or it is no trace; the message names the line.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            return scaled(_read(csv.reader(lines), file, options), options.scale)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{file} is no CSV file: {error}") from error


def of_rows(rows: Sequence[tuple[float, float]]) -> Trace:
    """A trace of arrivals and service times, in seconds, in any order."""
    rows = sorted(rows)
    first = rows[0][0]
    return Trace(
        arrivals=array("d", [arrival - first for arrival, _ in rows]),
        services=array("d", [service for _, service in rows]),
    )


def scaled(trace: Trace, scale: Fraction) -> Trace:
    """The same shape at another rate: requests are left out, or repeated evenly until the next one."""
    if scale == 1:
        return trace
    rows = [*_scaled(trace, scale)]
    if not rows:
        raise UsageError(f"--scale {scale} leaves none of the {len(trace)} requests: use a larger one")
    return of_rows(rows)


def _scaled(trace: Trace, scale: Fraction) -> Iterator[tuple[float, float]]:
    top, bottom, last = scale.numerator, scale.denominator, len(trace) - 1
    for index, (arrival, service) in enumerate(zip(trace.arrivals, trace.services, strict=True)):
        copies = (index + 1) * top // bottom - index * top // bottom
        gap = trace.arrivals[min(index + 1, last)] - arrival
        yield from ((arrival + gap * copy / copies, service) for copy in range(copies))


def _read(reader: Iterator[list[str]], file: Path, options: Options) -> Trace:
    columns = _columns(next(reader, []), file)
    arrival_of, service_of = columns["arrival"], _service(columns, options)
    time_of: Callable[[str], float] | None = None
    rows: list[tuple[float, float]] = []
    for number, row in enumerate(reader, 2):
        try:
            if time_of is None:
                time_of = _clock(row[arrival_of])
            entry = time_of(row[arrival_of]), service_of(row)
        except (ValueError, IndexError):
            raise UsageError(f"{file} line {number}: {','.join(row)[:80]!r} is no request") from None
        if not (math.isfinite(entry[0]) and 0.0 <= entry[1] < math.inf):
            raise UsageError(f"{file} line {number}: times must be finite, and no request takes less than nothing")
        rows.append(entry)
    if not rows:
        raise UsageError(f"{file} has no requests")
    return of_rows(rows)


def _columns(header: Sequence[str], file: Path) -> Mapping[str, int]:
    found = {_NAMES[name]: index for index, text in enumerate(header) if (name := text.strip().lower()) in _NAMES}
    if "arrival" not in found or not ("service" in found or {"prompt", "generated"} <= found.keys()):
        raise UsageError(f"{file} has the columns {', '.join(header)[:120] or '(none)'}: a trace has {_FORMATS}")
    return found


def _service(columns: Mapping[str, int], options: Options) -> Callable[[Sequence[str]], float]:
    """What tells how long a request keeps a slot."""
    if "service" in columns:
        at = columns["service"]
        return lambda row: float(row[at])
    prompt, generated = columns["prompt"], columns["generated"]
    before, after = options.prompt_rate, options.token_rate
    return lambda row: float(row[prompt]) / before + float(row[generated]) / after


def _clock(sample: str) -> Callable[[str], float]:
    """What reads times like this one, in seconds: a number, or a date and time."""
    try:
        float(sample)
    except ValueError:
        return _moment
    return float


def _moment(text: str) -> float:
    """Seconds of a date and time in ISO 8601, UTC where it does not say; digits past the microsecond are cut."""
    moment = datetime.fromisoformat(text.strip())
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
