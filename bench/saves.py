"""Checkpoints beside torch's own: how long training stands still for a save, and what a kill amid a save leaves behind.

`save_stall`: seconds until the call returns, for float32 tensors of 300 MB (and of 4 GB, without `--quick`) on local disk
from one rank; the arms take turns, after one save of each that is not counted, and each save finds the one before it
ended. The floor is a plain copy of the tensors into new memory. The bytes are on the disk later: `durable` has that time.

`torn`: two ranks save a state of ones, then save twos over it, and are killed between boundaries of the second save; then
one rank loads. Silent is a load that gives a mixture; unreadable is one that gives nothing. Ours is killed at every call that
changes the disk, on either rank; DCP, which re-saves into one directory, after rank 0 wrote and before rank 1 did.

A CPU and a local disk show stalls and orders of writing; they say nothing of PCIe or of the bandwidth of an object store.

Usage: python bench/saves.py [--quick] [--repeats 5]
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from torch.distributed import checkpoint

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.faults.boundaries import found, saved_and_killed  # noqa: E402  the same kills as the tests
from tests.workloads.worlds import FailedError, together  # noqa: E402

from springtide_workloads.storage import Store  # noqa: E402
from springtide_workloads.train.checkpoints import Checkpoints  # noqa: E402
from springtide_workloads.train.events import EventLog  # noqa: E402
from springtide_workloads.train.ranks import Ranks  # noqa: E402
from springtide_workloads.train.state import TrainState  # noqa: E402

SECONDS: Final = 1800
"""How long all saves of one size may take: disks differ."""
TENSORS: Final = 24
"""Tensors that the bytes of a state are split into."""

dcp: Any = checkpoint
"""Torch lists none of its functions as exported."""

Arm = Callable[[int], tuple[float, Callable[[], None]]]
"""Saves step `n`; the seconds until training may go on, and what returns when the bytes are on the disk."""


class Plan:
    """What of a recipe checkpoints ask for."""

    keep = 3

    def to_json(self) -> dict[str, Any]:
        """The recipe as plain data."""
        return {"name": "bench"}


def main() -> None:
    """Prints the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="300 MB only, and a few kills")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    for row in rows(args.quick, args.repeats):
        print(json.dumps(row), flush=True)


def rows(quick: bool, repeats: int = 5) -> Iterator[dict[str, Any]]:
    """The rows `save_stall` and `torn`."""
    for size in (300 * 10**6,) if quick else (300 * 10**6, 4 * 10**9):
        [measured] = together(1, stalls, size, repeats, seconds=SECONDS)
        yield from _stall_rows(size, measured)
    yield torn(quick=quick)


def stalls(ranks: Ranks, size: int, repeats: int) -> dict[str, dict[str, list[float]]]:
    """Raw seconds of every arm, until the call returned and until the bytes were durable."""
    # not /tmp, which may be memory
    (ROOT / ".cache").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / ".cache") as place:
        ours, state = _ours(ranks, Path(place), size)
        arms = _arms(ours, state, Path(place))
        measured: dict[str, dict[str, list[float]]] = {name: {"stall": [], "durable": []} for name in arms}
        for step in range(repeats + 1):
            for name, arm in arms.items():
                started = time.monotonic()
                stall, durable = arm(step)
                durable()
                seconds = time.monotonic() - started
                ours.close()
                if step:
                    measured[name]["stall"].append(round(stall, 4))
                    measured[name]["durable"].append(round(seconds, 4))
    return measured


