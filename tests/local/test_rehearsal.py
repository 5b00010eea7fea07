import io
import json

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from springtide.local.rehearse.rehearsal import Node, Pod, Rehearsal, Snapshot, report
from springtide.local.rehearse.rehearsal_text import render
from springtide.local.render.substitution import Substitution

QUEUES = Substitution(what="Kueue's queues", instead="runs start at once", why="no image")
LACKING = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."
PRICES = {("p5.48xlarge", "spot"): 50.0, ("p5.48xlarge", "on-demand"): 90.0, ("m7i.large", "on-demand"): 0.1}


def price(machine: str, capacity: str) -> float | None:
    return PRICES.get((machine, capacity))


def node(name: str, capacity: str = "spot", pool: str = "train", machine: str = "p5.48xlarge") -> Node:
    return Node(name=name, pool=pool, machine_type=machine, capacity=capacity, zone="a")


SYSTEM = Node(name="system-0", pool="system", machine_type="m7i.large", capacity="on-demand", zone="a", always=True)


def pod(name: str, phase: str, at: str = "", *messages: str) -> Pod:
    return Pod(name=name, workload="gpt-first", pool="train", phase=phase, node=at, messages=messages)


STORY = (
    Snapshot(seconds=0, nodes=(SYSTEM,)),
    Snapshot(seconds=1, nodes=(SYSTEM,), pods=(pod("a", "Pending", "", LACKING), pod("b", "Pending"))),
    Snapshot(seconds=4.04, nodes=(SYSTEM, node("n1")), pods=(pod("a", "Running", "n1"), pod("b", "Pending"))),
    Snapshot(
        seconds=6,
        nodes=(SYSTEM, node("n1"), node("n2", "on-demand")),
        pods=(pod("a", "Running", "n1"), pod("b", "Running", "n2")),
    ),
    Snapshot(
        seconds=60,
        nodes=(SYSTEM, node("n1"), node("n2", "on-demand")),
        pods=(pod("a", "Succeeded"), pod("b", "Succeeded")),
    ),
    Snapshot(seconds=92, nodes=(SYSTEM,)),
)


def told(snapshots: tuple[Snapshot, ...] = STORY) -> Rehearsal:
    return report("prod-aws", [QUEUES], ["train", "serve", "system"], snapshots, price)


def text(rehearsal: Rehearsal) -> str:
    console = Console(file=io.StringIO(), width=200, highlight=False)
    console.print(render(rehearsal))
    said: str = console.file.getvalue()  # type: ignore[attr-defined]  # the StringIO given above
    return said


def test_machines_read_exactly_these_keys() -> None:
    found = told().as_json()
    assert list(found) == ["environment", "substituted", "pools", "pending", "final_nodes", "seconds"]
    assert {key for pool in found["pools"].values() for key in pool} == {
        *("woke", "peak_nodes", "machine_types", "peak_usd_per_hour"),
    }
    assert json.loads(json.dumps(found)) == found


def test_a_story_from_zero_to_two_nodes_and_back() -> None:
    found = told().as_json()
    assert found["pools"] == {
        "serve": {"woke": False, "peak_nodes": 0, "machine_types": [], "peak_usd_per_hour": 0.0},
        "system": {"woke": False, "peak_nodes": 1, "machine_types": ["m7i.large"], "peak_usd_per_hour": 0.1},
        "train": {"woke": True, "peak_nodes": 2, "machine_types": ["p5.48xlarge"], "peak_usd_per_hour": 140.0},
    }
    assert found["pending"] == []
    assert found["final_nodes"] == 0
    assert found["seconds"] == {
        "first_node": 4.0, "all_running": 6, "work_done": 60, "zero_nodes": 92, "total": 92,
    }  # fmt: skip
    assert told().passed


def test_a_pool_says_whose_pods_woke_it() -> None:
    assert told().pools["train"].woke_for == ("gpt-first",)
    assert told().pools["system"].woke_for == ()


