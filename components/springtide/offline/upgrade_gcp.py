"""How nodes of GKE come to a cluster's new version: Pulumi takes the control plane there, and GKE the nodes, when asked.

The cluster's maintenance exclusion holds back what GKE would do to nodes by itself, for a run would go with them. What it is
asked for it does (its API: NO_MINOR_OR_NODE_UPGRADES excludes automatic upgrades; `gcloud container clusters upgrade` names a
node pool, and takes it to the control plane's version).
"""

from collections.abc import Iterable, Iterator

from springtide.offline.plan import Plan, Resource
from springtide.offline.rolling import NODE_POOL, waits
from springtide.offline.views import ClusterView, EnvironmentView

GKE_CLUSTER = "gcp:container/cluster:Cluster"


def follow(cluster: ClusterView, old: str, new: str, plan: Plan) -> Iterator[str]:
    """What becomes of the nodes of a cluster that goes from one minor version to another; a sentence each."""
    if cluster.mode == "auto":
        yield f"GKE makes the nodes of {cluster.name}: new ones have {new}, and when the others follow it decides."
        return
    asked = " ".join(("gcloud container clusters upgrade", *_where(cluster, plan), "--node-pool NAME"))
    yield f"Nodes keep Kubernetes {old}, also what a pool at zero wakes, until GKE is asked, once a node pool: {asked}"
    pools = plan.of_type(NODE_POOL)
    if drained := _names(pool for pool in pools if not waits(pool)):
        what = (
            "node after node is drained, each for an hour at most; a run there is told to stop, saves and starts again"
        )
        yield f"{drained}: {what}. Ask when no run is there."
    if kept := _names(pool for pool in pools if waits(pool)):
        yield f"{kept}: machines that are there stay as they are until they end; new ones have {new}."
    # terraform-provider-google issue 21116: GKE refuses a node pool two minor versions behind, with auto-upgrade.
    yield f"Ask before {cluster.name} goes on to another minor version: GKE wants nodes within one of the control plane."


def _where(cluster: ClusterView, plan: Plan) -> Iterator[str]:
    """Which cluster, as gcloud is told."""
    yield from (str(made.inputs.get("name", made.name)) for made in plan.of_type(GKE_CLUSTER)[:1])
    yield from (f"--project {place.account}" for place in EnvironmentView.among(plan.resources))
    yield f"--location {cluster.region}"


def _names(pools: Iterable[Resource]) -> str:
    """What GKE calls them; a name that Pulumi makes has an end that nobody knows before."""
    return ", ".join(str(pool.inputs.get("name", f"{pool.name}-…")) for pool in pools)
