"""The loop, in a world of one rank: what it saves, when it stops, and that it goes on as if nothing had happened."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from tests.workloads.processes import TINY, job

from springtide_workloads.contract import Event, Layout
from springtide_workloads.errors import ConfigError, Interrupted
from springtide_workloads.export import exported
from springtide_workloads.recipes import Recipe, resolve
from springtide_workloads.storage import Store
from springtide_workloads.train.checkpoints import newest_published, steps
from springtide_workloads.train.events import read_events
from springtide_workloads.train.loop import train
from springtide_workloads.train.ranks import Ranks
from springtide_workloads.train.stop import StopFlag
from springtide_workloads.train.watch import Watch

pytestmark = pytest.mark.enable_socket

RECIPE = resolve(TINY)

When = Callable[[str, int], bool]
"""Phase and steps done."""


def never(_phase: str, _step: int) -> bool:
    return False


def after(step: int) -> When:
    return lambda _, done: done >= step


class Spy(Watch):
    """Remembers where the loop is."""

    __slots__ = ("at",)

    def __init__(self) -> None:
        super().__init__()
        self.at, stamp = ("start", 0), self.phase

        def remembered(phase: str, step: int) -> None:
            self.at = (phase, step)
            stamp(phase, step)

        self.phase = remembered


class Told(StopFlag):
    """Told to stop as soon as the loop is somewhere; the test's own signal handlers stay."""

    def __init__(self, spy: Spy, when: When) -> None:
        super().__init__()
        self._spy, self._when = spy, when

    def deafen(self) -> None:
        pass

    @property
    def asked(self) -> bool:
        return self._when(*self._spy.at)


@dataclass
class Run:
    """A run of the tiny recipe in a folder."""

    place: Path
    ranks: Ranks
    recipe: Recipe = RECIPE
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        self.store = Store(self.place.as_uri())

    def train(self, when: When = never, **changes: Any) -> "Run":
        spy = Spy()
        contract = job(self.place, recipe=TINY, master_port=29500, metrics_port=9464, **changes)
        train(contract, self.recipe, self.ranks, Told(spy, when), spy)
        return self

    def stopped(self, when: When, **changes: Any) -> "Run":
        with pytest.raises(Interrupted):
            self.train(when, **changes)
        return self

    def digest(self) -> str:
        export = exported(self.store)
        assert export is not None
        return export.sha256

    def kinds(self) -> list[str]:
        return [event["event"] for event in read_events(self.store)]


@pytest.fixture
def run(tmp_path: Path, alone: Ranks) -> Run:
    return Run(tmp_path / "run", alone)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, alone: Ranks) -> Run:
    return Run(tmp_path_factory.mktemp("whole"), alone).train()


def test_a_run_ends_with_an_export_that_tells_both_losses(whole: Run) -> None:
    export = exported(whole.store)
    assert export is not None
    assert export.step == 60
    assert export.bigram_loss is not None
    assert 2.0 < export.bigram_loss < 3.0
    assert 0.0 < export.held_out_loss < 5.5
    assert (whole.kinds()[0], whole.kinds()[-1]) == (Event.STARTED, Event.EXPORTED)


def test_only_the_newest_checkpoints_are_kept(whole: Run) -> None:
    assert steps(whole.store) == [40, 50, 60]
    assert {Layout.step_of(path) for path in whole.store.files(Layout.CHECKPOINTS)} == {40, 50, 60}


@pytest.mark.parametrize("step", [1, 10, 25, 47])
def test_an_interrupted_run_ends_with_the_weights_of_an_undisturbed_one(run: Run, whole: Run, step: int) -> None:
    assert run.stopped(after(step)).train().digest() == whole.digest()


def test_an_interruption_saves_the_very_step_it_came_after(run: Run) -> None:
    run.stopped(after(25))
    assert newest_published(run.store) == 25
    assert run.kinds()[-2:] == [Event.SAVED, Event.INTERRUPTED]


def test_an_interruption_before_the_first_step_saves_nothing(run: Run) -> None:
    run.stopped(after(0))
    assert newest_published(run.store) is None
    assert run.kinds() == [Event.STARTED, Event.INTERRUPTED]


@pytest.mark.parametrize("step", [40, 60])
def test_an_interrupted_evaluation_loses_no_step(run: Run, whole: Run, step: int) -> None:
    run.stopped(lambda phase, done: (phase, done) == ("evaluate", step))
    assert newest_published(run.store) == step
    assert exported(run.store) is None
    assert run.train().digest() == whole.digest()


def test_a_run_that_has_no_time_to_save_leaves_with_its_newest_checkpoint(run: Run, whole: Run) -> None:
    run.stopped(after(25), save_deadline_seconds=0)
    assert newest_published(run.store) == 20
    assert run.train().digest() == whole.digest()


def test_a_run_keeps_its_recipe(run: Run) -> None:
    run.stopped(after(20))
    run.recipe = resolve(TINY.replace("dropout=0.1", "dropout=0.2"))
    with pytest.raises(ConfigError, match="differs in model"):
        run.train()


def test_how_often_to_save_is_no_part_of_what_a_run_is(run: Run, whole: Run) -> None:
    run.stopped(after(20))
    run.recipe = replace(RECIPE, name="gpt_tiny:spelled=differently", save_every=7, keep=1)
    assert run.train().digest() == whole.digest()


def test_without_a_number_saves_come_as_often_as_they_pay(run: Run, whole: Run) -> None:
    run.recipe = replace(RECIPE, save_every=None)
    run.train()
    saves = [event["step"] for event in read_events(run.store) if event["event"] == Event.SAVED]
    assert saves[-1] == 60
    assert 2 <= len(saves) < 30, "one soon, to measure; then seldom, since nothing was ever lost"
    assert run.digest() == whole.digest()


def test_a_loss_that_is_no_number_ends_the_run_and_is_never_saved(run: Run) -> None:
    run.recipe = resolve(TINY.replace("dropout=0.1", "lr=1e30"))
    with pytest.raises(FloatingPointError, match="try a lower learning rate"):
        run.train()
    assert newest_published(run.store) is None


def test_parts_of_a_batch_one_after_the_other_make_the_same_step(run: Run, whole: Run) -> None:
    run.recipe = replace(resolve(TINY.replace("dropout=0.1", "dropout=0.0")), accumulate=2)
    export = exported(run.train().store)
    assert export is not None
    plain = exported(whole.store)
    assert plain is not None
    assert export.held_out_loss == pytest.approx(plain.held_out_loss, rel=0.05)
