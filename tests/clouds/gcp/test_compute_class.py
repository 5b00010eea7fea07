"""The order of a ladder, as data."""

import pytest
from tests.clouds.gcp.pool_recordings import ZONES

from springtide import selection
from springtide.clouds.gcp.compute_class import class_name, compute_class, ladder_findings
from springtide.clouds.gcp.groups import groups
from springtide.spec import PoolSpec


def priorities(spec: PoolSpec) -> list[dict[str, list[str]]]:
    choice = selection.choose(spec, "gcp", "us-central1", ZONES)
    assert choice.findings == ()
    found: list[dict[str, list[str]]] = compute_class("p", spec, groups("p", spec, choice))["spec"]["priorities"]
    return found


def test_kinds_come_before_machines_and_zones_have_no_order() -> None:
    spec = PoolSpec(
        gpu="T4",
        max_nodes=2,
        capacity=("spot", "on-demand"),
        machine_types=("n1-standard-8+t4x1", "n1-standard-4+t4x1"),
        zones=ZONES[:2],
    )
    assert priorities(spec) == [
        {"nodepools": ["p-spot-n1-standard-8-a", "p-spot-n1-standard-8-b"]},
        {"nodepools": ["p-spot-n1-standard-4-a", "p-spot-n1-standard-4-b"]},
        {"nodepools": ["p-on-demand-n1-standard-8-a", "p-on-demand-n1-standard-8-b"]},
        {"nodepools": ["p-on-demand-n1-standard-4-a", "p-on-demand-n1-standard-4-b"]},
    ]


@pytest.mark.parametrize("name", ["gke-pool", "autopilot", "gkex"])
def test_no_class_is_called_like_gkes_own(name: str) -> None:
    assert class_name(name) == f"pool-{name}"


def test_another_class_is_called_like_its_pool() -> None:
    assert class_name("train") == "train"


def test_queued_machines_have_no_place_in_an_order() -> None:
    [found] = ladder_findings(PoolSpec(gpu="L4", max_nodes=1, capacity=("spot", "queued")))
    assert (found.path, found.value) == ("/capacity/1", "queued")
    assert ladder_findings(PoolSpec(gpu="L4", max_nodes=1, capacity=("spot", "flex-start"))) == []
