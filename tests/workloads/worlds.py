"""Functions run by several ranks at once: real processes that meet over gloo, forked from one that has imported torch."""

import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from springtide_workloads.train.ranks import Ranks

SECONDS = 120
"""How long one world may take on a busy machine."""

_CONTEXT: Any = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "torch._dynamo",
        "torch.distributed.fsdp",
        "torch.distributed.checkpoint",
        "springtide_workloads.train.checkpoints",
        "tests.workloads.stepping",
    ]
)


class FailedError(AssertionError):
    """A rank raised or was lost; the text has its traceback."""


def together(
    world: int, function: Callable[..., Any], *args: Any, may_die: bool = False, seconds: float = SECONDS
) -> list[Any]:
    """Runs `function(ranks, *args)` on every rank of a world; what each returned, None for a rank that died.

    A rank that takes more than `seconds` is killed.
    """
    with tempfile.TemporaryDirectory() as place:
        root = str(Path.cwd())
        processes = [
            _CONTEXT.Process(target=_rank, args=(rank, world, place, root, dict(os.environ), function, args))
            for rank in range(world)
        ]
        for process in processes:
            process.start()
        return _results(processes, Path(place), may_die=may_die, seconds=seconds)


def _results(processes: list[Any], place: Path, *, may_die: bool, seconds: float) -> list[Any]:
    try:
        for process in processes:
            process.join(seconds)
    finally:
        for process in processes:
            if process.is_alive():
                os.kill(process.pid, signal.SIGKILL)
                process.join()
    results = [_result(place / str(rank)) for rank in range(len(processes))]
    lost = f"a rank died, or took more than {seconds:g} s"
    errors = [text or lost for kind, text in results if kind == "raised" or (kind == "died" and not may_die)]
    if errors:
        raise FailedError("\n".join(errors))
    return [value for _, value in results]


def _result(path: Path) -> tuple[str, Any]:
    result: tuple[str, Any] = pickle.loads(path.read_bytes()) if path.exists() else ("died", None)
    return result


def _rank(  # noqa: PLR0913, PLR0917  what a process is told
    rank: int,
    world: int,
    place: str,
    root: str,
    env: dict[str, str],
    function: Callable[..., Any],
    args: tuple[Any, ...],
) -> None:
    # the server that forks was started with another test's variables
    os.environ.update(env)
    import torch  # noqa: PLC0415  preloaded
    import torch.distributed as dist  # noqa: PLC0415

    sys.path.insert(0, root)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    limit = timedelta(seconds=SECONDS / 2)
    dist.init_process_group("gloo", init_method=f"file://{place}/meeting", rank=rank, world_size=world, timeout=limit)
    control: Any = dist.new_group(backend="gloo", timeout=limit)
    ranks = Ranks(rank=rank, world=world, device=torch.device("cpu"), control=control)
    try:
        result = ("returned", function(ranks, *args))
    except BaseException:  # noqa: BLE001  the parent shows it
        result = ("raised", traceback.format_exc())
    beside = Path(place) / f"{rank}.part"
    beside.write_bytes(pickle.dumps(result))
    beside.rename(Path(place) / str(rank))
    # saying goodbye to ranks that were killed can take for ever
    os._exit(0)
