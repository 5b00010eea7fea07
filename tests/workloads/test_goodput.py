"""Where wall time went: laws over any log whatever, and the account of each thing that can happen to a run."""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide_workloads.contract import Env, Event, ExitCode
from springtide_workloads.errors import ConfigError
from springtide_workloads.storage import Store
from springtide_workloads.train.events import EventLog, read_events, text_of
from springtide_workloads.train.goodput import account, cost_per_1000_steps, main, price, table, to_json
from springtide_workloads.train.picture import COLOURS, picture
from springtide_workloads.train.timeline import Goodput, Part, Timeline

T0 = 1_800_000_000_000
Log = list[dict[str, Any]]


def at(when: float, event: str, attempt: str = "a", writer: str | None = None, **details: Any) -> dict[str, Any]:
    time = text_of(T0 + round(when * 1000))
    return {"time": time, "run": "tiny", "event": str(event), "attempt": attempt, "writer": writer or attempt} | details


def joined(seconds: float, attempt: str = "a", node: int = 0, nodes: int = 1) -> dict[str, Any]:
    return at(seconds, Event.JOINED.value, attempt, f"agent-{attempt}", node=node, nodes=nodes)


def by_agent(when: float, event: str, attempt: str = "a", **details: Any) -> dict[str, Any]:
    return at(when, event, attempt, f"agent-{attempt}", **details)


def trained(start: float, steps: range, writer: str = "w1", attempt: str = "a", *, opened: str = "started") -> Log:
    """A second a step, a report each ten steps."""
    first = at(start, opened, attempt, writer, step=steps.start)
    reports = range(steps.start + 10, steps.stop + 1, 10)
    return [
        first,
        *(at(start + s - steps.start, Event.PROGRESS.value, attempt, writer, step=s, seconds={}) for s in reports),
    ]


def seconds(goodput: Goodput) -> dict[str, float]:
    return {part.value: ms / 1000 for part, ms in goodput.parts.items() if ms}


def whole(goodput: Goodput) -> bool:
    """The spans cover the wall time without gap or overlap, and each is of some length."""
    edges = [goodput.start, *(span.end for span in goodput.spans)]
    starts = [span.start for span in goodput.spans]
    return starts == edges[:-1] and edges[-1] == goodput.end and all(a < b for a, b in pairwise(edges))


# any log whatever

phases = st.dictionaries(
    st.sampled_from(["data", "save", "wait", "forward", "evaluate"]), st.floats(0, 100), max_size=3
)
kinds = st.sampled_from([*map(str, Event), Event.JOINED.value, Event.LEFT.value, Event.PROGRESS.value, "stuck"])


def some_event(*drawn: Any) -> dict[str, Any]:
    when, kind, name, tag, step, node, nodes, spent, restored = drawn
    writer = name if tag is None else f"{name}{tag}"
    more: dict[str, Any] = {} if step is None else {"step": step}
    more |= {"node": node, "nodes": nodes} if kind == Event.JOINED.value else {}
    return at(
        when, kind, name, writer, seconds=restored if kind == "restored" else spent, frozen_seconds=restored, **more
    )


def some_events() -> st.SearchStrategy[Log]:
    """Lines in any order, of attempts and processes that overlap, with steps and durations that cannot be."""
    small = st.integers(0, 1)
    event = st.builds(
        some_event, st.integers(0, 400), kinds, st.sampled_from("abc"), st.none() | small,
        st.none() | st.integers(0, 200), small, st.integers(1, 2), phases, st.integers(-5, 500),
    )  # fmt: skip
    return st.lists(event, max_size=15)


@given(some_events(), st.none() | st.integers(-100, 1000))
def test_the_parts_of_any_log_sum_to_its_wall_time(events: Log, later: int | None) -> None:
    until = None if later is None else T0 + later * 1000
    goodput = Timeline.of(events, until)
    assert sum(goodput.parts.values()) == goodput.wall_ms >= 0
    assert whole(goodput)
    assert all(ms >= 0 for ms in goodput.parts.values())


@given(some_events())
def test_useful_steps_are_at_most_the_last_step_and_nothing_is_counted_below_zero(events: Log) -> None:
    goodput = Timeline.of(events)
    assert 0 <= goodput.useful_steps <= max((event.get("step", 0) for event in events), default=0)
    assert goodput.redone_steps >= 0
    assert 0 <= goodput.ratio <= 1


