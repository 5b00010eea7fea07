"""The one table of charts: what a controller comes from, pinned, and the values we give it."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A Helm chart in one version."""

    name: str
    repository: str
    version: str
    namespace: str
    values: dict[str, Any] = field(default_factory=dict)
    why: str
    """What in an environment needs it."""


CHARTS = {
    chart.name: chart
    for chart in (
        Chart(
            name="metrics-server",
            repository="https://kubernetes-sigs.github.io/metrics-server/",
            version="3.13.0",
            namespace="kube-system",
            values={"replicas": 2, "podDisruptionBudget": {"enabled": True, "maxUnavailable": 1}},
            why="CPU and memory figures for autoscalers and `kubectl top`",
        ),
    )
}
