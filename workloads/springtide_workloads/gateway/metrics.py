"""A gateway's numbers, under the contract's names."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from springtide_workloads.contract import GatewayMetric
from springtide_workloads.gateway.refusal import Reason, Refused

WAITS: Final = (0.005, 0.05, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 180, 300, 600, 1200, 2400)
"""Bounds in seconds: from a replica that is there to a machine that must boot."""
ANSWER_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60, 300, 1200)


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
        self._arm_requests = Counter(GatewayMetric.ARM_REQUESTS, "Requests, by arm", ["arm"], registry=self.registry)
        self._arm_errors = Counter(
            GatewayMetric.ARM_ERRORS, "Requests answered 429 or 5xx, or not", ["arm"], registry=self.registry
        )
        self._arm_moved = Counter(
            GatewayMetric.ARM_MOVED, "Requests given to another arm", ["arm"], registry=self.registry
        )
        self._arm_replicas = Gauge(
            GatewayMetric.ARM_REPLICAS, "Addresses that take requests", ["arm"], registry=self.registry
        )
        self._arm_seconds = Histogram(
            GatewayMetric.ARM_SECONDS,
            "From a request to its answer",
            ["arm"],
            registry=self.registry,
            buckets=ANSWER_SECONDS,
        )

    def of(self, arm: str) -> "ArmNumbers":
        """The numbers of one arm, which are there from now on."""
        return ArmNumbers(
            requests=self._arm_requests.labels(arm=arm),
            errors=self._arm_errors.labels(arm=arm),
            moved=self._arm_moved.labels(arm=arm),
            replicas=self._arm_replicas.labels(arm=arm),
            seconds=self._arm_seconds.labels(arm=arm),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmNumbers:
    """One arm's counters and gauges. A request counts for the arm that was chosen for it, whoever answers in the end."""

    requests: Counter
    errors: Counter
    moved: Counter
    replicas: Gauge
    seconds: Histogram

    @contextmanager
    def asked(self) -> Iterator[None]:
        """One request; what it is refused with counts as an error where that is not the client's own doing."""
        self.requests.inc()
        try:
            yield
        except Refused as refused:
            self.answered(refused.status)
            raise

    def broke(self, reason: Reason) -> None:
        """An answer that had begun is not whole; a client that goes is no error of the arm's."""
        if reason is Reason.BROKEN:
            self.errors.inc()

    def answered(self, status: int) -> None:
        """A request was answered so."""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
            self.errors.inc()
