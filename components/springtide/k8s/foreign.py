"""Alerts and a dashboard for a service whose servers are not ours, by the names in `backends.BACKENDS`.

Fewer than for our own: what these servers refuse, or fail at, is told differently by each and is left out. Where a gateway
stands before them, it tells what was lost.
"""

from collections.abc import Iterator
from typing import Any

from springtide.k8s import Manifest
from springtide.k8s.alerts import SECONDS, Alert, Targets, asleep, bundle, let_in, silent
from springtide.k8s.backends import Signals
from springtide.k8s.dashboard import Panel, arranged, page
from springtide.k8s.dashboard import gateways as gateway_panels
from springtide.k8s.promql import over_pods, quantile, rate, series

LONGEST_LINE = 8
"""Requests that wait at a replica, on the mean, above which there are too few: it computes others before them."""


def foreign_alerts(  # noqa: PLR0913  two of what is true of a service, and what it is held to
    name: str, namespace: Any, signals: Signals, *, sleeps: bool, gateways: bool = False, targets: Targets
) -> Manifest:
    """A PrometheusRule with the alerts of a service that runs somebody else's server.

    Args:
        name: The service.
        namespace: Where it and the rule are.
        signals: What its servers tell.
        sleeps: Whether it may have no replica; then its gateways say whether one is wanted.
        gateways: Whether gateways stand before its servers. A service that sleeps has them anyway.
        targets: What it is held to: its first token, and the time to load.
    """
    present = asleep(name, signals.waiting, targets.startup_seconds) if sleeps else [silent(name, signals.waiting)]
    front = let_in(name) if sleeps or gateways else ()
    return bundle(
        name, namespace, [*present, *front, *_slow(name, signals, targets.first_token_seconds), *_full(name, signals)]
    )


def foreign_dashboard(name: str, namespace: Any, signals: Signals, *, sleeps: bool = False) -> Manifest:
    """ConfigMap with the dashboard of a service that runs somebody else's server."""
    panels = [*_work(name, signals), *_times(name, signals), *(gateway_panels(name) if sleeps else ())]
    return page(name, namespace, arranged(name, panels))


def _slow(name: str, signals: Signals, first_token_seconds: float | None) -> Iterator[Alert]:
    yield Alert(
        name="SpringtideLongQueue",
        expression=f"{over_pods('avg', over_pods('sum', series(signals.waiting, name), 'pod'))} > {LONGEST_LINE}",
        lasting_seconds=SECONDS,
        severity="warning",
        summary="{{ $value | humanize }} requests wait at each replica.",
        action="Lower scale_on.in_flight_per_replica or raise replicas.max, so that fewer requests share a replica.",
    )
    if signals.first_token is not None and first_token_seconds is not None:
        target = first_token_seconds / signals.first_token_unit_seconds
        yield Alert(
            name="SpringtideSlowFirstToken",
            expression=f"{quantile(0.99, signals.first_token, name)} >= {target:g}",
            lasting_seconds=SECONDS,
            severity="warning",
            summary=f"99 of 100 first tokens do not come within {first_token_seconds:g} s.",
            action="Lower scale_on.in_flight_per_replica or raise replicas.max, so that fewer requests share a replica.",
        )


def _full(name: str, signals: Signals) -> Iterator[Alert]:
    if signals.cache_used is not None:
        yield Alert(
            name="SpringtideCacheFull",
            expression=f"{over_pods('avg', series(signals.cache_used, name))} > {Targets().cache_ratio}",
            lasting_seconds=SECONDS,
            severity="warning",
            summary="{{ $value | humanizePercentage }} of the key-value caches are in use.",
            action="Raise replicas.max, lower scale_on.in_flight_per_replica, or allow fewer tokens a request.",
        )


def _work(name: str, signals: Signals) -> Iterator[Panel]:
    told = {"running": signals.running, "waiting": signals.waiting}
    curves = {f"{what} {{{{pod}}}}": over_pods("sum", series(it, name), "pod") for what, it in told.items() if it}
    yield Panel(title="Running and waiting, by replica", unit="short", curves=curves)
    tokens = {"prompt": signals.prompt_tokens, "completion": signals.completion_tokens}
    written = {what: over_pods("sum", rate(it, name)) for what, it in tokens.items() if it}
    if written:
        yield Panel(title="Tokens a second", unit="short", curves=written)
    if signals.cache_used is not None:
        used = series(signals.cache_used, name)
        shown = {"mean": over_pods("avg", used), "fullest": over_pods("max", used)}
        yield Panel(title="Key-value cache in use", unit="percentunit", curves=shown)


def _times(name: str, signals: Signals) -> Iterator[Panel]:
    for title, metric, unit in (
        ("Time to first token", signals.first_token, signals.first_token_unit_seconds),
        ("Time per token", signals.per_token, 1.0),
    ):
        if metric is not None:
            curves = {f"p{part:g}": f"{quantile(part / 100, metric, name)} * {unit:g}" for part in (50, 99)}
            yield Panel(title=title, unit="s", curves=curves)
