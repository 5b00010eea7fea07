"""What rules know beside the resources: dated prices, the budget, and the exceptions that somebody put a name to."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from springtide.spec import Finding, Outcome, Severity, Source, SpecError

MachineKey = tuple[str, str, str]
"""Cloud, region, machine type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one machine costs for one hour, on demand: a reserved one is paid already, a spot one never costs more."""

    usd_per_hour: float
    date: str
    """ISO date of the price list."""
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Plain data that a front end hands to the rules."""

    prices: Mapping[MachineKey, Price] = field(default_factory=dict)
    budget_usd_per_hour: float | None = None
    """Most that all pools together may cost; None where nobody set a limit. Zero is a limit."""
    exempt: tuple[str, ...] = ()
    """Exceptions as `<rule>:<name>`: that rule does not apply to the resource, pool or component of that name."""

    @classmethod
    def of(cls, policies: Any, prices: Mapping[MachineKey, Price]) -> Self:
        """The facts that `policies:` of an environment file declares.

        Args:
            policies: A mapping with `budget_usd_per_hour`, a number, and `exempt`, a list of strings; none is required.
            prices: See `Facts.prices`.

        Raises:
            SpecError: a key or a value that cannot be; all of them at once.
        """
        given = policies if isinstance(policies, Mapping) else {"": policies}
        refused = [_refused(key, value) for key, value in given.items() if not _ALLOWED.get(key, _never)(value)]
        if refused:
            raise SpecError(refused, "policies")
        budget, exempt = given.get("budget_usd_per_hour"), given.get("exempt")
        return cls(
            prices=prices,
            budget_usd_per_hour=None if budget is None else float(budget),
            exempt=() if exempt is None else tuple(exempt),
        )

    def exempts(self, rule: str, names: Iterable[str]) -> str:
        """The exception that frees one of these names of the rule; empty where none does."""
        entries = (f"{rule}:{name}" for name in names)
        return next((entry for entry in entries if entry in self.exempt), "")


def _is_budget(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    try:
        return value is None or 0 <= float(value) < float("inf")
    except (TypeError, ValueError):
        return False


def _is_names(value: Any) -> bool:
    return value is None or (isinstance(value, list | tuple) and all(isinstance(item, str) for item in value))


def _never(_value: Any) -> bool:
    return False


_ALLOWED: dict[str, Callable[[Any], bool]] = {"budget_usd_per_hour": _is_budget, "exempt": _is_names}
_FIXES = {
    "budget_usd_per_hour": "write a number of USD per hour, 0 or more",
    "exempt": "write a list of `<rule>:<name>`",
    "": "write a mapping, or nothing",
}


def _refused(key: str, value: Any) -> Finding:
    known = key in _FIXES
    return Finding(
        rule="policy/settings",
        outcome=Outcome.FAIL,
        severity=Severity.ERROR,
        source=Source.POLICY,
        message=f"{value!r} does not fit." if known else f"there is no {key!r}.",
        fix=_FIXES.get(key, "remove it"),
        path=f"/policies/{key}".rstrip("/"),
        value=value,
        allowed=() if known else tuple(_ALLOWED),
    )
