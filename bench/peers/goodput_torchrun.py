"""The steps of `goodput_recipe` under torchrun, as torch's own tutorial of fault tolerance does.

DDP; rank 0 saves a snapshot with torch.save every so many steps, and every start loads it again. `GOODPUT_RECIPE` is the
recipe's text.
"""

import os
import tempfile
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from springtide_workloads.recipes import resolve


def main() -> None:
    """Trains until it is killed."""
    dist.init_process_group("gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    recipe = resolve(os.environ["GOODPUT_RECIPE"])
    saved = Path(os.environ["GOODPUT_PLACE"], "snapshot.pt")
    torch.set_num_threads(1)
    torch.manual_seed(recipe.seed)
    model = recipe.model.build()
    optimizer = recipe.optimizer.build(model)
    step = 0
    if saved.exists():
        snapshot = torch.load(saved)
        model.load_state_dict(snapshot["model"])
        optimizer.load_state_dict(snapshot["optimizer"])
        step = snapshot["step"]
    forward = DistributedDataParallel(model)
    data = recipe.data.build(None, Path(tempfile.mkdtemp(dir=saved.parent)))
    part = np.arange(recipe.batch // world, dtype=np.uint64) + np.uint64(rank * recipe.batch // world)
    while step < recipe.steps:
        rate = recipe.optimizer.rate(step, recipe.steps)  # once a step: it notes it
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = recipe.loss(forward, data.take(part + np.uint64(step * recipe.batch)))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        optimizer.step()
        step += 1
        if rank == 0 and recipe.save_every is not None and step % recipe.save_every == 0:
            # beside it and renamed: a kill amid a save must not cost the peer all of its work
            aside = saved.with_suffix(".new")
            torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}, aside)
            aside.rename(saved)


if __name__ == "__main__":
    main()
