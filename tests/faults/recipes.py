"""A user's own recipe in a module of the user's: `gpt_tiny`, with the faults that the environment asks for.

| variable | what it is |
|---|---|
| `FAULT_PLACE` | folder for what the test wants to see: `steps-<rank>`, a line for each step begun, and words said once |
| `FAULT` | `<what>@<rank>@<step>`: what that rank does at that step: `block` (its data does not come), `kill`, `stop`, `bug` |
| `FAULT_STEP_SECONDS` | by how much longer a step takes |
| `FAULT_SAVE_SECONDS` | by how much longer a rank's file of a checkpoint takes to write |
| `FAULT_EVALUATE_SECONDS` | by how much longer a batch of an evaluation takes |

None of it is in the recipe itself: a run goes on with the same one, with other faults.
"""

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from springtide_workloads.contract import Layout
from springtide_workloads.data.dataset import Batch, Dataset, Lazy, TextData
from springtide_workloads.data.permutation import Words
from springtide_workloads.recipes import AdamW, Recipe
from springtide_workloads.recipes.gpt import gpt_tiny
from springtide_workloads.storage import Data, Store


def tiny(  # noqa: PLR0913  each argument may be overridden by name in the recipe's text
    *,
    name: str,
    steps: int = 60,
    save_every: int = 10,
    eval_every: int = 40,
    width: int = 32,
    exact: int = 0,
    batch: int = 4,
) -> Recipe:
    """Trains in a second. With dropout, so that random states count."""
    recipe = gpt_tiny(
        name=name, steps=steps, batch=batch, context=32, width=width, layers=1, dropout=0.1,
        save_every=save_every, eval_every=eval_every, exact=exact,
    )  # fmt: skip
    assert isinstance(recipe.data, TextData)
    return replace(recipe, data=Text(text=recipe.data, batch=batch), optimizer=Watched(lr=recipe.optimizer.lr))


def seconds(name: str) -> float:
    return float(os.environ.get(f"FAULT_{name}_SECONDS", "0"))


def say(word: str, line: str = "") -> None:
    """Leaves a word where the test looks for it."""
    if place := os.environ.get("FAULT_PLACE"):
        with Path(place, word).open("a") as file:
            file.write(line)


def due(what: str, step: int) -> bool:
    """Whether this rank is to do this at this step."""
    return os.environ.get("FAULT") == f"{what}@{os.environ['RANK']}@{step}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched(AdamW):
    """An optimizer whose rate is asked for as a step begins: where a process tells its steps, and dies."""

    def rate(self, step: int, steps: int) -> float:
        """See `AdamW`."""
        say(f"steps-{os.environ['RANK']}", f"{step}\n")
        time.sleep(seconds("STEP"))
        if due("kill", step):
            os.kill(os.getpid(), signal.SIGKILL)
        if due("stop", step) and not Path(os.environ["FAULT_PLACE"], "stopped").exists():
            say("stopped")
            os.kill(os.getpid(), signal.SIGSTOP)
        if due("bug", step):
            raise ValueError("a mistake of the recipe's author")
        # without super(): a dataclass with slots is another class than the one that is written here
        return AdamW.rate(self, step, steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Text whose samples may not come."""

    text: TextData
    batch: int

    def build(self, url: str | None, scratch: Path) -> "Blocking":
        """See `DataConfig`; called once in each process, so that it is where a process's store is slowed down."""
        slow_saves(seconds("SAVE"))
        return Blocking(self.text.build(url, scratch), self.batch)


class Blocking:
    """A data set that waits where it is told to."""

    def __init__(self, inner: Dataset, batch: int) -> None:
        self._inner = inner
        self._batch = batch

    @property
    def size(self) -> int:
        return self._inner.size

    @property
    def tokens_per_sample(self) -> int:
        return self._inner.tokens_per_sample

    @property
    def baseline(self) -> float | None:
        return self._inner.baseline

    def take(self, samples: Words) -> Batch:
        while due("block", int(samples.min()) // self._batch):
            say("blocked")
            time.sleep(0.05)
        return self._inner.take(samples)

    def held_out(self) -> Sequence[Batch]:
        batches = self._inner.held_out()

        def slowly(at: int) -> Batch:
            say("evaluating")
            time.sleep(seconds("EVALUATE"))
            return batches[at]

        return Lazy(len(batches), slowly)

    def describe(self) -> str:
        return self._inner.describe()

    def close(self) -> None:
        self._inner.close()


def slow_saves(longer: float) -> None:
    """From now on every file of a checkpoint takes so many seconds longer to write in this process."""
    if not longer:
        return
    write = Store.write

    def slowly(store: Store, path: str, data: Data) -> None:
        if path.startswith(Layout.CHECKPOINTS):
            say("saving")
            time.sleep(longer)
        write(store, path, data)

    Store.write = slowly  # type: ignore[method-assign, assignment]