@given(some_events(), st.integers(1, 20), st.integers(1, 500))
def test_going_on_undisturbed_adds_to_useful_and_to_nothing_else(events: Log, steps: int, took: int) -> None:
    events = [event for event in events if event["event"] not in {"exported", "failed"}]
    so_far = [*events, at(500, "restored", "new", "new", step=500, seconds=1.0)]
    further = [*so_far, at(500 + took, Event.PROGRESS.value, "new", "new", step=500 + steps, seconds={"forward": 1.0})]
    before, after = Timeline.of(so_far), Timeline.of(further)
    grown = {part: after.parts[part] - before.parts[part] for part in Part}
    assert grown == dict.fromkeys(Part, 0) | {Part.USEFUL: took * 1000}
    assert after.useful_steps == before.useful_steps + steps


@given(some_events())
def test_the_same_log_in_any_order_of_its_lines_is_the_same_account_where_times_differ(events: Log) -> None:
    unique = list({event["time"]: event | {"writer": event["time"]} for event in events}.values())
    assert Timeline.of(unique) == Timeline.of(unique[::-1])


# one thing after another


def test_no_log_is_no_time() -> None:
    assert Timeline.of([]).wall_ms == 0
    assert Timeline.of([{"event": "saved"}], until=T0).ratio == 0


def test_an_undisturbed_run_starts_and_is_useful() -> None:
    events = [
        joined(0),
        *trained(8, range(30)),
        at(40, Event.EXPORTED, writer="w1", step=30),
        by_agent(41, Event.LEFT.value),
    ]
    goodput = Timeline.of(events, until=T0 + 10_000_000)
    assert seconds(goodput) == {"starting": 8, "useful": 32}
    assert (goodput.ended, goodput.useful_steps, goodput.redone_steps, goodput.losses) == (True, 30, 0, 0)


def test_waiting_for_data_and_copies_of_saves_are_stalls() -> None:
    report = at(
        10, Event.PROGRESS.value, writer="w", step=10, seconds={"data": 1.5, "save": 0.5, "wait": 1.0, "forward": 7.0}
    )
    goodput = Timeline.of([at(0, "started", writer="w", step=0), report])
    assert seconds(goodput) == {"stalled": 3, "useful": 7}


def test_a_process_that_is_killed_costs_the_steps_since_its_last_save_once() -> None:
    events = [
        joined(0),
        *trained(5, range(20)),
        at(20.5, Event.SAVED, writer="w1", step=15),
        by_agent(29, Event.RESTARTED, cause="killed"),
        *trained(35, range(15, 45), "w2", opened="restored"),
    ]
    events[6] |= {"seconds": 2.0}
    goodput = Timeline.of(events)
    # 20 s of steps 1 to 20, then 4 s unreported and lost; 5 s again for steps 16 to 20; 25 s of new ones
    assert seconds(goodput) == {"starting": 9, "restoring": 2, "useful": 45, "redone": 9}
    assert (goodput.useful_steps, goodput.redone_steps, goodput.losses) == (45, 9, 1)
    assert goodput.restarts == {"killed": 1}


def test_work_that_a_checkpoint_turns_out_to_hold_stays_useful() -> None:
    lost = [joined(0), *trained(0, range(10)), by_agent(18, Event.RESTARTED)]
    goodput = Timeline.of([*lost, *trained(20, range(16, 26), "w2", opened="restored")])
    assert seconds(goodput) == {"useful": 26, "redone": 2, "starting": 2}
    assert (goodput.useful_steps, goodput.redone_steps) == (26, 2)


def test_steps_lost_twice_are_redone_twice_and_useful_once() -> None:
    events = [joined(0), *trained(0, range(20)), by_agent(20, Event.RESTARTED)]
    events += [*trained(20, range(20), "w2"), by_agent(40, Event.RESTARTED), *trained(40, range(20), "w3")]
    goodput = Timeline.of(events)
    assert seconds(goodput) == {"useful": 20, "redone": 40}
    assert (goodput.useful_steps, goodput.redone_steps, goodput.losses) == (20, 40, 2)


def test_a_pod_that_is_lost_is_waited_for_until_another_takes_its_node() -> None:
    events = [joined(0), *trained(5, range(30))]
    events += [joined(100, "b"), *trained(110, range(20, 40), "w2", "b", opened="restored")]
    goodput = Timeline.of(events)
    # half a report of 10 s after its last sign it counts as gone
    assert seconds(goodput) == {"starting": 15, "useful": 40, "redone": 15, "waiting": 60}


def test_a_run_told_to_stop_waits_from_then_on() -> None:
    events = [joined(0), *trained(5, range(10)), at(18, Event.INTERRUPTED, writer="w1", step=13, seconds={"save": 1.0})]
    events += [by_agent(19, Event.LEFT.value), joined(50, "b")]
    goodput = Timeline.of(events, until=T0 + 60_000)
    assert seconds(goodput) == {"starting": 15, "useful": 12, "stalled": 1, "waiting": 32}
    assert (goodput.interruptions, goodput.losses, goodput.useful_steps, goodput.ended) == (1, 0, 13, False)


