"""The steps of `goodput_recipe` with torchft: two replica groups of one process each, over gloo, as its documents tell.

Without arguments it is what starts them: a lighthouse, and for each group a torchrun that starts its worker again. With the
number of a group it is that group's worker. A group that comes back heals from the other one. Group 0 saves with torch.save
every so many steps, for when both are lost. While a group is away the other goes on with half of a step's samples; such steps
count as whole ones, in its favour.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchft import Manager, Optimizer, ProcessGroupGloo

from springtide_workloads.recipes import resolve

GROUPS = 2
HERE = "127.0.0.1"


def supervise() -> None:
    """Starts everything, and ends it when it is told to."""
    with socket.socket() as probe:
        probe.bind((HERE, 0))
        port = probe.getsockname()[1]
    # the options are those of torchft's own examples
    lighthouse = [str(Path(sys.executable).parent / "torchft_lighthouse"), "--bind", f"{HERE}:{port}"]
    options = ["--min_replicas", "1", "--quorum_tick_ms", "100", "--join_timeout_ms", "10000"]
    started = [subprocess.Popen([*lighthouse, *options])]
    run = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nnodes",
        "1",
        "--nproc-per-node",
        "1",
        "--max-restarts",
        "1000",
    ]
    for group in range(GROUPS):
        where = ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", "--rdzv-id", str(group)]
        env = os.environ | {"TORCHFT_LIGHTHOUSE": f"http://{HERE}:{port}"}
        started.append(subprocess.Popen([*run, *where, __file__, str(group)], env=env))

    def stop(*_: object) -> None:
        for each in started[1:]:
            each.terminate()

    signal.signal(signal.SIGTERM, stop)
    for each in started[1:]:
        each.wait()
    started[0].kill()
    started[0].wait()


def work(group: int) -> None:
    """Trains until it is killed."""
    recipe = resolve(os.environ["GOODPUT_RECIPE"])
    saved = Path(os.environ["GOODPUT_PLACE"], "snapshot.pt")
    torch.set_num_threads(1)
    torch.manual_seed(recipe.seed)
    model = recipe.model.build()
    inner = recipe.optimizer.build(model)

    def load(state: dict[str, Any]) -> None:
        model.load_state_dict(state["model"])
        inner.load_state_dict(state["optimizer"])

    def save() -> dict[str, Any]:
        return {"model": model.state_dict(), "optimizer": inner.state_dict()}

    manager = Manager(
        pg=ProcessGroupGloo(timeout=timedelta(seconds=5)), load_state_dict=load, state_dict=save, min_replica_size=1,
        replica_id=f"group{group}", hostname=HERE, timeout=timedelta(seconds=10),
    )  # fmt: skip
    # by this the recipe leaves the process's id; the group itself has one rank
    os.environ["RANK"] = str(group)
    if saved.exists():
        snapshot = torch.load(saved)
        load(snapshot["user"])
        manager.load_state_dict(snapshot["torchft"])
    optimizer = Optimizer(manager, inner)
    data = recipe.data.build(None, Path(tempfile.mkdtemp(dir=saved.parent)))
    part = np.arange(recipe.batch // GROUPS, dtype=np.uint64) + np.uint64(group * recipe.batch // GROUPS)
    while (step := manager.current_step()) < recipe.steps:
        rate = recipe.optimizer.rate(step, recipe.steps)
        os.environ["RANK"] = "0"  # whichever group lives has the run's steps
        for each in inner.param_groups:
            each["lr"] = rate
        optimizer.zero_grad()
        loss = recipe.loss(model, data.take(part + np.uint64(step * recipe.batch)))
        loss.backward()  # type: ignore[no-untyped-call]
        average(manager, model)
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        optimizer.step()
        made = manager.current_step()
        if group == 0 and made > step and recipe.save_every is not None and made % recipe.save_every == 0:
            aside = saved.with_suffix(".new")
            torch.save({"user": save(), "torchft": manager.state_dict(), "step": made}, aside)
            aside.rename(saved)


def average(manager: Manager, model: torch.nn.Module) -> None:
    """Gradients of all groups. torchft's own DistributedDataParallel ends a survivor by an AssertionError (0.2.0, on gloo)."""
    gradients = [each.grad for each in model.parameters() if each.grad is not None]
    flat = torch.cat([each.flatten() for each in gradients])
    manager.allreduce(flat).wait()
    for each, part in zip(gradients, torch.split(flat, [each.numel() for each in gradients]), strict=True):
        each.copy_(part.view_as(each))


if __name__ == "__main__":
    work(int(sys.argv[1])) if sys.argv[1:] else supervise()
