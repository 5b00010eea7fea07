"""A server's numbers, under the contract's names. Its line and its application write them; engines write none but two."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from springtide_workloads.contract import Metric

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0)
TOKEN_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.5)
"""Buckets of OpenTelemetry's gen_ai.server.time_per_output_token, and smaller ones: a tiny model is faster."""
SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
REFUSALS: Final = ("deadline", "queue", "priority", "key", "body")
FAILURES: Final = ("model", "deadline", "client", "stopped")


class Metrics:
    """Counters and gauges of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.in_flight = Gauge(Metric.IN_FLIGHT, "Requests being computed now", registry=self.registry)
        self.queued = Gauge(Metric.QUEUED, "Requests accepted and waiting for their turn", registry=self.registry)
        self.ready = Gauge(Metric.READY, "1 while the readiness probe passes", registry=self.registry)
        self.cache_used = Gauge(Metric.CACHE_USED, "Part of the key-value cache in use", registry=self.registry)
        self.requests = Counter(Metric.REQUESTS, "Answers given, by status code", ["code"], registry=self.registry)
        self.refused = Counter(Metric.REFUSED, "Requests not accepted, by reason", ["reason"], registry=self.registry)
        self.failed = Counter(
            Metric.FAILED, "Accepted requests without a whole answer, by reason", ["reason"], registry=self.registry
        )
        self.tokens = Counter(Metric.TOKENS, "Tokens read and written", ["kind"], registry=self.registry)
        self.seconds = self._histogram(Metric.REQUEST_SECONDS, "From a request to its answer", SECONDS)
        self.queue_seconds = self._histogram(Metric.QUEUE_SECONDS, "From acceptance to computation", SECONDS)
        self.first_token_seconds = self._histogram(Metric.FIRST_TOKEN_SECONDS, "From a request to a token", SECONDS)
        self.token_seconds = self._histogram(Metric.TOKEN_SECONDS, "A token after the first", TOKEN_SECONDS)
        self.batch = self._histogram(Metric.BATCH, "Requests computed together", SIZES)
        self.prompt_tokens = self.tokens.labels(kind="prompt")
        self.completion_tokens = self.tokens.labels(kind="completion")
        # a series that appears with its first event has no rise to be seen
        for reason in REFUSALS:
            self.refused.labels(reason=reason)
        for reason in FAILURES:
            self.failed.labels(reason=reason)

    def _histogram(self, metric: Metric, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(metric, text, buckets=buckets, registry=self.registry)
