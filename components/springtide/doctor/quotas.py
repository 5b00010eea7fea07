"""What an account grants, held against what the plan asks for: quota is what most often keeps a first GPU node away."""

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from springtide.doctor.model import Row, State, good, unknown
from springtide.offline.planner import plan_environment
from springtide.offline.quota import Ask, Part, asks, span, stuck
from springtide.target import Target

CHECK = "quota"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What an account has of one quota."""

    value: float | None = None
    """In the quota's unit, infinite where there is no limit; None where nobody says."""
    used: float | None = None
    """What of it is in use; None where that is not told with it."""
    why: str = ""
    """Why nobody says."""
    fix: str = ""
    """What makes the account say it."""


class Account(Protocol):
    """An account that can be asked for its quotas. Its questions take seconds, and may be put side by side."""

    def limit(self, ask: Ask) -> Limit:
        """What it has of a quota."""
        ...

    def request(self, ask: Ask) -> str:
        """The command that asks for as much of a quota as the plan needs."""
        ...


def rows(target: Target, reached: Callable[[], Account]) -> Sequence[Row]:
    """A row for each quota that the plan of the environment, or of the platform that it runs on, asks for.

    One that is too low is wrong where a pool, or the cluster itself, cannot begin on it; else the pools do with less.

    Args:
        target: The environment.
        reached: Reaches the account, and asks it what does not depend on the plan.
    """
    with ThreadPoolExecutor() as beside:
        reaching = beside.submit(reached)
        plan = plan_environment(target.root, target.platform)
        if not plan.resources:
            found = f"{target.platform} has no plan that says what to ask for"
            return unknown(CHECK, found, f"springtide plan {target.platform}")
        wanted, account = asks(plan), reaching.result()
        limits = dict(zip(wanted, beside.map(account.limit, wanted), strict=True))
    known = {ask: limit.value for ask, limit in limits.items() if limit.value is not None}
    if wanted and not known:
        return _nothing_known(limits)
    without = stuck(plan, known)
    every = [_row(ask, limit, account, without) for ask, limit in limits.items()]
    return every or good(CHECK, f"{target.platform} needs none")


def _nothing_known(limits: Mapping[Ask, Limit]) -> Sequence[Row]:
    """One row for all of them, where the account does not speak at all."""
    first = next(iter(limits.values()))
    needs = ", ".join(f"{ask.quota.code or ask.name} {ask.amount}" for ask in limits)
    return unknown(CHECK, f"{first.why.rstrip('.')}; the plan needs {needs}", first.fix)


def _row(ask: Ask, limit: Limit, account: Account, without: Sequence[str]) -> Row:
    name = ask.name.replace(ask.quota.service, CHECK, 1)
    if limit.value is None:
        return Row(
            check=name, state=State.UNKNOWN, found=f"{limit.why.rstrip('.')}; needed: {_needs(ask)}", fix=limit.fix
        )
    has = f"{_shown(limit.value)} {ask.quota.unit} in {ask.place}{_used(limit)}"
    if limit.value >= ask.most:
        return Row(check=name, state=State.GOOD, found=f"{has}; needed: {_needs(ask)}")
    lost = [part.pool for part in ask.parts if part.pool in without and limit.value < part.start]
    found = f"{', '.join(lost)} cannot begin: {has}" if lost else has
    state = State.WRONG if lost else State.LATER
    return Row(check=name, state=state, found=f"{found}; needed: {_needs(ask)}", fix=account.request(ask))


def _needs(ask: Ask) -> str:
    return ", ".join(map(_need, ask.parts))


def _need(part: Part) -> str:
    return f"{part.start} for {part.who} to begin, {span(part.least, part.most)} at the most"


def _used(limit: Limit) -> str:
    return "" if limit.used is None else f", {_shown(limit.used)} in use"


def _shown(number: float) -> str:
    return "no limit on" if math.isinf(number) else f"{number:.0f}"
