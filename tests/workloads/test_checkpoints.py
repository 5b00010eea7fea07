"""Sharded checkpoints, by real processes: what any world and mesh saves, any other restores."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from tests.workloads.worlds import together
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

from springtide_workloads.contract import Layout
from springtide_workloads.errors import ConfigError, StorageError
from springtide_workloads.storage import Store
from springtide_workloads.train.checkpoints import Checkpoints, host_bytes, newest_published, steps
from springtide_workloads.train.checkpoints import boxes as boxes_module
from springtide_workloads.train.checkpoints.boxes import Box, Claim, deal
from springtide_workloads.train.checkpoints.manifest import Manifest
from springtide_workloads.train.events import EventLog
from springtide_workloads.train.lease import Fence
from springtide_workloads.train.ranks import Ranks
from springtide_workloads.train.state import TrainState


@dataclass(frozen=True)
class Plan:
    """What of a recipe checkpoints ask for."""

    name: str = "test"
    keep: int = 3
    width: int = 1

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "keep": self.keep, "width": self.width}


class Net(nn.Module):
    """Odd sizes, so that no number of ranks divides them."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Linear(13, 22)
        self.down = nn.Linear(22, 7)
        self.scale = nn.Parameter(torch.tensor(1.5))
        self.register_buffer("seen", torch.zeros(3, dtype=torch.int64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.down(torch.relu(self.up(x))) * self.scale
        return out


def plain(_: Ranks, __: nn.Module) -> None:
    """The model as it is on every rank: what DDP has."""


def fsdp(ranks: Ranks, model: Any) -> None:
    mesh = init_device_mesh("cpu", (ranks.world,))
    for layer in (model.up, model.down):
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh, ignored_params={model.scale})


def hybrid(ranks: Ranks, model: Any) -> None:
    mesh = init_device_mesh("cpu", (2, ranks.world // 2), mesh_dim_names=("copies", "shards"))
    fully_shard(model, mesh=mesh, ignored_params={model.scale})


def tensor_parallel(ranks: Ranks, model: Any) -> None:
    mesh = init_device_mesh("cpu", (ranks.world,))
    parallelize_module(model, mesh, {"up": ColwiseParallel(), "down": RowwiseParallel()})


def both(ranks: Ranks, model: Any) -> None:
    mesh = init_device_mesh("cpu", (ranks.world // 2, 2), mesh_dim_names=("shards", "tensor"))
    parallelize_module(model, mesh["tensor"], {"up": ColwiseParallel(), "down": RowwiseParallel()})
    for layer in (model.up, model.down):
        fully_shard(layer, mesh=mesh["shards"])


KINDS = {each.__name__: each for each in (plain, fsdp, hybrid, tensor_parallel, both)}


def make_state(ranks: Ranks, kind: str = "plain", seed: int = 0, *, trained: int = 2) -> TrainState:
    torch.manual_seed(seed)
    model = Net()
    KINDS[kind](ranks, model)
    state = TrainState(model=model, optimizer=torch.optim.AdamW(model.parameters(), lr=0.01))
    for _ in range(trained):
        for parameter in model.parameters():
            parameter.grad = parameter.detach().clone() + 0.1
        state.optimizer.step()
        state.step += 1
        state.position += 8
    state.optimizer.zero_grad()
    return state


def checkpoints(ranks: Ranks, place: str, fence: Fence | None = None, **changes: Any) -> Checkpoints:
    store = Store(place)
    events = EventLog(store=store, run="test")
    recipe: Any = Plan(**changes)
    return Checkpoints(store=store, ranks=ranks, recipe=recipe, events=events, fence=fence)


def full(state: TrainState) -> dict[str, torch.Tensor]:
    gathered = {n: t.full_tensor() if isinstance(t, DTensor) else t for n, t in state.tensors().items()}
    return {name: tensor.detach().clone() for name, tensor in gathered.items()}


def save(ranks: Ranks, place: str, kind: str, seed: int = 0) -> tuple[dict[str, torch.Tensor], torch.Tensor, int]:
    state = make_state(ranks, kind, seed)
    torch.manual_seed(100 + ranks.rank)
    kept = full(state)
    made = checkpoints(ranks, place)
    pending = made.save(state)
    made.close()
    return kept, torch.rand(4), pending.bytes


def restore(ranks: Ranks, place: str, kind: str) -> tuple[dict[str, torch.Tensor], torch.Tensor, tuple[int, int]]:
    state = make_state(ranks, kind, seed=7, trained=0)
    assert checkpoints(ranks, place).restore(state)
    drawn = torch.rand(4)
    return full(state), drawn, (state.step, state.position)


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def slow(*case: Any) -> Any:
    """A case of many processes."""
    return pytest.param(*case, marks=pytest.mark.faults)


@pytest.mark.parametrize(
    ("saved", "restored"),
    [
        ((1, "plain"), (2, "fsdp")),
        ((2, "tensor_parallel"), (1, "plain")),
        slow((3, "fsdp"), (2, "tensor_parallel")),
        slow((2, "fsdp"), (3, "plain")),
        slow((4, "hybrid"), (3, "fsdp")),
        slow((4, "both"), (2, "fsdp")),
        slow((2, "fsdp"), (4, "both")),
    ],
)
def test_what_one_world_and_mesh_saves_any_other_restores_to_the_last_bit(
    tmp_path: Path, saved: tuple[int, str], restored: tuple[int, str]
) -> None:
    place = tmp_path.as_uri()
    before = together(saved[0], save, place, saved[1])
    after = together(restored[0], restore, place, restored[1])
    assert all(equal(kept, before[0][0]) for kept, *_ in after)
    assert {where for *_, where in after} == {(2, 16)}
    for rank in range(min(saved[0], restored[0])):
        assert torch.equal(after[rank][1], before[rank][1])


@pytest.mark.parametrize(("world", "kind"), [(3, "plain"), (2, "fsdp"), (4, "hybrid")])
def test_no_byte_is_written_twice_and_ranks_write_about_as_much(tmp_path: Path, world: int, kind: str) -> None:
    together(world, save, tmp_path.as_uri(), kind)
    manifest = Manifest.from_bytes((tmp_path / Layout.step(2) / Layout.MANIFEST).read_bytes())
    covered: dict[str, int] = {}
    for part in manifest.parts():
        covered[part.name] = covered.get(part.name, 0) + part.box.size
    assert covered == {name: torch.Size(each.shape).numel() for name, each in manifest.tensors.items()}
    state = [sum(p.end - p.start for p in file.parts if not p.name.startswith("rng/")) for file in manifest.files]
    assert len(state) == world
    assert max(state) < 1.3 * sum(state) / world


def test_every_file_is_readable_by_safetensors(tmp_path: Path) -> None:
    [(kept, *_), _] = together(2, save, tmp_path.as_uri(), "fsdp")
    files = [load_file(path) for path in sorted((tmp_path / Layout.step(2)).glob("*.safetensors"))]
    assert torch.equal(
        torch.cat([f[n] for f in files for n in f if n.startswith("model/up.weight")]), kept["model/up.weight"]
    )


@pytest.fixture
def place(tmp_path: Path) -> str:
    return tmp_path.as_uri()


def test_a_save_returns_before_it_is_published_and_training_may_go_on(place: str, alone: Ranks) -> None:
    made, state = checkpoints(alone, place), make_state(alone)
    kept = full(state)
    held: list[str] = []
    write = made.store.write

    def slow(path: str, data: Any) -> None:
        held.append(path)
        while newest_published(made.store) is None and len(held) < 2:
            torch.rand(1)
        write(path, data)

    made.store.write = slow  # type: ignore[method-assign]
    pending = made.save(state)
    assert not pending.finished()
    assert not made.finished()
    for parameter in state.model.parameters():
        parameter.data.zero_()
    held.append("go on")
    done = made.close()
    assert done is pending
    assert (pending.phase, made.finished()) == ("done", True)
    other = make_state(alone, seed=3, trained=0)
    assert made.restore(other)
    assert equal(full(other), kept)


def test_a_second_save_waits_for_the_first_and_uses_its_buffer(place: str, alone: Ranks) -> None:
    made, state = checkpoints(alone, place), make_state(alone)
    made.save(state)
    buffer = made._spare
    state.step += 1
    second = made.save(state)
    made.close()
    assert made._spare is buffer
    assert second.stall_seconds >= second.waited_seconds > 0
    assert steps(made.store) == [2, 3]


def test_a_failed_save_is_told_once_and_the_next_may_succeed(place: str, alone: Ranks) -> None:
    made, state = checkpoints(alone, place), make_state(alone)
    write = made.store.write

    def fails(path: str, _: Any) -> None:
        raise StorageError(f"cannot write {path}: no space")

    made.store.write = fails  # type: ignore[method-assign, assignment]
    made.save(state)
    with pytest.raises(StorageError, match=r"rank 0 failed in phase 'write' of saving step 2: cannot write"):
        made.close()
    made.store.write = write  # type: ignore[method-assign]
    made.save(state)
    made.close()
    assert newest_published(made.store) == 2


def fails_on_rank_1(ranks: Ranks, place: str) -> list[str]:
    made, state = checkpoints(ranks, place), make_state(ranks)
    if ranks.rank == 1:

        def breaks(*_: Any) -> None:
            raise MemoryError("nothing left")

        made.store.write = breaks  # type: ignore[method-assign, assignment]
    texts = []
    for call in (lambda: made.save(state), made.wait, made.wait):
        try:
            call()
        except StorageError as error:
            texts.append(str(error))
    return texts


def test_a_failure_of_one_rank_is_raised_on_all_with_rank_and_phase(place: str) -> None:
    for texts in together(2, fails_on_rank_1, place):
        assert texts == ["rank 1 failed in phase 'write' of saving step 2: MemoryError: nothing left"]


def flipped(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("where", ["first byte", "header", "last byte", "cut", "gone", "manifest", "manifest cut"])
def test_any_damage_leads_to_the_checkpoint_before(
    tmp_path: Path, alone: Ranks, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made, state = checkpoints(alone, tmp_path.as_uri()), make_state(alone)
    made.save(state)
    made.close()
    kept = full(state)
    state.step += 1
    for parameter in state.model.parameters():
        parameter.data.add_(1)
    made.save(state)
    made.close()
    folder = tmp_path / Layout.step(3)
    [file], manifest = list(folder.glob("*.safetensors")), folder / Layout.MANIFEST
    damages: dict[str, Any] = {
        "first byte": lambda: flipped(file, 0),
        "header": lambda: flipped(file, 30),
        "last byte": lambda: flipped(file, -1),
        "cut": lambda: file.write_bytes(file.read_bytes()[:-1]),
        "gone": file.unlink,
        "manifest": lambda: flipped(manifest, 40),
        "manifest cut": lambda: manifest.write_bytes(manifest.read_bytes()[:-9]),
    }
    damages[where]()
    other = make_state(alone, seed=3, trained=0)
    assert checkpoints(alone, tmp_path.as_uri()).restore(other)
    assert other.step == 2
    assert equal(full(other), kept)
    assert "is damaged, going back to the one before" in capsys.readouterr().err
    assert list(folder.glob("rejected-*.json"))


def test_a_state_is_untouched_when_no_checkpoint_is_good(tmp_path: Path, alone: Ranks) -> None:
    made, state = checkpoints(alone, tmp_path.as_uri()), make_state(alone)
    made.save(state)
    made.close()
    flipped(next((tmp_path / Layout.step(2)).glob("*.safetensors")), -1)
    fresh = make_state(alone, seed=3, trained=0)
    before = full(fresh)
    assert not made.restore(fresh)
    assert equal(full(fresh), before)
    assert (fresh.step, fresh.position) == (0, 0)


def test_retention_keeps_the_newest_and_deletes_remains_of_torn_attempts(tmp_path: Path, alone: Ranks) -> None:
    made, state = checkpoints(alone, tmp_path.as_uri(), keep=2), make_state(alone)
    torn = tmp_path / Layout.step(1)
    torn.mkdir(parents=True)
    (torn / "rank-00000-of-00001-e00000000-abc.safetensors.part-1").write_bytes(b"torn")
    for _ in range(5):
        made.save(state)
        state.step += 1
    made.close()
    assert steps(made.store) == [5, 6]


def test_the_last_good_checkpoint_stays_when_newer_ones_rot_on_the_disk(tmp_path: Path, alone: Ranks) -> None:
    made, state = checkpoints(alone, tmp_path.as_uri(), keep=1), make_state(alone)
    made.save(state)
    made.close()
    assert made.restore(state)
    described = made._write

    def rots(attempt: Any, mark: str) -> Any:
        file = described(attempt, mark)
        flipped(tmp_path / file.path, -1)
        return file

    made._write = rots  # type: ignore[method-assign]
    for _ in range(3):
        state.step += 1
        made.save(state)
        made.close()
    assert checkpoints(alone, tmp_path.as_uri()).restore(state)
    assert state.step == 2


def test_a_published_step_is_never_rewritten(tmp_path: Path, alone: Ranks) -> None:
    made, state = checkpoints(alone, tmp_path.as_uri()), make_state(alone)
    made.save(state)
    made.close()
    before = {path: path.read_bytes() for path in (tmp_path / Layout.step(2)).iterdir()}
    state.position += 1
    made.save(state)
    with pytest.raises(ConfigError, match="two runs write to one URL"):
        made.close()
    assert {path: path.read_bytes() for path in before} == before


def test_a_late_manifest_of_an_earlier_epoch_never_comes_before_its_successor(place: str, alone: Ranks) -> None:
    store = Store(place)
    old = checkpoints(alone, place, Fence(store=store, epoch=1))
    new = checkpoints(alone, place, Fence(store=store, epoch=2))
    state = make_state(alone)
    for made, step, value in ((new, 20, 2.0), (old, 30, 1.0), (new, 25, 3.0), (new, 30, 4.0)):
        state.step = step
        state.model.scale.data.fill_(value)  # type: ignore[operator]
        made.save(state)
        made.close()
        fresh = make_state(alone, trained=0)
        assert checkpoints(alone, place).restore(fresh)
        expected = 2.0 if made is old else value
        assert full(fresh)["model/scale"] == expected


def test_settings_and_schedules_come_back(place: str, alone: Ranks) -> None:
    state = make_state(alone)
    state.scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(state.optimizer, T_max=10)
    for _ in range(3):
        state.optimizer.step()
        state.scheduler.step()
    rate = state.optimizer.param_groups[0]["lr"]
    made = checkpoints(alone, place)
    made.save(state)
    made.close()
    other = make_state(alone, trained=0)
    other.scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(other.optimizer, T_max=10)
    assert made.restore(other)
    assert other.optimizer.param_groups[0]["lr"] == rate
    assert other.scheduler.state_dict() == state.scheduler.state_dict()
    assert other.optimizer.param_groups[0]["betas"] == (0.9, 0.999)


def test_another_model_is_refused_by_the_names_that_differ(place: str, alone: Ranks) -> None:
    made, state = checkpoints(alone, place), make_state(alone)
    made.save(state)
    made.close()
    state.model.register_buffer("new", torch.zeros(2))
    with pytest.raises(ConfigError, match="other tensors than this model: model/new"):
        made.restore(state)


def test_only_what_changes_the_mathematics_ends_a_run(place: str, alone: Ranks) -> None:
    made, state = checkpoints(alone, place), make_state(alone)
    made.save(state)
    made.close()
    assert checkpoints(alone, place, keep=9, name="other").restore(state)
    with pytest.raises(ConfigError, match="differs in width"):
        checkpoints(alone, place, width=2).restore(state)


def test_host_bytes_bound_the_buffer(place: str, alone: Ranks) -> None:
    state = make_state(alone)
    pending = checkpoints(alone, place).save(state)
    assert pending.bytes < host_bytes(state.tensors())


def test_names_do_not_tell_what_wraps_a_model(alone: Ranks) -> None:
    state = make_state(alone)
    wrapped = torch.compile(state.model)
    other = TrainState(model=wrapped, optimizer=state.optimizer)  # type: ignore[arg-type]
    assert other.tensors().keys() == state.tensors().keys()


shapes = st.lists(st.integers(1, 9), min_size=0, max_size=3).map(tuple)


@given(shape=shapes, data=st.data())
def test_parts_of_a_block_cover_it_exactly_once(shape: tuple[int, ...], data: st.DataObject) -> None:
    offsets = tuple(data.draw(st.integers(0, 5)) for _ in shape)
    limit = data.draw(st.integers(1, 200))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boxes_module, "PART_BYTES", limit)
        parts = list(Box(offsets, shape).parts(4))
    seen = torch.zeros(tuple(o + s for o, s in zip(offsets, shape, strict=True)), dtype=torch.int)
    for part in parts:
        part.of(seen, Box.whole(seen.shape)).add_(1)
    assert int(seen.sum()) == Box(offsets, shape).size
    assert int(seen.max()) == 1


@settings(max_examples=50)
@given(world=st.integers(1, 6), sizes=st.lists(st.integers(1, 50), min_size=1, max_size=12), data=st.data())
def test_every_block_is_dealt_once_to_a_rank_that_has_it(world: int, sizes: list[int], data: st.DataObject) -> None:
    holders = [data.draw(st.sets(st.integers(0, world - 1), min_size=1)) for _ in sizes]
    blocks = [Claim(f"t{i}", Box.whole((size,)), 4) for i, size in enumerate(sizes)]
    dealt = deal([[b for b, held in zip(blocks, holders, strict=True) if rank in held] for rank in range(world)])
    names = [(piece.name, rank) for rank, pieces in enumerate(dealt) for piece in pieces]
    assert sorted(name for name, _ in names) == sorted(block.name for block in blocks)
    assert all(rank in holders[int(name[1:])] for name, rank in names)


def test_a_manifest_reads_back_and_notices_every_changed_byte(tmp_path: Path, alone: Ranks) -> None:
    made = checkpoints(alone, tmp_path.as_uri())
    made.save(make_state(alone))
    made.close()
    data = (tmp_path / Layout.step(2) / Layout.MANIFEST).read_bytes()
    assert Manifest.from_bytes(data).to_bytes() == data
    assert json.loads(data.splitlines()[0])["step"] == 2
    for at in range(0, len(data), max(1, len(data) // 200)):
        with pytest.raises(ValueError, match="digest"):
            Manifest.from_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
