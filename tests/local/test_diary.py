"""A run's own account of itself."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.local.observe.diary import Diary, read, steps_of, summary
from springtide_workloads.contract import Event, Layout
from springtide_workloads.storage import Store
from springtide_workloads.train.events import EventLog


def test_what_the_trainer_writes_is_read(tmp_path: Path) -> None:
    log = EventLog(store=Store(tmp_path.as_uri()), run="first")
    log.add(Event.STARTED, step=0)
    log.add(Event.SAVED, step=100, seconds=0.1)
    log.add(Event.EVALUATED, step=100, held_out_loss=1.25, bigram_loss=2.5)
    log.add(Event.RESTARTED, codes=["BUG"], restarts=1)
    log.close()
    assert read(tmp_path) == Diary(step=100, loss=1.25, restarts=1, last="restarted")


@pytest.mark.parametrize(
    ("kinds", "restarts"),
    [
        ([Event.STARTED], 0),
        ([Event.STARTED, Event.RESTARTED], 1),
        ([Event.STARTED, Event.RESTARTED, Event.RESTORED], 1),
        ([Event.STARTED, Event.INTERRUPTED, Event.RESTORED], 1),
        ([Event.STARTED, Event.RESTARTED, Event.STARTED, Event.RESTORED], 2),
        ([], 0),
    ],
)
def test_a_restart_counts_once_whoever_tells_of_it(kinds: list[Event], restarts: int) -> None:
    assert summary([{"event": kind.value} for kind in kinds]).restarts == restarts


def test_a_run_that_has_not_said_anything_has_an_empty_diary(tmp_path: Path) -> None:
    assert read(tmp_path / "nowhere") == Diary()


def test_a_line_that_is_being_written_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / Layout.EVENTS).write_text('{"event": "saved", "step": 7}\n{"event": "sav')
    assert read(tmp_path).step == 7


def test_a_step_of_zero_is_a_step() -> None:
    assert summary([{"event": "started", "step": 0}]).step == 0


@given(
    st.lists(st.dictionaries(st.sampled_from(["event", "step", "held_out_loss"]), st.integers() | st.text(max_size=3)))
)
def test_no_diary_breaks_the_reader(events: list[dict[str, object]]) -> None:
    found = summary(events)
    assert found.restarts <= len(events)
    assert found.step is None or isinstance(found.step, int)


@pytest.mark.parametrize(
    ("recipe", "steps"),
    [
        ("gpt_tiny", None),
        ("gpt_tiny:steps=200", 200),
        ("gpt_tiny:seed=1,steps=50", 50),
        ("gpt_tiny:warmup_steps=9", None),
    ],
)
def test_a_recipe_tells_its_steps_where_it_says_so(recipe: str, steps: int | None) -> None:
    assert steps_of(recipe) == steps