def test_one_node_of_two_that_is_missing_is_waited_for() -> None:
    events = [joined(0, "a", 0, 2), joined(4, "b", 1, 2), *trained(6, range(10))]
    events += [by_agent(20, Event.RESTARTED), joined(70, "c", 1, 2)]
    events += [*trained(75, range(10, 20), "w2", opened="restored")]
    goodput = Timeline.of(events)
    assert seconds(goodput) == {"waiting": 54, "starting": 7, "useful": 20, "redone": 4}


def test_a_run_that_shrinks_waits_for_no_more_nodes_than_it_wants() -> None:
    events = [joined(0, "a", 0, 2), joined(0, "b", 1, 2), *trained(0, range(10))]
    events += [
        at(10, Event.INTERRUPTED, writer="w1", step=10),
        by_agent(10, Event.LEFT.value, "a"),
        by_agent(10, Event.LEFT.value, "b"),
    ]
    events += [joined(30, "c", 0, 1), *trained(33, range(10, 20), "w2", "c", opened="restored")]
    assert seconds(Timeline.of(events)) == {"useful": 20, "waiting": 20, "starting": 3}


def test_a_frozen_rank_stalls_the_run() -> None:
    events = [joined(0), *trained(0, range(20))]
    goodput = Timeline.of([*events, by_agent(27, "stuck", word="frozen", seconds=2.0), by_agent(28, Event.RESTARTED)])
    assert seconds(goodput) == {"useful": 20, "redone": 5, "stalled": 3}
    assert goodput.restarts == {"frozen": 1}


def test_a_run_told_to_stop_that_could_not_save_has_lost_work() -> None:
    events = [joined(0), *trained(0, range(20)), at(20, Event.INTERRUPTED, writer="w1", step=20)]
    goodput = Timeline.of([*events, joined(20, "b"), *trained(20, range(10, 30), "w2", "b", opened="restored")])
    assert seconds(goodput) == {"useful": 30, "redone": 10}
    assert (goodput.losses, goodput.interruptions) == (1, 1)


def test_long_silence_of_a_run_that_lives_is_a_stall() -> None:
    goodput = Timeline.of([joined(0), *trained(0, range(20))], until=T0 + 100_000)
    assert seconds(goodput) == {"useful": 40, "stalled": 60}


def test_what_an_older_attempt_still_reports_does_not_count() -> None:
    events = [
        joined(0),
        *trained(0, range(50)),
        joined(22, "b"),
        *trained(25, range(20, 40), "w2", "b", opened="restored"),
    ]
    goodput = Timeline.of(events)
    assert goodput.useful_steps == 40
    assert whole(goodput)


def test_clocks_that_go_back_are_held_and_it_is_said() -> None:
    events = [*trained(0, range(20)), at(12, Event.PROGRESS.value, writer="w1", step=25, seconds={})]
    goodput = Timeline.of([*events, joined(30) | {"clock_ms": 500}])
    assert goodput.clamped_ms == 8500
    assert "clocks put forward   " in table(goodput)


def test_a_run_that_failed_for_good_is_over() -> None:
    events = [joined(0), *trained(5, range(10)), by_agent(16, Event.FAILED, code="BUG"), by_agent(17, Event.LEFT.value)]
    goodput = Timeline.of(events, until=T0 + 90_000)
    assert (goodput.wall_ms, goodput.ended) == (16_000, True)


def test_without_reports_the_saves_tell_how_far_it_came() -> None:
    events = [at(0, "started", writer="w", step=0), at(20, Event.SAVED, writer="w", step=20, stalled=2.0)]
    goodput = Timeline.of(events)
    assert seconds(goodput) == {"useful": 18, "stalled": 2}
    assert goodput.useful_steps == 20


# for people


@pytest.fixture
def disturbed() -> Goodput:
    lost = [joined(0), *trained(5, range(20)), by_agent(29, Event.RESTARTED, cause="killed")]
    return Timeline.of([*lost, *trained(35, range(15, 45), "w2", opened="restored")])


def test_the_table_is_aligned_and_has_every_part(disturbed: Goodput) -> None:
    lines = table(disturbed, 36.0).splitlines()
    assert [line.split("  ")[0] for line in lines[:7]] == ["wall", *(part.value for part in Part)]
    assert len({re.match(r"(.{26}   +)\S+(.*)", line).end(1) + len(line.split()[1]) for line in lines[1:7]} - {0}) <= 2  # type: ignore[union-attr]
    assert any(re.fullmatch(r"useful +0:00:4\d\.000 +\d\d\.\d%", line) for line in lines)
    assert any(line.startswith("cost per 1,000 useful steps   ") for line in lines)


