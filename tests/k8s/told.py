"""Names of the series that servers and gateways tell, read from their own registries."""

from prometheus_client import CollectorRegistry

from springtide_workloads.gateway.metrics import Metrics as GatewayMetrics
from springtide_workloads.serve.metrics import Metrics


def told(*registries: CollectorRegistry) -> set[str]:
    """A counter by label has no series before its first event; its name is known all the same."""
    metrics = [metric for registry in registries for metric in registry.collect()]
    names = {sample.name for metric in metrics for sample in metric.samples}
    return names | {f"{metric.name}_total" for metric in metrics if metric.type == "counter"}


KNOWN = told(Metrics().registry, GatewayMetrics().registry)
