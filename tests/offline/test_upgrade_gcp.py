"""What a plan says of a GKE cluster that goes to another version: the control plane goes, the nodes wait for a word."""

from dataclasses import replace
from typing import Any

from springtide.offline import upgrade
from springtide.offline.diff import compare
from springtide.offline.plan import Plan

from .sample_plan import Sample

PLACE = {"cloud": "gcp", "region": "us-central1"}
NODE_POOL = "gcp:container/nodePool:NodePool"


def planned(version: str, *, mode: str = "standard", disk_gib: int = 200) -> Plan:
    """A GKE cluster with system nodes, one pool on demand and two whose machines are waited for."""
    made = Sample()
    made.resources.clear()
    stack = made.add("pulumi:pulumi:Stack", "springtide-dev", None, custom=False)
    where: dict[str, Any] = PLACE | {"account": "acme-ml-prod", "budgetUsdPerHour": None, "exempt": []}
    made.add("springtide:index:Environment", "dev", stack, where, custom=False)
    intent = PLACE | {"version": version, "access": "private", "systemMachineTypes": [], "systemNodes": 2, "mode": mode}
    cluster = made.add("springtide:index:Cluster", "cluster", stack, intent, custom=False)
    plane = {"name": "springtide-dev", "minMasterVersion": version}
    made.add("gcp:container/cluster:Cluster", "cluster", cluster, plane)
    ways: dict[str, dict[str, Any]] = {
        "train-on-demand": {}, "train-flex-start": {"nodeConfig": {"flexStart": True}},
        "queue-queued": {"queuedProvisioning": {"enabled": True}},
    }  # fmt: skip
    made.add(NODE_POOL, "cluster-system", cluster, {"nodeConfig": {"diskSizeGb": disk_gib}})
    for name, said in ways.items():
        node = {"diskSizeGb": disk_gib, **said.get("nodeConfig", {})}
        made.add(NODE_POOL, name, cluster, {"name": name, **said, "nodeConfig": node})
    return replace(made.plan(), environment={"name": "dev", "file": "stacks/Pulumi.dev.yaml"})


def told(base: Plan, plan: Plan) -> tuple[str, ...]:
    return upgrade.order(base, plan, compare(base, plan))


def test_nodes_of_gke_do_not_follow_the_control_plane_and_the_plan_gives_the_command() -> None:
    order, command, *_ = told(planned("1.34"), planned("1.35"))
    assert order == "Kubernetes 1.34 → 1.35, in this order: control plane (cluster)."
    assert command == (
        "Nodes keep Kubernetes 1.34, also what a pool at zero wakes, until GKE is asked, once a node pool: gcloud "
        "container clusters upgrade springtide-dev --project acme-ml-prod --location us-central1 --node-pool NAME"
    )


def test_who_upgrades_a_node_pool_is_told_what_becomes_of_a_run_on_it() -> None:
    _, _, drained, kept, last = told(planned("1.34"), planned("1.35"))
    assert drained.startswith("cluster-system-…, train-on-demand: node after node is drained, each for an hour at most")
    assert drained.endswith("Ask when no run is there.")
    assert kept.startswith("train-flex-start, queue-queued: machines that are there stay as they are")
    assert last.startswith("Ask before cluster goes on to another minor version")


def test_what_gke_makes_by_itself_nobody_is_asked_to_upgrade() -> None:
    order, nodes = told(planned("1.34", mode="auto"), planned("1.35", mode="auto"))
    assert order.endswith("control plane (cluster).")
    assert nodes == "GKE makes the nodes of cluster: new ones have 1.35, and when the others follow it decides."


def test_no_control_plane_of_gke_goes_two_minor_versions_at_once() -> None:
    (finding,) = upgrade.findings(planned("1.33"), planned("1.35"))
    assert (finding.stops, finding.allowed) == (True, ("1.34",))


def test_nothing_is_said_of_nodes_where_the_version_stays() -> None:
    assert told(planned("1.35"), planned("1.35", disk_gib=300)) == ()


def test_machines_that_were_waited_for_are_exchanged_for_no_change() -> None:
    base, plan = planned("1.35"), planned("1.35", disk_gib=300)
    assert upgrade.rolled(plan, compare(base, plan)) == (
        "cluster-system: its nodes are exchanged, one after another.",
        "train-on-demand: its nodes are exchanged, one after another.",
        "train-flex-start: nodes that are there stay as they are until they end; new ones are made as it says.",
        "queue-queued: nodes that are there stay as they are until they end; new ones are made as it says.",
    )
