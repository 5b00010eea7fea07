"""What servers measure of themselves, read from their pods by address: requests a second, and the slowest hundredth."""

import math
import re
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx2

from springtide_workloads.contract import METRICS_PATH, Metric

SECONDS = 0.5
"""How long a pod has to answer: what does not is not reachable from here."""
_READERS = 8
_QUANTILE = 0.99
_LINE = re.compile(r"^(?P<name>\w+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)", re.MULTILINE)
_BOUND = re.compile(r'le="([^"]+)"')
_BUCKET = f"{Metric.REQUEST_SECONDS}_bucket"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A server's counters at one time."""

    at: float
    """Seconds of a clock that only goes forward."""
    requests: float
    buckets: Mapping[float, float]
    """Requests that took at most so many seconds, by the bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a service did between two looks at it. None: nobody could be asked, or not twice yet."""

    per_second: float | None = None
    p99_seconds: float | None = None


@dataclass(slots=True)
class Meter:
    """Remembers what servers said last, so that the next look tells what happened since."""

    _before: dict[str, Sample] = field(default_factory=dict)

    def read(self, addresses: Mapping[str, str]) -> Reading:
        """Ask servers, all at once.

        Args:
            addresses: Who is asked: a name that stays the same for a server and no other, and its `host:port`.
        """
        now = sample_all(addresses)
        pairs = [(self._before[name], sample) for name, sample in now.items() if name in self._before]
        self._before = now
        return reading(pairs)

    @property
    def reaches(self) -> bool:
        """Whether a server answered at the last look."""
        return bool(self._before)


def sample_all(addresses: Mapping[str, str]) -> dict[str, Sample]:
    """A sample of each server that answers."""
    if not addresses:
        return {}
    with httpx2.Client(timeout=SECONDS, trust_env=False) as client, ThreadPoolExecutor(_READERS) as readers:
        found = readers.map(lambda address: _sample(client, address), addresses.values())
        return {name: sample for name, sample in zip(addresses, found, strict=True) if sample is not None}


def _sample(client: httpx2.Client, address: str) -> Sample | None:
    try:
        answer = client.get(f"http://{address}{METRICS_PATH}")
    except httpx2.HTTPError:
        return None
    return parsed(answer.text, time.monotonic()) if answer.is_success else None


def parsed(text: str, at: float) -> Sample:
    """The counters in a Prometheus text."""
    requests = 0.0
    buckets: dict[float, float] = defaultdict(float)
    for line in _LINE.finditer(text):
        bound = _BOUND.search(line["labels"] or "")
        if line["name"] == Metric.REQUESTS:
            requests += float(line["value"])
        elif line["name"] == _BUCKET and bound is not None:
            buckets[float(bound[1])] += float(line["value"])
    return Sample(at=at, requests=requests, buckets=dict(buckets))


def reading(pairs: Sequence[tuple[Sample, Sample]]) -> Reading:
    """What servers did between two samples of each.

    A server whose counters have fallen was started anew in between: it counts from zero.
    """
    if not pairs:
        return Reading()
    rate = sum(_rise(old.requests, new.requests) / max(new.at - old.at, 1e-9) for old, new in pairs)
    bounds = sorted({bound for _, new in pairs for bound in new.buckets})
    counts = [sum(_rise(old.buckets.get(it, 0.0), new.buckets.get(it, 0.0)) for old, new in pairs) for it in bounds]
    return Reading(per_second=rate, p99_seconds=quantile(_QUANTILE, bounds, counts))


def _rise(old: float, new: float) -> float:
    return new - old if new >= old else new


def quantile(share: float, bounds: Sequence[float], counts: Sequence[float]) -> float | None:
    """The value that `share` of the observations do not pass, estimated as Prometheus' `histogram_quantile` does.

    Args:
        share: Between 0 and 1.
        bounds: Upper bounds of the buckets, ascending; the last may be infinite.
        counts: Observations up to each bound.

    Returns:
        None without an observation; the highest finite bound where the value lies beyond it.
    """
    if not counts or counts[-1] <= 0:
        return None
    rank = share * counts[-1]
    index = next(i for i, count in enumerate(counts) if count >= rank)
    if math.isinf(bounds[index]):
        return bounds[index - 1] if index else None
    low, before = (bounds[index - 1], counts[index - 1]) if index else (0.0, 0.0)
    return low + (bounds[index] - low) * (rank - before) / (counts[index] - before)
