"""The one table of charts: what a controller comes from, pinned, the values we give it, and what must be there before."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A Helm chart in one version."""

    name: str
    source: str
    """`oci://` reference of the chart itself, or the address of the repository it lies in."""
    version: str
    namespace: str
    values: Mapping[str, Any] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    """Charts that must be there before, where they are installed too: its own resource definitions, say."""
    why: str
    """What in an environment needs it."""


CHARTS = {
    chart.name: chart
    for chart in (
        Chart(
            name="metrics-server",
            source="https://kubernetes-sigs.github.io/metrics-server/",
            version="3.13.0",
            namespace="kube-system",
            values={"replicas": 2, "podDisruptionBudget": {"enabled": True, "maxUnavailable": 1}},
            why="CPU and memory figures for autoscalers and `kubectl top`",
        ),
    )
}
"""By name, in the order of installation."""
