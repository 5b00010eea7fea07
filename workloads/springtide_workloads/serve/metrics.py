"""A server's numbers, under the contract's names."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from springtide_workloads.contract import Metric


class Metrics:
    """Counters and gauges of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.in_flight = Gauge(Metric.IN_FLIGHT, "Requests being computed now", registry=self.registry)
        self.queued = Gauge(Metric.QUEUED, "Requests accepted and waiting for their turn", registry=self.registry)
        self.ready = Gauge(Metric.READY, "1 while the readiness probe passes", registry=self.registry)
        self.requests = Counter(Metric.REQUESTS, "Answers given, by status code", ["code"], registry=self.registry)
        self.seconds = Histogram(Metric.REQUEST_SECONDS, "From a request to its answer", registry=self.registry)
        self.tokens = Counter(Metric.TOKENS, "Tokens read and written", ["kind"], registry=self.registry)
