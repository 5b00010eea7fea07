"""mosaicml-streaming over local MDS shards: `python loader_streaming.py FOLDER SECONDS ARM`, one JSON line."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import streaming
import torch
from streaming import MDSWriter, StreamingDataset
from streaming.base.util import clean_stale_shared_memory
from torch import Tensor
from torch.utils.data import DataLoader

CONTEXT, BATCH = 512, 256


def convert(source: Path, to: Path) -> None:
    """Our shard as MDS, each window a sample."""
    tokens = np.fromfile(source, dtype="<u2")
    with MDSWriter(out=str(to), columns={"tokens": f"ndarray:uint16:{CONTEXT + 1}"}) as out:
        for first in range(0, len(tokens) - CONTEXT, CONTEXT):
            out.write({"tokens": tokens[first : first + CONTEXT + 1]})


def collate(rows: list[dict[str, Any]]) -> Tensor:
    """Widened once a batch."""
    return torch.from_numpy(np.stack([row["tokens"] for row in rows]).astype(np.int64))


def main(folder: str, seconds: str, _arm: str) -> None:
    """Measures whole epochs for so many seconds."""
    place = Path(folder, "mds")
    if not place.exists():
        convert(Path(folder, "shard-00000.bin"), place)
    clean_stale_shared_memory()
    data = StreamingDataset(local=str(place), shuffle=True, batch_size=BATCH)
    loader = DataLoader(data, batch_size=BATCH, num_workers=0, drop_last=True, collate_fn=collate)
    for _ in loader:
        pass
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < float(seconds):
        done += sum(len(batch) for batch in loader)
    speed = done / (time.perf_counter() - started)
    versions = {"torch": torch.__version__, "mosaicml-streaming": streaming.__version__}
    print(json.dumps({"samples_per_second": speed, "versions": versions}))


if __name__ == "__main__":
    main(*sys.argv[1:])
