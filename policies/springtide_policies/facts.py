"""What rules know beside the resources: dated prices, the budget, and the exceptions that somebody put a name to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from springtide_policies.graph import Graph

ENVIRONMENT = "springtide:index:Environment"

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
    def declared(cls, resources: Iterable[Mapping[str, Any]], prices: Mapping[MachineKey, Price]) -> Self:
        """The limits that the `Environment` among some resources declares; of several, the tightest and all exceptions.

        Args:
            resources: Resources in the plan's JSON format.
            prices: See `Facts.prices`.
        """
        places = tuple(Graph.of(resources).of_type(ENVIRONMENT))
        budgets = (place.at("budgetUsdPerHour").value for place in places)
        return cls(
            prices=prices,
            budget_usd_per_hour=min((float(budget) for budget in budgets if budget is not None), default=None),
            exempt=tuple(str(entry.value) for place in places for entry in place.at("exempt").members()),
        )

    def exempts(self, rule: str, names: Iterable[str]) -> str:
        """The exception that frees one of these names of the rule; empty where none does."""
        entries = (f"{rule}:{name}" for name in names)
        return next((entry for entry in entries if entry in self.exempt), "")
