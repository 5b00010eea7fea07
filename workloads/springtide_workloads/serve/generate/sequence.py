"""One request while it is computed: its tokens so far, its pages, and what of its text may be told."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from springtide_workloads.serve.generate.request import Finish, Generate, Logprobs, Tokens
from springtide_workloads.serve.generate.stops import Watch
from springtide_workloads.serve.work import Work

Asking = Work[Generate, Tokens]


@dataclass(frozen=True, slots=True)
class Place:
    """What a request gets when it joins a batch."""

    slot: int
    pages: list[int]
    cached: int
    """Tokens of its prompt that the pages hold already."""


class Sequence:
    """A request in a batch."""

    def __init__(self, work: Asking, place: Place, *, family: Hashable, seed: int, adapter: int = 0) -> None:
        self.work, self.asked = work, work.asked
        self.slot, self.pages, self.family, self.seed, self.adapter = place.slot, place.pages, family, seed, adapter
        self.tokens = list(self.asked.prompt)
        self.prompt = len(self.tokens)
        self.written = place.cached
        """Tokens whose keys and values are in the pages."""
        self._cached = place.cached
        self._watch = Watch(self.asked.stop)
        self._kept: list[tuple[int, Logprobs | None]] = []

    @property
    def prompting(self) -> bool:
        """Whether some of the prompt is still to be read."""
        return self.written < self.prompt

    def take(self, token: int, logprobs: Logprobs | None = None) -> bool:
        """Adds a token and tells what is settled of the text; says whether that was the last one."""
        self.tokens.append(token)
        finish = Finish.LENGTH if len(self.tokens) - self.prompt == self.asked.max_tokens else None
        if not self.asked.stop:
            self._tell([(token, logprobs)], finish)
            return finish is not None
        settled = self._watch.feed(token)
        self._kept.append((token, logprobs))
        finish = Finish.STOP if settled.stopped else finish
        count = len(self._kept) if finish is Finish.LENGTH else len(settled.data)
        ready, self._kept = self._kept[:count], self._kept[count:]
        if ready or finish:
            self._tell(ready, finish)
        return finish is not None

    def _tell(self, ready: list[tuple[int, Logprobs | None]], finish: Finish | None) -> None:
        told: dict[str, Any] = {"ids": tuple(token for token, _ in ready), "finish": finish, "cached": self._cached}
        if self.asked.logprobs is not None:
            told["logprobs"] = tuple(each for _, each in ready)
        self._cached = 0
        self.work.emit(Tokens(**told))
