from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.offline import upgrade
from springtide.offline.base import BasePlans
from springtide.offline.command import stepping
from springtide.offline.diff import compare
from springtide.offline.plan import Plan
from springtide.offline.rolling import rolls

from .sample_plan import DIGEST, Sample, sample

CLUSTER, EKS = "springtide:index:Cluster", "aws:eks/cluster:Cluster"
NODE_POOL, NODE_CLASS = "kubernetes:karpenter.sh/v1:NodePool", "kubernetes:karpenter.k8s.aws/v1:EC2NodeClass"


def edited(plan: Plan, kind: str, **inputs: Any) -> Plan:
    changed = (replace(r, inputs=r.inputs | inputs) if r.type == kind else r for r in plan.resources)
    return replace(plan, resources=tuple(changed))


def at(version: str, plan: Plan | None = None, **cluster: Any) -> Plan:
    found = edited(woken() if plan is None else plan, CLUSTER, version=version, **cluster)
    return edited(found, EKS, version=version)


def woken(purpose: str = "training") -> Plan:
    """A started run on a pool whose machines are Karpenter's."""
    made: Sample = sample(run="first", image=DIGEST, purpose=purpose)
    made.karpenter("train")
    return made.plan()


def test_one_minor_version_at_a_time_is_fine() -> None:
    assert upgrade.findings(at("1.34"), at("1.35")) == ()


def test_a_skipped_minor_version_stops_the_plan_and_says_the_way() -> None:
    (finding,) = upgrade.findings(at("1.33"), at("1.35"))
    assert finding.stops
    assert (finding.rule, finding.path, finding.value, finding.allowed) == (
        "upgrade/one-minor", "/cluster/version", "1.35", ("1.34",),
    )  # fmt: skip
    assert finding.fix == "write 1.34, deploy it, and go on with 1.35"


def test_a_step_that_is_refused_is_told_at_its_line(tmp_path: Path) -> None:
    base, plan = BasePlans(ref="main", plans={"dev": at("1.33")}), at("1.35")
    file = tmp_path / plan.environment["file"]
    file.parent.mkdir()
    file.write_text('config:\n  cloud: aws\n  cluster:\n    version: "1.35"\n')
    (finding,) = stepping(plan, base, tmp_path).findings
    assert finding.where == "stacks/Pulumi.dev.yaml:4"
    assert stepping(plan, BasePlans(ref="main"), tmp_path) is plan
    assert stepping(plan, None, tmp_path) is plan


def test_a_way_back_is_refused() -> None:
    (finding,) = upgrade.findings(at("1.35"), at("1.34"))
    assert (finding.rule, finding.stops) == ("upgrade/no-way-back", True)


def test_a_new_patch_is_no_step() -> None:
    assert upgrade.steps(at("1.35.1-gke.100"), at("1.35.4-gke.200")) == ()


def test_somebody_elses_cluster_is_theirs_to_upgrade() -> None:
    assert upgrade.findings(at("1.33"), at("1.35", existing="shared")) == ()


def test_a_new_cluster_steps_from_nowhere() -> None:
    assert upgrade.steps(Sample().plan(), at("1.35")) == ()


@pytest.mark.parametrize(
    ("version", "minor"), [("1.35", (1, 35)), ("1.35.2-gke.1", (1, 35)), ("1", None), ("latest", None), ("", None)]
)
def test_the_minor_version_is_read_or_not_known(version: str, minor: tuple[int, int] | None) -> None:
    assert upgrade.minor(version) == minor


@given(st.integers(20, 40), st.integers(20, 40))
def test_exactly_the_steps_that_no_cloud_takes_are_refused(old: int, new: int) -> None:
    refused = bool(upgrade.findings(at(f"1.{old}"), at(f"1.{new}")))
    assert refused is (new < old or new > old + 1)


def test_the_order_of_an_upgrade_is_told_with_what_it_touches() -> None:
    base, plan = at("1.34"), edited(at("1.35"), "aws:eks/nodeGroup:NodeGroup", releaseVersion="1.65.0")
    assert upgrade.order(base, plan, compare(base, plan)) == (
        "Kubernetes 1.34 → 1.35, in this order: control plane (cluster); nodes (cluster-system, train, serve).",
    )


def test_a_new_version_moves_karpenters_machines_to_its_image() -> None:
    base, plan = at("1.34"), at("1.35")
    (sentence,) = upgrade.rolled(plan, compare(base, plan))
    assert sentence.startswith("cluster: Karpenter's machines drift to the image of its new version")


def test_without_karpenter_a_new_version_exchanges_nothing_by_itself() -> None:
    base, plan = at("1.34", sample().plan()), at("1.35", sample().plan())
    assert upgrade.rolled(plan, compare(base, plan)) == ()


@pytest.mark.parametrize(("purpose", "hit"), [("training", False), ("general", True), ("serving", True)])
def test_a_busy_machine_of_a_training_pool_does_not_drift(purpose: str, *, hit: bool) -> None:
    base = woken(purpose)
    plan = edited(base, NODE_CLASS, spec={"amiSelectorTerms": [{"alias": "bottlerocket@v1.65.0"}]})
    hits = compare(base, plan).hits
    assert [item.why for item in hits] == (
        ["Karpenter exchanges the machines of train, which drift from their class"] if hit else []
    )


def test_a_new_version_hits_the_runs_that_karpenter_may_move() -> None:
    assert compare(at("1.34", woken("general")), at("1.35", woken("general"))).hits != ()
    assert compare(at("1.34"), at("1.35")).hits == ()


def test_a_nodepool_that_goes_takes_its_run_with_it() -> None:
    base = woken()
    gone = replace(base, resources=tuple(item for item in base.resources if item.type != NODE_POOL))
    assert [hit.why for hit in compare(base, gone).hits] == ["train is deleted"]


@pytest.mark.parametrize(
    ("kind", "path", "exchanged"),
    [
        (NODE_POOL, "/spec/template/spec/taints/0", True),
        (NODE_POOL, "/spec/limits/nvidia.com~1gpu", False),
        (NODE_POOL, "/spec/weight", False),
        (NODE_POOL, "/spec/disruption/consolidateAfter", False),
        (NODE_CLASS, "/spec/blockDeviceMappings/1/ebs/volumeSize", True),
        (NODE_CLASS, "/spec/role", False),
        (NODE_CLASS, "/metadata/labels/a", False),
        ("gcp:container/nodePool:NodePool", "/nodeConfig/diskSizeGb", True),
        ("gcp:container/nodePool:NodePool", "/nodeConfig/labels/a", False),
        ("gcp:container/nodePool:NodePool", "/autoscaling/totalMaxNodeCount", False),
        ("aws:eks/nodeGroup:NodeGroup", "/scalingConfig/maxSize", False),
        ("aws:eks/addon:Addon", "/addonVersion", False),
    ],
)
def test_only_some_changes_exchange_nodes(kind: str, path: str, *, exchanged: bool) -> None:
    assert rolls(kind, [path]) is exchanged


def test_who_reads_the_plan_is_told_when_machines_go() -> None:
    base = woken()
    plan = edited(base, NODE_CLASS, spec={"amiSelectorTerms": [{"alias": "bottlerocket@v1.65.0"}]})
    assert upgrade.rolled(plan, compare(base, plan)) == (
        "train: Karpenter's machines drift from their class and are exchanged once no run is on them.",
    )
