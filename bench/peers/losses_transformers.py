"""A run of transformers' Trainer that saves every so many steps: `python -m bench.peers.losses_transformers`.

`save_strategy="steps"`, `save_steps` and `resume_from_checkpoint=True`, as its documents tell. `jit` adds
`enable_jit_checkpoint=True`, which saves on SIGTERM and is off by default. `again` is a start after another. See losses_fork.py.
"""

import os
from pathlib import Path
from time import sleep
from typing import Any

from bench.peers.losses_fork import BATCH, STEP_SECONDS, STEPS, Samples, model, note, resumed, serve
from torch import Tensor, nn
from transformers import Trainer, TrainerCallback, TrainingArguments


class Model(nn.Module):
    """The model, which gives its loss as Trainer asks for it."""

    def __init__(self) -> None:
        super().__init__()
        self.model = model()

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        """The loss, later."""
        sleep(STEP_SECONDS)
        return {"loss": self.model(inputs).square().mean()}


class Named(Samples):
    """The samples, by the name of the model's argument."""

    def __getitem__(self, at: int) -> Any:
        """One sample."""
        return {"inputs": super().__getitem__(at)}


class Notes(TrainerCallback):  # type: ignore[misc]  # it has no types here
    """Tells the steps."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """See `resumed`."""
        resumed(self.place, state.global_step)

    def on_step_end(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """See `note`."""
        note(self.place, state.global_step)


def work(place: Path, words: set[str]) -> None:
    """Trains until it is killed, or told to stop."""
    arguments = TrainingArguments(
        output_dir=str(place / "saved"), max_steps=STEPS, per_device_train_batch_size=BATCH, learning_rate=1e-3,
        save_strategy="steps", save_steps=int(os.environ["SAVE_EVERY"]), enable_jit_checkpoint="jit" in words,
        use_cpu=True, logging_strategy="no", report_to="none", disable_tqdm=True,
    )  # fmt: skip
    trainer = Trainer(model=Model(), args=arguments, train_dataset=Named(), callbacks=[Notes(place)])
    trainer.train(resume_from_checkpoint="again" in words or None)


if __name__ == "__main__":
    serve(work)
