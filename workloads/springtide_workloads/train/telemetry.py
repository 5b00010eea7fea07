"""A run's numbers for Prometheus and OpenTelemetry, from the agent's process: training itself never serves a request.

What changes with every step comes from a small file that the rank that speaks for all writes to node-local disk; what
adds up over pods and restarts comes from the run's event log. So the numbers are those of the whole run, also after this
pod took over from another. They are served where that rank runs: by node 0.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from springtide_workloads.contract import TrainingMetric
from springtide_workloads.errors import ConfigError, StorageError
from springtide_workloads.storage import Store
from springtide_workloads.tell import tell
from springtide_workloads.train.events import EventReader
from springtide_workloads.train.timeline import Goodput, Timeline

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Observation  # optional packages: absent where nobody asks
    from opentelemetry.sdk.metrics.export import MetricReader
    from prometheus_client.core import Metric

ACCOUNT_SECONDS: Final = 30.0
"""How old the account of the log may be; more often than this it is not read."""
ACCOUNT_SHARE: Final = 20
"""Reading and summing takes at most one part in so many of the time: a log of months is read more seldom."""
OTLP_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
"""OpenTelemetry's own name; when it is set the numbers are sent there as well."""


class Sample(NamedTuple):
    """One number."""

    metric: TrainingMetric
    value: float
    labels: Mapping[str, str]


