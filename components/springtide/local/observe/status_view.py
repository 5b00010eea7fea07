"""A status for people at a terminal: tables, and a view that renews itself every second."""

import io
import time
from collections import Counter
from collections.abc import Callable, Iterator

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from springtide.local.observe.pool_status import NodeNow, PoolNow
from springtide.local.observe.status import JobNow, ServiceNow, Status
from springtide.local.render.substitution import Substitution
from springtide.offline.idle import Amount
from springtide.offline.report import bounds, count_of, printable, usd

EVERY_SECONDS = 1.0
UNKNOWN = "–"
"""Stands for what cannot be known from here."""
_STYLES = {
    "ready": "green", "running": "green", "complete": "green", "failed": "bold red", "leaving": "dim",
    "defined": "dim", "not applied": "dim",
}  # fmt: skip
_WAITING = "yellow"


def render(status: Status, *, width: int = 100, color: bool = False) -> str:
    """The status as text.

    Args:
        status: The status.
        width: Columns to use.
        color: Whether the reader's terminal understands colour.
    """
    console = Console(
        file=io.StringIO(), width=width, force_terminal=color, no_color=not color, legacy_windows=False,
        color_system="standard" if color else None, highlight=False, markup=False, emoji=False,
    )  # fmt: skip
    console.print(renderable(status))
    text: str = console.file.getvalue()  # type: ignore[attr-defined]  # the StringIO given above
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def watch(look: Callable[[], Status], console: Console, *, rounds: int | None = None) -> None:
    """Show a status that renews itself every second, until Ctrl-C. What is not as in the cloud stands above it, once.

    Args:
        look: Takes a new look.
        console: Where it is shown.
        rounds: How often. Default: for ever.
    """
    left, now = rounds, look()
    for line in substitutions(now.substituted):
        console.print(line)
    with Live(figures(now), console=console, auto_refresh=False) as live:
        try:
            while left is None or left > 1:
                time.sleep(EVERY_SECONDS)
                live.update(figures(look()), refresh=True)
                left = None if left is None else left - 1
        except KeyboardInterrupt:
            return


def renderable(status: Status) -> RenderableType:
    """The status for a console."""
    return Group(*substitutions(status.substituted), figures(status))


def figures(status: Status) -> RenderableType:
    """The status without what is not as in the cloud."""
    return Group(*_sections(status))


def _sections(status: Status) -> Iterator[RenderableType]:
    head = Text(printable(status.environment), style="bold")
    head.append(f"  {printable(status.server)}", style="dim")
    yield head
    yield from _titled("Pools", _pools(status))
    yield from _titled("Jobs", _jobs(status.jobs))
    yield from _titled("Services", _services(status.services))


def substitutions(items: tuple[Substitution, ...]) -> Iterator[RenderableType]:
    """What is not as it would be in the cloud: the head of every report."""
    if items:
        yield Text("Not as in the cloud", style="bold")
        for item in items:
            line = Text("  ").append(printable(item.what)).append(f" → {printable(item.instead)}")
            yield line.append(f"  ({printable(item.why)})", style="dim")
        yield Text()


def _titled(title: str, body: RenderableType | None) -> Iterator[RenderableType]:
    if body is not None:
        yield Text()
        yield Text(title, style="bold")
        yield Padding(body, (0, 0, 0, 2))


def _table(*headers: str, right: frozenset[str] = frozenset()) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for header in headers:
        table.add_column(header, justify="right" if header in right else "left", overflow="fold")
    return table


def _pools(status: Status) -> Table | None:
    if not status.pools:
        return None
    figures = frozenset({"now / ceiling", "USD/h now"})
    table = _table("pool", "node", "now / ceiling", "machines", "USD/h now", right=figures)
    for pool in status.pools:
        now = bounds(len(pool.nodes), pool.ceiling)
        node = f"{pool.gpus_per_node} × {printable(pool.gpu)}"
        table.add_row(
            Text(printable(pool.name), style="bold"),
            node,
            now,
            _machines(pool),
            _cost(pool.cost, at_most=pool.cost_at_most),
        )
    table.add_section()
    nodes = sum(len(pool.nodes) for pool in status.pools)
    ceiling = sum(pool.ceiling for pool in status.pools)
    at_most = any(pool.cost_at_most for pool in status.pools)
    table.add_row("all pools", "", bounds(nodes, ceiling), "", _cost(status.cost, at_most=at_most), style="bold")
    return table


def _cost(amount: Amount, *, at_most: bool) -> str:
    """A cost, as a bound where spot capacity has only that of its on-demand price; what is not known at all says more."""
    return f"≤ {usd(amount)}" if at_most and amount.complete else usd(amount)


def _machines(pool: PoolNow) -> Text:
    """A line for all nodes that are alike: `2 p5.48xlarge spot ready`."""
    alike = Counter(map(_alike, pool.nodes))
    lines = [
        Text.assemble(f"{count} {printable(machine_type or '?')} {printable(capacity)} ", (phase, _style(phase)))
        for (machine_type, capacity, phase), count in sorted(alike.items())
    ]
    return Text("\n").join(lines) if lines else Text("asleep", style="dim")


def _alike(node: NodeNow) -> tuple[str, str, str]:
    return node.machine_type, node.capacity, node.phase


def _style(phase: str) -> str:
    return _STYLES.get(phase, _WAITING)


def _jobs(jobs: tuple[JobNow, ...]) -> Table | None:
    if not jobs:
        return None
    right = frozenset({"pods", "step", "loss", "restarts"})
    table = _table("job", "run", "phase", "pods", "step", "loss", "restarts", right=right)
    for job in jobs:
        table.add_row(
            Text(printable(job.name), style="bold"),
            printable(UNKNOWN if job.run is None else job.run),
            Text(job.phase, style=_style(job.phase)),
            bounds(job.running, job.wanted),
            _step(job),
            _figure(job.diary.loss, 3),
            str(job.diary.restarts),
        )
    return table


def _step(job: JobNow) -> str:
    if job.diary.step is None:
        return UNKNOWN
    return str(job.diary.step) if job.steps is None else bounds(job.diary.step, job.steps)


def _services(services: tuple[ServiceNow, ...]) -> Table | None:
    if not services:
        return None
    right = frozenset({"replicas", "requests/s", "p99"})
    table = _table("service", "replicas", "phase", "requests/s", "p99", right=right)
    for item in services:
        phase = service_phase(item)
        replicas = f"{item.ready} / {item.wanted} of {item.ceiling}"
        p99 = item.reading.p99_seconds
        slow = UNKNOWN if p99 is None else f"{p99 * 1000:,.0f} ms"
        name = Text(printable(item.name), style="bold")
        table.add_row(name, replicas, Text(phase, style=_style(phase)), _figure(item.reading.per_second, 1), slow)
    return table


def service_phase(service: ServiceNow) -> str:
    """`asleep`, `waking`, `ready`, or how many replicas are missing."""
    if service.wanted == 0:
        return "asleep"
    if service.ready == 0:
        return "waking"
    missing = service.wanted - service.ready
    return "ready" if missing <= 0 else f"{count_of(missing, 'replica')} to come"


def _figure(value: float | None, digits: int) -> str:
    return UNKNOWN if value is None else f"{value:,.{digits}f}"
