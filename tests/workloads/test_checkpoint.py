"""Checkpoints and the loop, in a world of one rank."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file as from_file
from tests.workloads.processes import STEADY, TINY, job

from springtide_workloads.contract import Event, Layout
from springtide_workloads.errors import ConfigError, Interrupted, StorageError
from springtide_workloads.export import exported
from springtide_workloads.recipes import Recipe, resolve
from springtide_workloads.storage import Store
from springtide_workloads.train.checkpoint import Checkpoints, newest_published, steps
from springtide_workloads.train.events import EventLog, read_events
from springtide_workloads.train.loop import train
from springtide_workloads.train.ranks import Ranks
from springtide_workloads.train.state import TrainState
from springtide_workloads.train.stop import StopFlag

RECIPE = resolve(TINY)


class StopAfter(StopFlag):
    """Told to stop when it is asked for the n-th time."""

    def __init__(self, asked: int) -> None:
        super().__init__()
        self._left = asked

    def deafen(self) -> None:
        """The test's own signal handlers stay."""

    @property
    def asked(self) -> bool:
        self._left -= 1
        return self._left < 0


@dataclass
class Run:
    """A run of the tiny recipe in a folder."""

    place: Path
    ranks: Ranks
    recipe: Recipe = RECIPE
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        self.store = Store(self.place.as_uri())

    def train(self, stop_after: int = 10**9) -> None:
        train(
            job(self.place, recipe=self.recipe.name, master_port=29500), self.recipe, self.ranks, StopAfter(stop_after)
        )

    def trained_until(self, asked: int) -> "Run":
        with pytest.raises(Interrupted):
            self.train(asked)
        return self

    def checkpoints(self) -> Checkpoints:
        events = EventLog(store=self.store, run="tiny")
        return Checkpoints(store=self.store, ranks=self.ranks, recipe=self.recipe, events=events)

    def state(self, seed: int = 0) -> TrainState:
        torch.manual_seed(seed)
        model = self.recipe.model.build()
        return TrainState(model=model, optimizer=self.recipe.optimizer.build(model))

    def digest(self) -> str:
        export = exported(self.store)
        assert export is not None
        return export.sha256

    def files(self, step: int) -> list[Path]:
        return sorted((self.place / Layout.step(step)).glob("rank-*"))

    def kinds(self) -> list[str]:
        return [event["event"] for event in read_events(self.store)]


@pytest.fixture
def make(tmp_path: Path, alone: Ranks) -> Callable[[str], Run]:
    return lambda name: Run(tmp_path / name, alone)


@pytest.fixture
def run(make: Callable[[str], Run]) -> Run:
    return make("run")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, alone: Ranks) -> Run:
    run = Run(tmp_path_factory.mktemp("whole"), alone)
    run.train()
    return run


def test_a_run_ends_with_an_export_that_tells_both_losses(whole: Run) -> None:
    export = exported(whole.store)
    assert export is not None
    assert export.step == 60
    assert 2.0 < export.bigram_loss < 3.0
    assert 0.0 < export.held_out_loss < 5.5
    assert whole.kinds()[0] == Event.STARTED
    assert whole.kinds()[-1] == Event.EXPORTED


def test_only_the_newest_checkpoints_are_kept(whole: Run) -> None:
    assert steps(whole.store) == [40, 50, 60]
    assert {Layout.step_of(path) for path in whole.store.files(Layout.CHECKPOINTS)} == {40, 50, 60}


@pytest.mark.parametrize("asked", [1, 10, 25, 47])
def test_an_interrupted_run_ends_with_the_weights_of_an_undisturbed_one(run: Run, whole: Run, asked: int) -> None:
    run.trained_until(asked).train()
    assert run.digest() == whole.digest()


def test_an_interruption_saves_the_very_step_it_came_after(run: Run) -> None:
    run.trained_until(25)
    assert newest_published(run.store) == 25
    assert run.kinds()[-2:] == [Event.SAVED, Event.INTERRUPTED]


def test_an_interruption_before_the_first_step_saves_nothing(run: Run) -> None:
    run.trained_until(0)
    assert newest_published(run.store) is None
    assert run.kinds() == [Event.STARTED, Event.INTERRUPTED]


def test_an_interrupted_evaluation_loses_no_step(run: Run, whole: Run) -> None:
    # the loop has asked 60 times before the last evaluation, and the one at step 40 some more
    windows_asked = sum(1 for _ in range(0, evaluation_windows(run.recipe), 32))
    run.trained_until(60 + windows_asked + 1)
    assert newest_published(run.store) == 60
    assert exported(run.store) is None
    run.train()
    assert run.digest() == whole.digest()


def evaluation_windows(recipe: Recipe) -> int:
    from springtide_workloads.data.corpus import load  # noqa: PLC0415  for this figure only

    return (load(None, at_least=1).held_out.size - 1) // recipe.model.context


