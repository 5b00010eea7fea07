"""What a cluster must run for the things in it to work: installed here, pinned, and nothing else."""

from collections.abc import Iterable, Mapping
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as kubernetes

from springtide import clouds
from springtide.charts import CHARTS, OTHERS, Chart
from springtide.cluster import ClusterRef
from springtide.component import after, child_of, refused
from springtide.spec import Finding, did_you_mean, refuse

MONITORING = "prometheus-operator"
EXISTING = "existing"
"""In place of a version, for a controller that somebody else installed."""


class ControllersArgs(TypedDict):
    """Arguments of `Controllers`."""

    cluster: ClusterRef
    """Cluster they run in; take it from `Cluster.ref`."""
    install: list[str]
    """Names of the chart table, or of the cloud's add-ons: what this environment uses and its cloud does not bring."""
    existing: NotRequired[list[str]]
    """Those that are in the cluster already: used, and not installed. Here prometheus-operator may stand too."""
    monitor_labels: NotRequired[dict[str, str]]
    """Labels by which the Prometheus that is there chooses monitors and rules, such as release. Default: it takes all."""
    mirror: NotRequired[str]
    """Registry that holds copies of all charts, for networks without a way to the internet. Default: each chart's own source."""


class Controllers(pulumi.ComponentResource):
    """The controllers of an environment: Helm releases, and add-ons that the cloud keeps.

    Attributes:
        ref: The cluster with these controllers in it, for what depends on one of them.
    """

    installed: pulumi.Output[list[str]]
    """Names of what is installed."""
    controllers: pulumi.Output[dict[str, str]]
    """What runs in the cluster for others, by name, with the version; whoever uses one is made after all of them."""

    def __init__(self, name: str, args: ControllersArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        cluster, existing = args["cluster"], args.get("existing", [])
        cloud = clouds.load(cluster["environment"]["cloud"])
        wanted = [item for item in args["install"] if item not in existing]
        refused(
            [
                *unknown("/install", args["install"], cloud.addons),
                *unknown("/existing", existing, [*cloud.addons, *OTHERS]),
                *unread(args.get("monitor_labels", {}), existing),
            ],
            f"Controllers {name}",
        )
        said = {"installed": wanted, "existing": existing, "mirror": args.get("mirror"), "cloud": cloud.name}
        super().__init__("springtide:index:Controllers", name, said, opts)
        addons = {item: cloud.addon(item, cluster, self) for item in wanted if item in cloud.addons}
        releases: dict[str, pulumi.Resource] = {}
        for chart in (CHARTS[item] for item in CHARTS if item in wanted):
            support = cloud.controller(chart.name, cluster, self)
            needed = [*support.ready, *(releases[item] for item in chart.after if item in releases)]
            inside = child_of(self, depends_on=needed)
            releases[chart.name] = _release(chart, support.values, args.get("mirror"), inside)
        self.ref: ClusterRef = {
            **cluster,
            "monitor_labels": args.get("monitor_labels", {}),
            "controllers": {
                **cluster["controllers"],
                **dict.fromkeys(existing, EXISTING),
                **{item: after(item, made) for item, made in addons.items()},
                **{item: after(CHARTS[item].version, made) for item, made in releases.items()},
            },
        }
        self.installed = pulumi.Output.from_input(wanted)
        self.controllers = pulumi.Output.all(**self.ref["controllers"])
        self.register_outputs(said)


def absent(cluster: ClusterRef, needed: Iterable[str], path: str, value: object) -> list[Finding]:
    """Which controllers an argument needs that nobody installed: its resources would lie there and nothing would happen."""
    return [
        refuse(
            "controllers/absent",
            path,
            value,
            f"it needs {name}, which is not in this cluster.",
            f"take `cluster` from `Controllers.ref` with {name} installed, or name it under controllers.existing",
        )
        for name in needed
        if name not in cluster["controllers"]
    ]


def unknown(path: str, names: Iterable[str], addons: Iterable[str]) -> list[Finding]:
    """Which names are in no table of controllers."""
    known = [*CHARTS, *addons]
    return [
        _not_ours(f"{path}/{i}", name)
        if name in OTHERS
        else refuse(
            "controllers/unknown",
            f"{path}/{i}",
            name,
            f"no controller is called {name!r} here.",
            did_you_mean(name, known, "use one of them"),
            allowed=known,
        )
        for i, name in enumerate(names)
        if name not in known
    ]


def unread(labels: Mapping[str, str], existing: Iterable[str]) -> list[Finding]:
    """Labels for monitors that nobody reads."""
    if not labels or MONITORING in existing:
        return []
    message = f"without {MONITORING} nothing has these labels."
    fix = f"name {MONITORING} under existing, or leave them out"
    return [refuse("controllers/unread", "/monitor_labels", dict(labels), message, fix)]


def _not_ours(path: str, name: str) -> Finding:
    message = f"{name} is used where it is, and not installed here."
    return refuse("controllers/not-ours", path, name, message, f"{OTHERS[name]}; then name it under existing")


def _release(
    chart: Chart, more: Mapping[str, Any], mirror: str | None, opts: pulumi.ResourceOptions
) -> kubernetes.helm.v3.Release:
    """A Helm release. It ignores that its cluster is gone: it is destroyed before it, never with it."""
    source = f"{mirror.rstrip('/')}/{chart.name}" if mirror is not None else chart.source
    oci = source.startswith("oci://")
    return kubernetes.helm.v3.Release(
        chart.name,
        chart=source if oci else chart.name,
        name=chart.name,
        namespace=chart.namespace,
        create_namespace=chart.namespace != "kube-system",
        version=chart.version,
        repository_opts=None if oci else {"repo": source},
        values=merged(chart.values, more),
        atomic=True,
        timeout=600,
        opts=opts,
    )


def merged(values: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Helm values, those of `more` over those of `values`, mapping by mapping."""
    both = {
        key: merged(values[key], item) if isinstance(item, Mapping) and isinstance(values.get(key), Mapping) else item
        for key, item in more.items()
    }
    return {**values, **both}
