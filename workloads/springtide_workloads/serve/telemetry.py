"""The server's numbers sent to OpenTelemetry as well, where its own variable names a collector.

Names are those of OpenTelemetry's semantic conventions for generative AI where they have one, and the contract's elsewhere.
"""

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from springtide_workloads.contract import Metric
from springtide_workloads.errors import ConfigError
from springtide_workloads.serve.metrics import Metrics

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Observation  # optional packages: absent where nobody asks
    from opentelemetry.sdk.metrics.export import MetricReader
    from prometheus_client.samples import Sample

OTLP_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"

GENAI: Final[Mapping[str, tuple[str, str]]] = {
    "seconds": ("gen_ai.server.request.duration", "From a request to its answer"),
    "first_token_seconds": ("gen_ai.server.time_to_first_token", "From a request to its first token"),
    "token_seconds": ("gen_ai.server.time_per_output_token", "A token after the first"),
}
"""Attributes of `Metrics` that are sent under OpenTelemetry's names, as histograms in seconds."""
OURS: Final = (
    Metric.IN_FLIGHT,
    Metric.QUEUED,
    Metric.REQUESTS,
    Metric.TOKENS,
    Metric.CACHE_USED,
    Metric.REFUSED,
    Metric.FAILED,
    Metric.READY,
)
"""Sent under the contract's names; read when they are sent."""


class _Observes(Protocol):
    def observe(self, amount: float) -> None: ...


class Both:
    """A histogram in two places."""

    def __init__(self, ours: _Observes, theirs: Callable[[float], None]) -> None:
        self._ours = ours
        self._theirs = theirs

    def observe(self, amount: float) -> None:
        """One more observation."""
        self._ours.observe(amount)
        self._theirs(amount)


def export_where_asked(metrics: Metrics, model: str, env: Mapping[str, str] | None = None) -> None:
    """Send the numbers where `OTEL_EXPORTER_OTLP_ENDPOINT` says; nothing where it is not set.

    Raises:
        ConfigError: it is set and OpenTelemetry is not installed.
    """
    if OTLP_ENDPOINT not in (os.environ if env is None else env):
        return
    try:
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter  # noqa: PLC0415  optional
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            f"{OTLP_ENDPOINT} is set and OpenTelemetry is not installed: install springtide-workloads[otel], or unset it"
        ) from error
    export(metrics, model, PeriodicExportingMetricReader(OTLPMetricExporter()))


def export(metrics: Metrics, model: str, reader: "MetricReader") -> Callable[[], None]:
    """Send the numbers through a reader; returns what ends it.

    Args:
        metrics: whose histograms tell OpenTelemetry too from now on.
        model: name of what is served: attribute `gen_ai.request.model`.
        reader: of OpenTelemetry.
    """
    from opentelemetry.metrics import Observation  # noqa: PLC0415  optional
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415

    def observed(metric: Metric) -> Callable[["CallbackOptions"], list["Observation"]]:
        def observe(_options: "CallbackOptions") -> list["Observation"]:
            return [Observation(sample.value, dict(sample.labels)) for sample in _samples(metrics, metric)]

        return observe

    attributes: dict[str, Any] = {"gen_ai.request.model": model, "gen_ai.operation.name": "text_completion"}
    provider = MeterProvider(metric_readers=[reader], shutdown_on_exit=False)
    meter = provider.get_meter("springtide_workloads.serve")
    for name, (theirs, text) in GENAI.items():
        histogram = meter.create_histogram(theirs, unit="s", description=text)
        setattr(metrics, name, Both(getattr(metrics, name), partial(histogram.record, attributes=attributes)))
    for metric in OURS:
        counts = metric.endswith("_total")
        make = meter.create_observable_counter if counts else meter.create_observable_gauge
        make(metric.removesuffix("_total"), callbacks=[observed(metric)])
    return provider.shutdown


def _samples(metrics: Metrics, metric: Metric) -> list["Sample"]:
    families = metrics.registry.restricted_registry([metric]).collect()
    return [sample for family in families for sample in family.samples if sample.name == metric]