def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_used(
    run: Run, whole: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run.trained_until(25)
    [file] = run.files(25)
    *start, last = file.read_bytes()
    file.write_bytes(bytes([*start, last ^ 1]))
    run.train()
    assert run.digest() == whole.digest()
    assert "checkpoint of step 25 is damaged" in capsys.readouterr().err
    assert [event["step"] for event in read_events(run.store) if event["event"] in ("rejected", "restored")] == [25, 20]


@pytest.mark.parametrize("damage", ["a missing file", "a torn manifest"])
def test_every_kind_of_damage_is_noticed(run: Run, whole: Run, damage: str) -> None:
    run.trained_until(25)
    manifest = run.place / Layout.step(25) / Layout.MANIFEST
    if damage == "a missing file":
        run.files(25)[0].unlink()
    else:
        manifest.write_bytes(manifest.read_bytes()[:-20])
    run.train()
    assert run.digest() == whole.digest()
    assert Event.REJECTED in run.kinds()


def test_a_step_may_be_saved_again_after_its_first_checkpoint_was_damaged(run: Run) -> None:
    run.trained_until(20)
    run.files(20)[0].unlink()
    run.trained_until(10)
    assert newest_published(run.store) == 20
    assert run.checkpoints().restore(run.state())


def test_a_save_that_was_torn_before_its_manifest_does_not_exist(run: Run, whole: Run) -> None:
    run.trained_until(25)
    (run.place / Layout.step(25) / Layout.MANIFEST).unlink()
    state = run.state()
    assert run.checkpoints().restore(state)
    assert state.step == 20
    run.train()
    assert run.digest() == whole.digest()
    assert not run.files(25)


def test_a_published_checkpoint_is_never_rewritten(run: Run) -> None:
    run.trained_until(20)
    state = run.state()
    run.checkpoints().restore(state)
    before = {path: path.read_bytes() for path in (run.place / Layout.step(20)).iterdir()}
    state.position += 1
    with pytest.raises(ConfigError, match="two runs write to one URL"):
        run.checkpoints().save(state)
    assert {path: path.read_bytes() for path in before} == before


def test_a_run_keeps_its_recipe(run: Run) -> None:
    run.trained_until(20)
    run.recipe = resolve(TINY.replace("save_every=10", "save_every=5"))
    with pytest.raises(ConfigError, match="differs in save_every"):
        run.train()


def test_another_spelling_of_the_same_recipe_is_the_same(run: Run) -> None:
    run.trained_until(20)
    run.recipe = replace(run.recipe, name="gpt_tiny:spelled=differently")
    assert run.checkpoints().restore(run.state(seed=1))


def test_all_that_a_run_consists_of_comes_back(run: Run) -> None:
    run.trained_until(20)
    state = run.state(seed=1)
    run.checkpoints().restore(state)
    kept = {name: tensor.clone() for name, tensor in state.tensors().items()}
    drawn = torch.rand(3)
    assert (state.step, state.position) == (20, 80)
    assert {name.split("/")[0] for name in kept} == {"model", "optimizer"}
    assert {name.rsplit("/", 1)[1] for name in kept if name.startswith("optimizer")} == {
        "step",
        "exp_avg",
        "exp_avg_sq",
    }

    again = run.state(seed=2)
    run.checkpoints().restore(again)
    assert all(torch.equal(tensor, kept[name]) for name, tensor in again.tensors().items())
    assert torch.equal(torch.rand(3), drawn)


def test_one_rank_goes_on_from_what_two_have_saved(finished: Path, tmp_path: Path, alone: Ranks) -> None:
    shutil.copytree(finished, tmp_path / "run")
    run = Run(tmp_path / "run", alone, resolve(STEADY))
    state = run.state(seed=1)
    assert run.checkpoints().restore(state)
    assert (state.step, state.position, len(run.files(120))) == (120, 960, 2)
    trained = from_file(tmp_path / "run" / Layout.EXPORT_WEIGHTS)
    assert all(torch.equal(tensor, trained[name]) for name, tensor in state.model.state_dict().items())


def test_a_loss_that_is_no_number_ends_the_run_and_is_never_saved(run: Run) -> None:
    run.recipe = resolve(TINY.replace("dropout=0.1", "lr=1e30"))
    with pytest.raises(FloatingPointError, match="try a lower learning rate"):
        run.train()
    assert newest_published(run.store) is None


def test_a_save_that_cannot_write_is_a_storage_error(run: Run) -> None:
    run.trained_until(20)
    state = run.state()
    run.checkpoints().restore(state)
    shutil.rmtree(run.place / Layout.CHECKPOINTS)
    (run.place / Layout.CHECKPOINTS).write_text("in the way")
    state.step += 1
    with pytest.raises(StorageError, match="cannot write"):
        run.checkpoints().save(state)


def test_a_save_that_would_not_fit_the_notice_is_told(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    contract = job(run.place, recipe=TINY, master_port=29500, save_deadline_seconds=0)
    with pytest.raises(Interrupted):
        train(contract, run.recipe, run.ranks, StopAfter(10))
    assert "later than the 0 s that a notice leaves" in capsys.readouterr().out


def test_the_manifest_is_plain_json_with_digests(whole: Run) -> None:
    data: dict[str, Any] = json.loads((whole.place / Layout.step(60) / Layout.MANIFEST).read_bytes())
    assert (data["step"], data["position"], data["world"], data["format"]) == (60, 240, 1, 1)
    assert all(len(entry["sha256"]) == 64 and entry["path"].startswith(Layout.step(60)) for entry in data["files"])
