"""A run of Lightning that saves every so many steps: `python -m bench.peers.losses_lightning`, see losses_fork.py.

`ModelCheckpoint(every_n_train_steps, save_last=True)` and `fit(ckpt_path="last")`, as its documents tell; SIGTERM is left to
Lightning. `exception` adds `save_on_exception=True`, which is off by default. `again` is a start after another.
"""

import os
from pathlib import Path
from time import sleep
from typing import Any

import lightning as pl
import torch
from bench.peers.losses_fork import BATCH, STEP_SECONDS, STEPS, Samples, model, note, resumed, serve
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor
from torch.utils.data import DataLoader


class Module(pl.LightningModule):  # type: ignore[misc]  # it has no types here
    """The model, its loss and its optimizer."""

    def __init__(self, place: Path) -> None:
        super().__init__()
        self.model, self.place = model(), place

    def on_train_start(self) -> None:
        """See `resumed`."""
        resumed(self.place, self.trainer.global_step)

    def training_step(self, batch: Any, _: int) -> Tensor:
        """The loss, later."""
        sleep(STEP_SECONDS)
        loss: Tensor = self.model(batch).square().mean()
        return loss

    def on_train_batch_end(self, *_: Any) -> None:
        """See `note`."""
        note(self.place, self.trainer.global_step)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """As the other arms."""
        return torch.optim.AdamW(self.parameters(), lr=1e-3)


def work(place: Path, words: set[str]) -> None:
    """Trains until it is killed, or told to stop."""
    saves = ModelCheckpoint(
        dirpath=place / "saved", every_n_train_steps=int(os.environ["SAVE_EVERY"]), save_last=True,
        save_on_exception="exception" in words,
    )  # fmt: skip
    trainer = pl.Trainer(
        accelerator="cpu", devices=1, max_steps=STEPS, callbacks=[saves], logger=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=place,
    )  # fmt: skip
    trainer.fit(Module(place), DataLoader(Samples(), batch_size=BATCH), ckpt_path="last" if "again" in words else None)


if __name__ == "__main__":
    serve(work)
