"""What a service's numbers are warned by: Prometheus rules, made from the contract that the servers and gateways keep.

A rule speaks where something is wrong and can be done: each says what. None of them asks for kube-state-metrics.
`monitor.pod_monitor` gives the series the labels that the rules select by.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from springtide.k8s import Manifest
from springtide.k8s.gateway import gateway_name
from springtide.k8s.promql import SERVICE, absent, both, over_pods, quantile, rate, ratio, series, without
from springtide.k8s.serving import NODE_SECONDS, cold_start_seconds
from springtide_workloads.contract import GatewayMetric, Metric

LONGEST_SECONDS = 60.0
"""Highest bound of the servers' histograms: a quantile is never told to be more, so no higher target can be missed."""
OVERLOAD = 'reason=~"deadline|queue|priority"'
"""Refusals for want of room; the others are their clients' mistakes."""
NOT_CLIENT = 'reason!="client"'
"""Not those whose client went away."""
LOST = 'reason=~"broken|memory|no_replica|stopped|timeout|too_many"'
"""Losses of a gateway that are no mistake of the client, as `springtide_workloads.gateway.refusal.Reason` names them."""
SHORT_SECONDS = 120
SECONDS = 600
"""How long something must be wrong, before it is said, where requests fail and where they are only slow."""

Severity = Literal["critical", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One rule."""

    name: str
    expression: str
    lasting_seconds: int
    severity: Severity
    summary: str
    """What is wrong, with Prometheus' `{{ $value }}`."""
    action: str
    """What to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """What a service is held to."""

    request_seconds: float = 30.0
    """Within which 99 of 100 answers begin."""
    queue_seconds: float = 5.0
    """Within which the computation of 99 of 100 accepted requests begins."""
    error_ratio: float = 0.02
    refused_ratio: float = 0.05
    cache_ratio: float = 0.95
    """Of the key-value cache that may be in use: above, a server takes work back that it began."""
    startup_seconds: int = 600
    """Time that the model may take to load."""
    first_token_seconds: float | None = None
    """Within which 99 of 100 first tokens come. Default: nobody asks, as where no text is made."""


def alerts(
    name: str,
    namespace: Any,
    *,
    sleeps: bool,
    gateways: bool = False,
    targets: Targets = Targets(),
) -> Manifest:
    """A PrometheusRule with the alerts of a service.

    Args:
        name: The service.
        namespace: Where it and the rule are.
        sleeps: Whether it may have no replica; then its gateways say whether one is wanted.
        gateways: Whether gateways stand before its servers. A service that sleeps has them anyway.
        targets: What it is held to.

    Raises:
        ValueError: A target in seconds is not above 0, or above what the histograms can tell.
    """
    for target in (targets.request_seconds, targets.queue_seconds, targets.first_token_seconds):
        if target is not None and not 0 < target <= LONGEST_SECONDS:
            raise ValueError(f"a target of {target} s: use more than 0 and at most {LONGEST_SECONDS:g} s")
    found = [
        *(asleep(name, Metric.READY, targets.startup_seconds) if sleeps else _awake(name, targets.startup_seconds)),
        *(let_in(name) if sleeps or gateways else ()),
        *_answers(name, targets),
        *_times(name, targets),
        *_room(name, targets),
    ]
    return bundle(name, namespace, found)


def bundle(name: str, namespace: Any, found: Iterable[Alert]) -> Manifest:
    """A PrometheusRule of these alerts; the operator reads its own namespace's, or those it is told to."""
    group = {"name": f"springtide-{name}", "rules": [_rule(name, alert) for alert in found]}
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/name": name}},
        "spec": {"groups": [group]},
    }


def _rule(name: str, alert: Alert) -> Manifest:
    return {
        "alert": alert.name,
        "expr": alert.expression,
        "for": f"{alert.lasting_seconds}s",
        "labels": {"severity": alert.severity, SERVICE: name},
        "annotations": {"summary": f"{name}: {alert.summary}", "description": alert.action},
    }


def _awake(name: str, startup_seconds: int) -> Iterator[Alert]:
    """Nobody there, of a service that always has a replica."""
    yield silent(name, Metric.READY)
    yield Alert(
        name="SpringtideNobodyReady",
        expression=f"{over_pods('sum', series(Metric.READY, name))} == 0",
        lasting_seconds=startup_seconds,
        severity="critical",
        summary="servers run and none is ready.",
        action=f"Read the log of Deployment {name}: its model may be missing, unreadable or slower to load than "
        f"startup_seconds ({startup_seconds} s).",
    )


def silent(name: str, told: str) -> Alert:
    """Nobody there, by a metric that every server tells."""
    return Alert(
        name="SpringtideNumbersAbsent",
        expression=absent(told, name),
        lasting_seconds=NODE_SECONDS,
        severity="critical",
        summary="no server tells its numbers; none may be there.",
        action=f"See whether pods of Deployment {name} exist and are scheduled (kubectl describe pod): machines may be "
        f"sold out. If they run, see whether Prometheus reads PodMonitor {name}.",
    )


