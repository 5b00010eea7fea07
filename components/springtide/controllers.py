"""What a cluster must run for the things in it to work: installed here, pinned, and nothing else."""

from typing import TypedDict

import pulumi
import pulumi_kubernetes as kubernetes

from springtide.charts import CHARTS
from springtide.cluster import ClusterRef
from springtide.component import child_of, refused
from springtide.spec import Finding, did_you_mean, refuse


class ControllersArgs(TypedDict):
    """Arguments of `Controllers`."""

    cluster: ClusterRef
    """Cluster they run in; take it from `Cluster.ref`."""
    charts: list[str]
    """Names of the chart table: what this environment uses and its cloud does not bring."""


class Controllers(pulumi.ComponentResource):
    """Helm releases of an environment's controllers."""

    charts: pulumi.Output[list[str]]
    """Names of what is installed."""

    def __init__(self, name: str, args: ControllersArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        refused(_unknown(args["charts"]), f"Controllers {name}")
        said = {"charts": args["charts"], "cloud": args["cluster"]["environment"]["cloud"]}
        super().__init__("springtide:index:Controllers", name, said, opts)
        for chart in (CHARTS[item] for item in args["charts"]):
            # A Release ignores that its cluster is gone: it is destroyed before it, never with it.
            kubernetes.helm.v3.Release(
                chart.name,
                chart=chart.name,
                name=chart.name,
                namespace=chart.namespace,
                version=chart.version,
                repository_opts={"repo": chart.repository},
                values=chart.values,
                atomic=True,
                timeout=600,
                opts=child_of(self),
            )
        self.charts = pulumi.Output.from_input(args["charts"])
        self.register_outputs(said)


def _unknown(names: list[str]) -> list[Finding]:
    return [
        refuse(
            "controllers/chart",
            f"/charts/{i}",
            name,
            f"the chart table has no {name!r}.",
            did_you_mean(name, CHARTS, "use one of them"),
            allowed=CHARTS,
        )
        for i, name in enumerate(names)
        if name not in CHARTS
    ]