def test_a_pod_that_never_ran_is_pending_with_every_word_about_it() -> None:
    stuck = (
        Snapshot(seconds=0, pods=(pod("a", "Pending", "", LACKING),)),
        Snapshot(seconds=30, pods=(pod("a", "Pending", "", LACKING, "all available instance types exceed limits"),)),
    )
    found = told(stuck)
    assert found.as_json()["pending"] == [
        {
            "pod": "a",
            "workload": "gpt-first",
            "pool": "train",
            "seconds": 30,
            "why": [LACKING, "all available instance types exceed limits"],
        }
    ]
    assert not found.passed
    assert found.seconds["all_running"] is None
    assert LACKING in text(found)


def test_a_pod_that_may_not_be_made_is_pending_and_one_that_is_made_in_the_end_is_not() -> None:
    refused = Pod(name="web-1", workload="web", pool="train", phase="Pending", made=False, messages=("forbidden",))
    again = Pod(name="web-1-x", workload="web", pool="train", phase="Running", node="n1")
    assert [item.pod for item in told((Snapshot(seconds=0, pods=(refused,)),)).pending] == ["web-1"]
    assert told((Snapshot(seconds=0, pods=(refused,)), Snapshot(seconds=1, pods=(again,)))).pending == ()


def test_nodes_that_stay_are_counted_and_those_that_are_always_there_are_not() -> None:
    found = told((Snapshot(seconds=0, nodes=(SYSTEM,)), Snapshot(seconds=5, nodes=(SYSTEM, node("n1")))))
    assert found.final_nodes == 1
    assert found.seconds["zero_nodes"] is None
    assert "1 nodes stayed" in text(found)


def test_one_machine_without_a_price_leaves_the_pool_without_one() -> None:
    found = told((Snapshot(seconds=0, nodes=(node("n1"), node("n2", "reserved"))),))
    assert found.pools["train"].peak_usd_per_hour is None
    assert "no price is known" in text(found)


def test_nothing_seen_is_nothing_told() -> None:
    found = told(())
    assert found.as_json()["seconds"] == {
        "first_node": None, "all_running": None, "work_done": None, "zero_nodes": None, "total": 0.0,
    }  # fmt: skip
    assert found.steps == ()


def test_steps_are_the_moments_at_which_something_changed() -> None:
    still = (*STORY[:3], Snapshot(seconds=5, nodes=STORY[2].nodes, pods=STORY[2].pods), *STORY[3:])
    assert [step.seconds for step in told(still).steps] == [0, 1, 4.0, 6, 60, 92]


def test_people_read_first_what_was_not_as_in_the_cloud() -> None:
    said = text(told())
    assert said.index("Kueue's queues") < said.index("gpt-first") < said.index("every pod ran")
    assert "back to zero: 92.0 s" in said


nodes = st.lists(
    st.builds(
        Node,
        name=st.sampled_from(["n1", "n2", "n3"]),
        pool=st.sampled_from(["train", "serve"]),
        machine_type=st.just("p5.48xlarge"),
        capacity=st.sampled_from(["spot", "on-demand"]),
        zone=st.just("a"),
        always=st.booleans(),
    ),
    max_size=4,
    unique_by=lambda item: item.name,
)
pods = st.lists(
    st.builds(
        pod, st.sampled_from("abc"), st.sampled_from(["Pending", "Running", "Succeeded"]), st.sampled_from(["", "n1"])
    ),
    max_size=3,
    unique_by=lambda item: item.name,
)


@given(st.lists(st.tuples(nodes, pods), max_size=6))
def test_whatever_is_seen_the_report_agrees_with_its_last_moment(seen: list[tuple[list[Node], list[Pod]]]) -> None:
    story = tuple(Snapshot(seconds=index, nodes=tuple(some), pods=tuple(its)) for index, (some, its) in enumerate(seen))
    found = told(story)
    last = story[-1] if story else Snapshot(seconds=0)
    assert found.final_nodes == sum(not item.always for item in last.nodes)
    assert {item.name for item in last.pods if item.phase == "Pending"} <= {item.pod for item in found.pending}
    assert sum(pool.peak_nodes for pool in found.pools.values()) >= max((len(item.nodes) for item in story), default=0)
    assert (found.seconds["zero_nodes"] is None) or found.final_nodes == 0
    assert text(found)