def _ours(ranks: Ranks, place: Path, size: int) -> tuple[Checkpoints, TrainState]:
    model = torch.nn.ParameterList(torch.randn(size // 4 // TENSORS) for _ in range(TENSORS))
    state = TrainState(model=model, optimizer=torch.optim.SGD(model.parameters()))
    store, recipe = Store((place / "ours").as_uri()), Plan()
    events = EventLog(store=store, run="bench")
    return Checkpoints(store=store, ranks=ranks, recipe=recipe, events=events), state  # type: ignore[arg-type]


def _arms(ours: Checkpoints, state: TrainState, place: Path) -> dict[str, Arm]:
    tensors = state.tensors()

    def wait() -> None:
        ours.wait()

    def save_ours(step: int) -> tuple[float, Callable[[], None]]:
        state.step = step
        return ours.save(state).stall_seconds, wait

    return {
        "ours": save_ours,
        "plain copy": lambda _: _timed(lambda: [tensor.clone() for tensor in tensors.values()]),
        "torch.save": lambda step: _timed(lambda: _torch_save(tensors, place / f"torch-{step % 2}.pt")),
        "dcp.save": lambda step: _timed(
            lambda: dcp.save(dict(tensors), checkpoint_id=_fresh(place / f"dcp-{step % 2}"))
        ),
        "dcp.async_save": lambda step: _async(tensors, _fresh(place / f"async-{step % 2}")),
    }


def _timed(work: Callable[[], object]) -> tuple[float, Callable[[], None]]:
    started = time.monotonic()
    kept = work()
    seconds = time.monotonic() - started
    del kept
    return seconds, lambda: None


def _async(tensors: dict[str, Tensor], place: Path) -> tuple[float, Callable[[], None]]:
    started = time.monotonic()
    future: Any = dcp.async_save(dict(tensors), checkpoint_id=place)
    return time.monotonic() - started, future.result


def _torch_save(tensors: dict[str, Tensor], path: Path) -> None:
    with path.open("wb") as file:
        torch.save(tensors, file)
        file.flush()
        os.fsync(file.fileno())


def _fresh(place: Path) -> Path:
    shutil.rmtree(place, ignore_errors=True)
    return place


def _stall_rows(size: int, measured: dict[str, dict[str, list[float]]]) -> Iterator[dict[str, Any]]:
    own = measured.pop("ours")
    ours = statistics.median(own["stall"])
    for name, raw in measured.items():
        peer = statistics.median(raw["stall"])
        yield {
            "row": "save_stall",
            "bytes": size,
            "ours": ours,
            "peer": peer,
            "peer_name": name,
            "ratio": round(ours / peer, 3),
            "unit": "s",
            "ours_raw": own,
            "peer_raw": raw,
            "torch": torch.__version__,
        }


def torn(*, quick: bool) -> dict[str, Any]:
    """Mixtures and unreadable checkpoints over kills amid a save, ours and DCP's."""
    ours = _ours_killed(quick=quick)
    peer = [_dcp_killed() for _ in range(3 if quick else 20)]
    bad, theirs = _bad(ours), _bad(peer)
    return {
        "row": "torn",
        "ours": bad,
        "peer": theirs,
        "peer_name": "dcp",
        "ratio": round((bad / len(ours)) / (theirs / len(peer)), 3) if theirs else None,
        "unit": "silent mixtures and unreadable checkpoints",
        "ours_raw": ours,
        "peer_raw": peer,
        "torch": torch.__version__,
    }


def _bad(outcomes: list[str]) -> int:
    return sum(outcome in {"mixture", "unreadable"} for outcome in outcomes)


def _ours_killed(*, quick: bool) -> list[str]:
    outcomes = []
    with tempfile.TemporaryDirectory() as place:
        url = Path(place).as_uri()
        together(2, saved_and_killed, url, 0, -1)
        kills = [(victim, at) for victim, calls in ((0, 26), (1, 8)) for at in range(0, calls, 5 if quick else 1)]
        for victim, at in kills:
            together(2, saved_and_killed, url, victim, at, may_die=True)
            try:
                [step] = together(1, found, url)
                outcomes.append("unreadable" if step is None else "whole")
            except FailedError as error:
                outcomes.append("mixture" if "a mixture" in str(error) else "unreadable")
    return outcomes


def _dcp_killed() -> str:
    with tempfile.TemporaryDirectory() as place:
        together(2, _dcp_save, place, 1.0, False)
        with suppress(FailedError):
            together(2, _dcp_save, place, 2.0, True, may_die=True)
        try:
            [values] = together(1, _dcp_load, place)
        except FailedError:
            return "unreadable"
    return "whole" if len(values) == 1 else "mixture"


def _dcp_save(ranks: Ranks, place: str, value: float, kill: bool) -> None:
    """Each rank has a shard of its own; with `kill`, rank 0 writes its file and both are killed before rank 1 does."""
    if kill:
        _kill_between(ranks)
    dcp.save({f"shard-{ranks.rank}": torch.full((1000,), value)}, checkpoint_id=place, no_dist=False)


def _kill_between(ranks: Ranks) -> None:
    write = dcp.FileSystemWriter.write_data

    def rank_0_only(self: Any, *args: Any, **named: Any) -> Any:
        if ranks.rank == 0:
            write(self, *args, **named).wait()
        ranks.any(False)
        os.kill(os.getpid(), signal.SIGKILL)

    dcp.FileSystemWriter.write_data = rank_0_only


def _dcp_load(_: Ranks, place: str) -> set[float]:
    state = {f"shard-{rank}": torch.zeros(1000) for rank in (0, 1)}
    dcp.load(state, checkpoint_id=place)
    return {float(value) for tensor in state.values() for value in tensor}


if __name__ == "__main__":
    main()
