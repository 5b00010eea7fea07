"""A gateway's numbers, under the contract's names."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from springtide_workloads.contract import GatewayMetric
from springtide_workloads.gateway.refusal import Reason

WAITS: Final = (0.005, 0.05, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 180, 300, 600, 1200, 2400)
"""Bounds in seconds: from a replica that is there to a machine that must boot."""


class Metrics:
    """Counters and gauges of one gateway, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Gauge(GatewayMetric.REQUESTS, "Requests held and in flight", registry=self.registry)
        self.held = Gauge(GatewayMetric.HELD, "Requests that wait for a replica", registry=self.registry)
        self.replicas = Gauge(GatewayMetric.REPLICAS, "Replicas that take requests", registry=self.registry)
        self.waited = Histogram(
            GatewayMetric.WAITED_SECONDS, "From a request to its replica", registry=self.registry, buckets=WAITS
        )
        self.answers = Counter(
            GatewayMetric.ANSWERS, "Answers handed on, by status code", ["code"], registry=self.registry
        )
        self._lost = Counter(
            GatewayMetric.LOST, "Requests without an answer of a replica", ["reason"], registry=self.registry
        )
        # a series that appears with its first event has no rise to be seen
        self.lost = {reason: self._lost.labels(reason=reason.value) for reason in Reason}