@dataclass(slots=True, kw_only=True)
class Account:
    """The account of the event log, read again when it is old. Safe to ask from several threads."""

    read: Callable[[], list[dict[str, Any]]]
    clock: Callable[[], float] = time.monotonic
    _newest: Goodput | None = field(default=None, init=False)
    _due: float = field(default=0.0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def now(self) -> Goodput | None:
        """The newest account; the one before when the log cannot be read, None when it never could."""
        with self._lock:
            if self._newest is None or self.clock() >= self._due:
                begun = self.clock()
                self._newest = self._account() or self._newest
                took = self.clock() - begun
                self._due = begun + max(ACCOUNT_SECONDS, ACCOUNT_SHARE * took)
            return self._newest

    def _account(self) -> Goodput | None:
        try:
            return Timeline.of(self.read(), time.time_ns() // 1_000_000)
        except StorageError as error:
            tell(f"metrics stand still: {error}")
            return None


def samples(status: Mapping[str, Any], goodput: Goodput | None, now_ms: int) -> Iterator[Sample]:
    """All numbers that are known.

    Args:
        status: as the training process wrote it; empty before it did.
        goodput: account of the event log.
        now_ms: milliseconds since 1970.
    """
    checkpoint = status.get("checkpoint", {})
    age = (now_ms - checkpoint["time_ms"]) / 1000 if "time_ms" in checkpoint else None
    direct = {
        TrainingMetric.STEP: status.get("step"),
        TrainingMetric.LOSS: status.get("loss"),
        TrainingMetric.TOKENS_PER_SECOND: status.get("tokens_per_second"),
        TrainingMetric.CHECKPOINT_STEP: checkpoint.get("step"),
        TrainingMetric.CHECKPOINT_AGE: None if age is None else max(0.0, age),
        TrainingMetric.CHECKPOINT_SECONDS: checkpoint.get("seconds"),
        TrainingMetric.CHECKPOINT_BYTES: checkpoint.get("bytes"),
        TrainingMetric.SLOW_RANK: status.get("slow_rank", -1) if status else None,
    }
    yield from (Sample(metric, float(value), {}) for metric, value in direct.items() if value is not None)
    if goodput is not None:
        yield from _accounted(goodput)


def _accounted(goodput: Goodput) -> Iterator[Sample]:
    single = {
        TrainingMetric.GOODPUT: goodput.ratio,
        TrainingMetric.USEFUL_STEPS: goodput.useful_steps,
        TrainingMetric.REDONE_STEPS: goodput.redone_steps,
        TrainingMetric.INTERRUPTIONS: goodput.interruptions,
        TrainingMetric.LOSSES: goodput.losses,
    }
    yield from (Sample(metric, float(value), {}) for metric, value in single.items())
    for part, ms in goodput.parts.items():
        yield Sample(TrainingMetric.SECONDS, ms / 1000, {"part": part.value})
    # a series that appears with its first event has no rise to be seen
    for cause, count in ({"killed": 0} | dict(goodput.restarts)).items():
        yield Sample(TrainingMetric.RESTARTS, float(count), {"cause": cause})


def read_status(path: Path) -> dict[str, Any]:
    """What the training process wrote last; nothing while it has not, or when it cannot be read."""
    try:
        status = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return status if isinstance(status, dict) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the numbers of a run come from, each time they are asked for."""

    status: Path
    account: Account

    @classmethod
    def of(cls, store: Store, status: Path) -> "Source":
        """The event log in a store, and the status file of this node."""
        return cls(status=status, account=Account(read=EventReader(store).read))

    def samples(self) -> list[Sample]:
        """All numbers as they are now."""
        return list(samples(read_status(self.status), self.account.now(), time.time_ns() // 1_000_000))


class PrometheusCollector:
    """Turns samples into Prometheus' families when somebody scrapes."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def describe(self) -> Iterable["Metric"]:
        """No family is fixed: what is not known yet is left out."""
        return []

    def collect(self) -> Iterator["Metric"]:
        """Families of the samples of now."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415  optional

        families: dict[TrainingMetric, Any] = {}
        for sample in self._source.samples():
            make = CounterMetricFamily if sample.metric.endswith("_total") else GaugeMetricFamily
            if sample.metric not in families:
                families[sample.metric] = make(sample.metric, _help(sample.metric), labels=list(sample.labels))
            families[sample.metric].add_metric(list(sample.labels.values()), sample.value)
        yield from families.values()


def serve(source: Source, port: int, env: Mapping[str, str] | None = None) -> None:
    """Answers scrapes on a port from a thread of its own, and sends to OpenTelemetry where it is asked to.

    Raises:
        ConfigError: a package is missing that this needs, or the port is taken.
    """
    try:
        from prometheus_client import CollectorRegistry  # noqa: PLC0415  optional

        from springtide_workloads.ports import serve_metrics  # noqa: PLC0415  needs it too
    except ImportError as error:
        raise ConfigError(
            "metrics need prometheus-client, which is not installed: install springtide-workloads[metrics]"
        ) from error
    registry = CollectorRegistry()
    registry.register(PrometheusCollector(source))
    serve_metrics(registry, port)
    if OTLP_ENDPOINT in (os.environ if env is None else env):
        export(source, _otlp_reader())


def export(source: Source, reader: "MetricReader") -> Callable[[], None]:
    """The same numbers as OpenTelemetry's observable instruments, read by `reader`; returns what ends it.

    Raises:
        ConfigError: opentelemetry-sdk is missing.
    """
    try:
        from opentelemetry.metrics import Observation  # noqa: PLC0415  optional
        from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415
    except ImportError as error:
        raise _without_opentelemetry() from error

    def observed(metric: TrainingMetric) -> Callable[["CallbackOptions"], Iterator["Observation"]]:
        def observe(_options: "CallbackOptions") -> Iterator["Observation"]:
            found = (sample for sample in source.samples() if sample.metric is metric)
            yield from (Observation(sample.value, dict(sample.labels)) for sample in found)

        return observe

    provider = MeterProvider(metric_readers=[reader], shutdown_on_exit=False)
    meter = provider.get_meter("springtide_workloads.train")
    for metric in TrainingMetric:
        counts = metric.endswith("_total")
        make = meter.create_observable_counter if counts else meter.create_observable_gauge
        make(metric.removesuffix("_total"), callbacks=[observed(metric)], description=_help(metric))
    return provider.shutdown


def _otlp_reader() -> "MetricReader":
    try:
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter  # noqa: PLC0415  optional
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: PLC0415
    except ImportError as error:
        raise _without_opentelemetry() from error
    return PeriodicExportingMetricReader(OTLPMetricExporter())


def _without_opentelemetry() -> ConfigError:
    return ConfigError(
        f"{OTLP_ENDPOINT} is set and OpenTelemetry is not installed: install springtide-workloads[otel], or unset it"
    )


_HELP: Final = {
    TrainingMetric.STEP: "Optimizer steps made",
    TrainingMetric.LOSS: "Loss as it was told last",
    TrainingMetric.TOKENS_PER_SECOND: "Tokens a second over all ranks",
    TrainingMetric.GOODPUT: "Useful part of the wall time",
    TrainingMetric.SECONDS: "Wall time so far, by part",
    TrainingMetric.USEFUL_STEPS: "Different steps made",
    TrainingMetric.REDONE_STEPS: "Steps made again",
    TrainingMetric.RESTARTS: "Restarts of processes in place, by cause",
    TrainingMetric.INTERRUPTIONS: "Times told to stop and saved",
    TrainingMetric.LOSSES: "Times work was taken away without a save",
    TrainingMetric.CHECKPOINT_STEP: "Step of the newest checkpoint",
    TrainingMetric.CHECKPOINT_AGE: "Seconds since the newest checkpoint",
    TrainingMetric.CHECKPOINT_SECONDS: "Seconds that the newest save took",
    TrainingMetric.CHECKPOINT_BYTES: "Size of the newest checkpoint",
    TrainingMetric.SLOW_RANK: "Rank that the others wait for, or -1",
}


def _help(metric: TrainingMetric) -> str:
    return _HELP[metric]
