"""What every rendering of a simulation says: the same rows and words in the terminal, on the page and as data."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from springtide.offline.report import count_of
from springtide.simulate.figures import Figures
from springtide.simulate.hpa_object import HpaObject, Rules
from springtide.simulate.keda_object import KedaObject
from springtide.simulate.options import Options
from springtide.simulate.service import Service

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One environment's service under the trace."""

    service: Service
    figures: Figures

    @property
    def title(self) -> str:
        """Its name."""
        return f"{self.service.environment}/{self.service.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A simulation; with two sides it is a comparison of the second with the first."""

    sides: tuple[Side, ...]
    trace: str
    """Name of the trace's file."""
    options: Options


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of figures."""

    label: str
    unit: str
    value: Callable[[Figures], float | None]
    digits: int = 0


_ROWS = (
    Row(label="GPU hours", unit="h", digits=2, value=lambda item: item.gpu_hours),
    Row(label="replica hours", unit="h", digits=2, value=lambda item: item.replica_hours),
    Row(label="… of the best possible", unit="×", digits=2, value=lambda item: item.regret),
    Row(label="slots busy", unit="%", digits=1, value=lambda item: 100 * item.busy),
    Row(label="wait, p50", unit="s", digits=1, value=lambda item: item.waits.p50),
    Row(label="wait, p95", unit="s", digits=1, value=lambda item: item.waits.p95),
    Row(label="wait, p99", unit="s", digits=1, value=lambda item: item.waits.p99),
    Row(label="wait, longest", unit="s", digits=1, value=lambda item: item.waits.most),
    Row(label="longest queue", unit="requests", value=lambda item: item.queued_most),
    Row(label="answered", unit="requests", value=lambda item: item.answered),
    Row(label="answered in time", unit="%", digits=2, value=lambda item: 100 * item.within_deadline / item.requests),
    Row(label="refused, held too long", unit="requests", value=lambda item: item.refused),
    Row(label="cut off by a drain", unit="requests", value=lambda item: item.cut),
    Row(label="never answered", unit="requests", value=lambda item: item.unanswered),
    Row(label="replicas, most", unit="", value=lambda item: item.replicas_most),
    Row(label="scalings", unit="", value=lambda item: item.scalings),
    Row(label="flaps", unit="", value=lambda item: item.flaps),
    Row(label="at zero", unit="s", value=lambda item: item.zero_seconds),
)


def rows(report: Report) -> list[Row]:
    """The lines of figures, those of money first."""
    kinds = dict.fromkeys(kind for side in report.sides for kind in side.figures.usd)
    return [*(_cost(kind) for kind in kinds), *_ROWS]


def _cost(kind: str) -> Row:
    return Row(label=f"cost, {kind}", unit="USD", digits=2, value=lambda item: item.usd.get(kind))


def shown(row: Row, value: float | None) -> str:
    """A figure as people read it."""
    return "?" if value is None else f"{value:,.{row.digits}f}"


def difference(row: Row, report: Report) -> str:
    """How the second side differs from the first; empty where it does not, or that is unknown."""
    one, other = (row.value(side.figures) for side in report.sides)
    if one is None or other is None or shown(row, one) == shown(row, other):
        return ""
    relative = f" ({100 * (other - one) / one:+.0f} %)" if one and row.unit != "%" else ""
    return f"{other - one:+,.{row.digits}f}{relative}"


def headline(report: Report) -> str:
    """What was replayed."""
    item = report.sides[0].figures
    rate = item.requests / item.bins[-1].at if item.bins[-1].at else float(item.requests)
    scale = "" if report.options.scale == 1 else f" at {report.options.scale} × its rate"
    return f"{item.requests:,} requests of {report.trace}{scale}, {item.seconds / 60:,.0f} min, {rate:,.2f} a second"


def facts(side: Side, options: Options) -> Iterator[str]:
    """What was simulated and what was assumed, in sentences."""
    service, machines = side.service, side.service.machines
    yield moved_by(service)
    yield f"A replica computes {service.slots} requests at a time, first come first served over all replicas."
    if machines is None:
        yield f"It runs on the system nodes, which cost the same without it; a replica loads {service.load_seconds:g} s."
    else:
        yield (
            f"Up to {machines.most} × {service.machine_type} with {count_of(machines.replicas_each, 'replica')} each: boot "
            f"{machines.boot_seconds:g} s, image {machines.image_seconds:g} s, model {service.load_seconds:g} s; an empty "
            f"one stays {machines.idle_seconds:g} s."
        )
    if service.gateways:
        yield f"{service.gateways} gateways hold a request for {service.hold_seconds:g} s at most."
    if service.held_requests is not None and side.figures.queued_most > service.held_requests:
        yield f"They hold {service.held_requests} requests at a time: some of this queue they would have refused."
    yield f"In time: answered within {options.deadline_seconds:g} s."
    yield from (f"{item.capacity}: {item.source}" for item in service.prices if item.source)
    yield from service.notes


def moved_by(service: Service) -> str:
    """What sets the number of replicas, in a sentence."""
    scaler = service.autoscaler
    if scaler is None:
        return f"Nothing moves it: it stays at {count_of(service.least, 'replica')}."
    kind = "ScaledObject" if isinstance(scaler, KedaObject) else "HorizontalPodAutoscaler"
    hpa = scaler.hpa if isinstance(scaler, KedaObject) else scaler
    least = scaler.least if isinstance(scaler, KedaObject) else hpa.least
    return f"Its {kind} holds {_targets(hpa)} with {least} to {hpa.most} replicas{_pace(hpa)}."


def _targets(hpa: HpaObject) -> str:
    return " and ".join(
        f"{item.value} % of {item.name}" if item.target == "Utilization" else f"{item.value / 1000:g} a replica"
        for item in hpa.metrics
    )


def _pace(hpa: HpaObject) -> str:
    if hpa.behavior is None:
        return ""
    return f"; up {_rule(hpa.behavior.up)}, down {_rule(hpa.behavior.down)}"


def _rule(rules: Rules) -> str:
    if rules.select == "Disabled":
        return "never"
    steps = (f"{item.value}{' %' if item.percent else ''} in {item.period_seconds} s" for item in rules.policies)
    return f"after {rules.window_seconds} s by {' or '.join(steps)}"


def to_json(report: Report) -> dict[str, object]:
    """The simulation as data; docs/simulate.md describes it."""
    options = {**asdict(report.options), "scale": str(report.options.scale)}
    return {
        "version": VERSION,
        "trace": report.trace,
        "options": options,
        "sides": [
            {
                "environment": side.service.environment,
                "service": side.service.name,
                "facts": [*facts(side, report.options)],
                "figures": {**asdict(side.figures), "regret": side.figures.regret},
            }
            for side in report.sides
        ],
    }