def asleep(name: str, told: str, startup_seconds: int) -> Iterator[Alert]:
    """Nobody there, of a service that has a replica when one is wanted, and what that costs.

    Args:
        name: The service.
        told: A metric that every server tells.
        startup_seconds: Time that the model may take to load.
    """
    replicas = over_pods("max", series(GatewayMetric.REPLICAS, name))
    yield Alert(
        name="SpringtideNumbersAbsent",
        expression=without(f"{replicas} > 0", over_pods("sum", series(told, name))),
        lasting_seconds=SECONDS,
        severity="warning",
        summary="its gateways see replicas, and none of these tells its numbers.",
        action=f"See whether Prometheus reads the pods of Deployment {name}: PodMonitor, port metrics, network policies.",
    )
    yield Alert(
        name="SpringtideNobodyReady",
        expression=both(f"{over_pods('sum', series(GatewayMetric.HELD, name))} > 0", f"{replicas} == 0"),
        lasting_seconds=cold_start_seconds(startup_seconds),
        severity="critical",
        summary="{{ $value }} requests wait for a replica longer than one takes to come.",
        action=f"See whether KEDA asks for one (kubectl describe scaledobject {name}), whether a machine comes (kubectl "
        f"describe pod), and whether the model loads (log of Deployment {name}).",
    )


def let_in(name: str) -> Iterator[Alert]:
    """What the gateways of a service lose, and that there are none: clients reach its servers through them alone."""
    gateways = gateway_name(name)
    yield Alert(
        name="SpringtideGatewaysAbsent",
        expression=absent(GatewayMetric.REQUESTS, name),
        lasting_seconds=SECONDS,
        severity="critical",
        summary="no gateway tells its numbers: where none is, no request comes in, and nothing wakes what sleeps.",
        action=f"See whether pods of Deployment {gateways} run (kubectl describe pod), and whether Prometheus reads them.",
    )
    yield Alert(
        name="SpringtideGatewayLost",
        expression=f"{over_pods('sum', rate(GatewayMetric.LOST, name, LOST))} > 0",
        lasting_seconds=0,
        severity="warning",
        summary="gateways lose {{ $value | humanize }} requests a second.",
        action=f"See {GatewayMetric.LOST.value} by reason: no_replica and timeout: it wakes too slowly; too_many and memory: "
        "more wait than may; broken: replicas die with requests in them; stopped: a gateway had too little time to go.",
    )


def _answers(name: str, targets: Targets) -> Iterator[Alert]:
    answers = over_pods("sum", rate(Metric.REQUESTS, name))
    failed = ratio(over_pods("sum", rate(Metric.FAILED, name, NOT_CLIENT)), answers)
    errors = ratio(over_pods("sum", rate(Metric.REQUESTS, name, 'code=~"5.."')), answers)
    yield Alert(
        name="SpringtideErrors",
        # a stream that breaks off had status 200, and a bug before a request was accepted counts as an answer only
        expression=f"({failed} > {targets.error_ratio}) or ({errors} > {targets.error_ratio})",
        lasting_seconds=SHORT_SECONDS,
        severity="critical",
        summary="{{ $value | humanizePercentage }} of the requests get no whole answer.",
        action=f"See {Metric.FAILED.value} by reason: model: read the servers' log; deadline: they are too slow; stopped: "
        "they had too little time to drain.",
    )
    yield Alert(
        name="SpringtideRefused",
        expression=f"{ratio(over_pods('sum', rate(Metric.REFUSED, name, OVERLOAD)), answers)} > {targets.refused_ratio}",
        lasting_seconds=SECONDS,
        severity="warning",
        summary="{{ $value | humanizePercentage }} of the requests are refused for want of room.",
        action="Raise replicas.max, or see why it does not grow: quota, a pool that is full, an autoscaler that reads nothing.",
    )


def _times(name: str, targets: Targets) -> Iterator[Alert]:
    for metric, target, alert, what in (
        (Metric.REQUEST_SECONDS, targets.request_seconds, "SpringtideSlowAnswers", "answers begin"),
        (Metric.FIRST_TOKEN_SECONDS, targets.first_token_seconds, "SpringtideSlowFirstToken", "first tokens come"),
        (Metric.QUEUE_SECONDS, targets.queue_seconds, "SpringtideLongQueue", "computations begin"),
    ):
        if target is not None:
            yield Alert(
                name=alert,
                # not `>`: whatever is beyond the highest bound is told to be that bound
                expression=f"{quantile(0.99, metric, name)} >= {target:g}",
                lasting_seconds=SECONDS,
                severity="warning",
                summary=f"99 of 100 {what} within {{{{ $value | humanizeDuration }}}} only; {target:g} s is the target.",
                action="Lower scale_on.in_flight_per_replica or raise replicas.max, so that fewer requests share a replica; "
                f"{Metric.QUEUE_SECONDS.value} tells waiting from computing.",
            )


def _room(name: str, targets: Targets) -> Iterator[Alert]:
    yield Alert(
        name="SpringtideCacheFull",
        expression=f"{over_pods('avg', series(Metric.CACHE_USED, name))} > {targets.cache_ratio}",
        lasting_seconds=SECONDS,
        severity="warning",
        summary="{{ $value | humanizePercentage }} of the key-value caches are in use.",
        action="Raise replicas.max, lower scale_on.in_flight_per_replica, or allow fewer tokens a request.",
    )
