"""What `bench/restarts.py` kills: a small model under DDP that saves and goes on, written for torchrun as its manual says.

Rank 0 adds a line a step to `RESTART_PLACE/steps`: `<time.monotonic> <pid> <step>`; every rank leaves its process id there.
"""

import os
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

STEPS = 100_000
SAVE_EVERY = 20


def main() -> int:
    """Trains until it is killed."""
    place = Path(os.environ["RESTART_PLACE"])
    torch.set_num_threads(1)
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    # the launcher's own store, with keys of this start only
    address, port, start = (os.environ[name] for name in ("MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RESTART_COUNT"))
    store = dist.TCPStore(address, int(port), is_master=False)  # type: ignore[attr-defined]  # documented, not exported
    keys = dist.PrefixStore(f"start-{start}", store)  # type: ignore[attr-defined]
    dist.init_process_group("gloo", store=keys, rank=rank, world_size=world)
    (place / f"rank-{rank}").write_text(str(os.getpid()))
    torch.manual_seed(0)
    model = nn.Sequential(*(layer for _ in range(4) for layer in (nn.Linear(256, 256), nn.ReLU())))
    forward = DistributedDataParallel(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    saved = place / "saved.pt"
    step = 0
    if saved.exists():
        state = torch.load(saved)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    with (place / "steps").open("a") as steps:
        while step < STEPS:
            loss = forward(torch.randn(8, 256)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            if rank == 0:
                steps.write(f"{time.monotonic()} {os.getpid()} {step}\n")
                steps.flush()
            if rank == 0 and step % SAVE_EVERY == 0:
                state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
                torch.save(state, place / "saving.pt")
                (place / "saving.pt").rename(saved)
            time.sleep(0.005)
    return 0


if __name__ == "__main__":
    sys.exit(main())
