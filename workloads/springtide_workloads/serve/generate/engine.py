"""The engine behind text endpoints: takes requests from the line, lets them join and leave at each step."""

import secrets
from collections import deque
from collections.abc import Mapping
from typing import Final, Protocol

import torch

from springtide_workloads.contract import Device
from springtide_workloads.errors import ConfigError
from springtide_workloads.serve.generate.batch import Batch
from springtide_workloads.serve.generate.checks import check
from springtide_workloads.serve.generate.options import Options
from springtide_workloads.serve.generate.played import Played
from springtide_workloads.serve.generate.request import Generate, Tokens
from springtide_workloads.serve.generate.sequence import Asking
from springtide_workloads.serve.generate.served import Served, served
from springtide_workloads.serve.http import Refusal
from springtide_workloads.serve.line import Line
from springtide_workloads.storage import Store

PROMPT_TOKENS_A_STEP: Final = 8
"""Tokens of a prompt that take about as long as one token that is given: they are read many at a time."""

BROKEN_STEPS: Final = 3
"""Steps in a row that break before the engine gives up: a device that is lost never comes back within a process."""

_SEEDS: Final = 1 << 63


class Observer(Protocol):
    """What the engine tells of itself at each step."""

    def batch(self, size: int) -> None:
        """So many requests are computed together."""

    def cache(self, used: float) -> None:
        """This part of the cache is held by requests, 0 to 1; what is only kept for later is not counted."""


class Generation:
    """Serves exported GPTs. One thread loads and runs; `check`, `cost` and `names` may be asked from any."""

    def __init__(
        self,
        first: Store,
        device: Device,
        options: Options | None = None,
        *,
        further: Mapping[str, Store] | None = None,
        observe: Observer | None = None,
    ) -> None:
        """An engine that has loaded nothing yet.

        Args:
            first: artifacts of the run whose model answers requests that name none.
            device: what to compute on.
            options: how.
            further: models beside it, and adapters of it, by the names that requests give them.
            observe: is told of each step.
        """
        self._first, self._further = first, dict(further or {})
        self._device = device
        self._options = options or Options()
        self._observe = observe
        self._models: dict[str, Served] = {}
        self._batches: list[Batch] = []
        self._waiting: deque[Asking] = deque()
        self._broken = 0

    @property
    def names(self) -> tuple[str, ...]:
        """Models that may be named, the first one first; none before `load`."""
        return tuple(self._models)

    @property
    def slots(self) -> int:
        """Requests that are computed at a time."""
        return self._options.slots

    def context(self, name: str = "") -> int:
        """Tokens that a model sees at most, those that it gives included.

        Raises:
            Refusal: 404, when there is no such model.
        """
        return self._named(name).config.context

    def load(self) -> None:
        """Reads the exports and computes once with each.

        Raises:
            StorageError: when an export is missing, or damaged.
            ConfigError: when the device is not there, or the options do not fit the models.
        """
        if self._device is Device.CUDA and not torch.cuda.is_available():
            raise ConfigError("SPRINGTIDE_DEVICE is cuda and torch sees no GPU here: check the driver, or set cpu")
        if self._options.threads is not None:
            torch.set_num_threads(self._options.threads)
        models = served(self._first, self._further, torch.device(self._device.value), self._options)
        for each in models.values():
            self._warm(each)
        self._batches = list({id(each.batch): each.batch for each in models.values()}.values())
        self._models = models

    def check(self, asked: Generate) -> None:
        """Says no to what cannot be computed, before it enters the line.

        Raises:
            Refusal: 404 for a model that is not here; 422, naming the field, for what does not fit the model.
        """
        check(asked, self._named(asked.model).config)

    def cost(self, asked: Generate) -> float:
        """How long it takes, in tokens given."""
        return asked.max_tokens + len(asked.prompt) / PROMPT_TOKENS_A_STEP

    def run(self, line: Line[Generate, Tokens]) -> None:
        """Computes until the line is closed and everything that came out of it is answered."""
        while True:
            idle = not any(batch.members for batch in self._batches)
            self._take(line, wait=None if idle and not self._waiting else 0.0)
            self._join()
            for batch in self._batches:
                if batch.members:
                    self._step(batch)
            if line.closed and not self._waiting and not any(batch.members for batch in self._batches):
                return

    def _named(self, name: str) -> Served:
        found = self._models.get(name or next(iter(self._models), ""))
        if found is None:
            raise Refusal(404, f"there is no model {name}: this server has {', '.join(self._models)}", field="model")
        return found

    def _take(self, line: Line[Generate, Tokens], *, wait: float | None) -> None:
        """New requests, as many as may join at once: those that wait here cannot be overtaken by more important ones."""
        held = len(self._waiting)
        room = sum(batch.room for batch in self._batches)
        # with one model, whoever waits here waits for pages, and so would those behind him
        most = 0 if held and len(self._batches) == 1 else room - held
        if most > 0:
            self._waiting.extend(line.take(most, wait))

    def _join(self) -> None:
        """Lets those in that wait, in their order; a model without room does not hold up the others."""
        full: set[int] = set()
        for work in [self._waiting.popleft() for _ in range(len(self._waiting))]:
            if not self._joined(work, full):
                self._waiting.append(work)

    def _joined(self, work: Asking, full: set[int]) -> bool:
        """Whether a request needs to wait no more: it joined, or it is over."""
        if work.gone:
            work.end()
            return True
        try:
            model = self._named(work.asked.model)
            check(work.asked, model.config)
            if id(model.batch) in full:
                return False
            seed = secrets.randbits(63) if work.asked.seed is None else work.asked.seed % _SEEDS
            joined = model.batch.join(work, family=model.adapter, seed=seed, adapter=model.adapter)
        except Exception as error:  # noqa: BLE001  a request that fails must not take the others with it
            work.fail(error)
            return True
        if not joined:
            full.add(id(model.batch))
        return joined

    def _step(self, batch: Batch) -> None:
        together = len(batch.members)
        try:
            batch.step()
            self._broken = 0
        except Exception as error:
            batch.fail(error)
            self._broken += 1
            if self._broken == BROKEN_STEPS:
                raise
        if self._observe is not None:
            self._observe.batch(together)
            pages = [each.pages for each in self._batches]
            self._observe.cache(sum(each.used for each in pages) / sum(each.count for each in pages))

    def _warm(self, model: Served) -> None:
        """Computes a prompt and two tokens: what is allocated or compiled at first use is there then."""
        work = Played(Generate(prompt=bytes(min(2, model.config.context - 2)), max_tokens=2))
        model.batch.join(work, family=secrets.token_hex(4), adapter=model.adapter)
        while model.batch.members:
            model.batch.step()