def test_machines_cost_nothing_while_they_are_not_there(disturbed: Goodput) -> None:
    assert disturbed.wall_ms == 65_000
    assert cost_per_1000_steps(disturbed, 36.0) == pytest.approx(65 / 3600 * 36 / 45 * 1000)
    waiting = Timeline.of([joined(0), *trained(0, range(10)), by_agent(10, Event.LEFT.value)], until=T0 + 9_000_000)
    assert cost_per_1000_steps(waiting, 36.0) == pytest.approx(10 / 3600 * 36 / 10 * 1000)
    assert cost_per_1000_steps(Timeline.of([]), 36.0) is None


def test_a_price_of_zero_is_a_price_and_a_missing_one_is_none() -> None:
    assert price({Env.USD_PER_HOUR: "0"}) == 0
    assert price({}) is None


@pytest.mark.parametrize("text", ["cheap", "-1", "nan", "inf", ""])
def test_a_price_that_is_none_is_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigError, match=rf"{Env.USD_PER_HOUR} is '{text}'"):
        price({Env.USD_PER_HOUR: text})


@pytest.fixture
def run(tmp_path: Path) -> str:
    folder = tmp_path / "run"
    log = EventLog(store=Store(folder.as_uri()), run="tiny", attempt="a")
    log.add(Event.STARTED, step=0)
    log.add(Event.PROGRESS.value, step=3, loss=2.5, seconds={})
    log.add(Event.EXPORTED, step=4, loss=2.0)
    log.close()
    return str(folder)


def test_the_command_shows_any_run_by_url_or_folder(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([run]) == ExitCode.DONE
    assert "useful steps" in capsys.readouterr().out
    assert main([Path(run).as_uri(), run, "--usd-per-hour", "5", "--format", "json"]) == ExitCode.DONE
    first, _ = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first["useful_steps"] == 4
    assert sum(first["parts_ms"].values()) == first["wall_ms"]
    assert main([run, Path(run).as_uri()]) == ExitCode.DONE
    assert capsys.readouterr().out.count("tiny\n") == 2


def test_a_place_without_a_log_is_told_and_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "absent")]) == ExitCode.CONFIG
    assert "there is no event log" in capsys.readouterr().err
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize("more", [["--usd-per-hour", "much"], list("wxyz")])
def test_mistakes_of_the_command_are_told(run: str, more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([run, *more]) == ExitCode.CONFIG
    assert "Traceback" not in capsys.readouterr().err


def test_a_run_that_lives_is_accounted_up_to_now(tmp_path: Path) -> None:
    store = Store(tmp_path.as_uri())
    log = EventLog(store=store, run="tiny", attempt="a")
    log.add(Event.STARTED, step=0)
    log.close()
    assert account(store, until=Timeline.of(read_events(store)).start + 5000).wall_ms == 5000
    assert account(store).wall_ms >= 0


def test_plain_data_is_json(disturbed: Goodput) -> None:
    assert json.loads(json.dumps(to_json(disturbed, 1.0)))["restarts"] == {"killed": 1}


# the picture


def shapes(svg: str) -> Mapping[str, list[ET.Element]]:
    root = ET.fromstring(svg)
    names = ("rect", "polyline", "text", "circle")
    return {name: list(root.iter(f"{{http://www.w3.org/2000/svg}}{name}")) for name in names}


def test_the_picture_has_a_line_for_each_set_of_processes_and_a_band_for_each_span() -> None:
    events = [joined(0), *trained(5, range(20)), by_agent(29, Event.RESTARTED)]
    events += trained(35, range(15, 45), "w2", opened="restored")
    events = [
        event | ({"loss": 4 - event["step"] / 20} if event["event"] == Event.PROGRESS.value else {}) for event in events
    ]
    goodput = Timeline.of(events)
    found = shapes(picture([("a < b", events, goodput), ("second", events[:4], Timeline.of(events[:4]))]))
    assert len(found["polyline"]) == 3
    bands = [rect for rect in found["rect"] if rect.find("{http://www.w3.org/2000/svg}title") is not None]
    assert len(bands) == len(goodput.spans) + len(Timeline.of(events[:4]).spans)
    assert {"a < b", "second", "useful", "waiting"} <= {text.text for text in found["text"]}


def test_a_run_without_any_loss_is_drawn_too() -> None:
    events = [joined(0), at(3, Event.PROGRESS.value, step=1, loss=float("nan"))]
    assert not shapes(picture([("x", events, Timeline.of(events))]))["polyline"]


def test_every_part_has_a_colour_of_its_own() -> None:
    assert len(set(COLOURS.values())) == len(Part)
