"""StatefulDataLoader over a memory map: `python loader_torchdata.py FOLDER SECONDS ARM`, one JSON line."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchdata
from torch import Tensor
from torch.utils.data import Dataset
from torchdata.stateful_dataloader import StatefulDataLoader

CONTEXT, BATCH = 512, 256


class Windows(Dataset[Any]):
    """Windows of 512 tokens and the one after."""

    def __init__(self, path: Path) -> None:
        self.tokens = np.memmap(path, dtype="<u2", mode="r")

    def __len__(self) -> int:
        """Windows in the file."""
        return (len(self.tokens) - 1) // CONTEXT

    def __getitem__(self, at: int) -> Any:
        """One window, still narrow: it is widened once a batch."""
        return self.tokens[at * CONTEXT : at * CONTEXT + CONTEXT + 1]


class Plain(Windows):
    """The same, widened window by window, as a tensor for the loader's own `default_collate`."""

    def __getitem__(self, at: int) -> Any:
        """One window."""
        return torch.from_numpy(super().__getitem__(at).astype(np.int64))


class Batched(Windows):
    """The same, asked for by the batch."""

    def __getitems__(self, at: list[int]) -> Any:
        """All windows of a batch in one gather."""
        return self.tokens[np.array(at)[:, None] * CONTEXT + np.arange(CONTEXT + 1)]


def collate(rows: Any) -> Tensor:
    """Widened once a batch."""
    return torch.from_numpy(np.asarray(rows).astype(np.int64))


ARMS: dict[str, tuple[type[Windows], Any]] = {
    "loader_torchdata": (Plain, None),
    "loader_torchdata_collate": (Windows, collate),
    "loader_torchdata_getitems": (Batched, collate),
}


def main(folder: str, seconds: str, arm: str) -> None:
    """Measures whole epochs for so many seconds."""
    kind, together = ARMS[arm]
    loader = StatefulDataLoader(
        kind(Path(folder, "shard-00000.bin")),
        batch_size=BATCH,
        shuffle=True,
        num_workers=0,
        drop_last=True,
        collate_fn=together,
    )
    for _ in loader:
        pass
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < float(seconds):
        done += sum(len(batch) for batch in loader)
    speed = done / (time.perf_counter() - started)
    versions = {"torch": torch.__version__, "torchdata": torchdata.__version__}
    print(json.dumps({"samples_per_second": speed, "versions": versions}))


if __name__ == "__main__":
    main(*sys.argv[1:])
