"""Sequences that are computed together, a step at a time; they join and leave between any two steps."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from springtide_workloads.serve.generate.group import Group
from springtide_workloads.serve.generate.kernel import Kernel
from springtide_workloads.serve.generate.pages import Pages
from springtide_workloads.serve.generate.rows import Rows
from springtide_workloads.serve.generate.sequence import Asking, Place, Sequence

Padding = Callable[[int], int]
"""From how many there are to how many are computed."""


def in_fours(count: int) -> int:
    """The next multiple of four. CPU matrix kernels compute a row alike in all batches of such sizes, and not in others."""
    return -(-count // 4) * 4


@dataclass(slots=True, kw_only=True)
class Count:
    """Exact numbers of what was computed. A slot-step is one slot in one step."""

    steps: int = 0
    slot_steps: int = 0
    used: int = 0
    """Slot-steps in which a sequence read some of its prompt or got a token."""
    tokens: int = 0
    """Tokens given."""
    prompt_tokens: int = 0
    """Tokens of prompts that were read."""
    cached_tokens: int = 0
    """Tokens of prompts that were in the cache already."""

    @property
    def wasted(self) -> int:
        """Slot-steps that brought nobody on."""
        return self.slot_steps - self.used


@dataclass(slots=True, kw_only=True)
class Batch:
    """Slots over one kernel and its pages.

    Pages for the longest that a sequence may become are reserved when it joins. So none that was accepted ever waits for
    another one's pages or is computed twice; the price is that pages stay empty while their sequence grows.
    """

    kernel: Kernel
    pages: Pages
    rows: Rows
    slots: int
    step_tokens: int
    """Tokens of prompts that one step reads at most: what a long prompt may delay the others."""
    padded: Padding = in_fours
    """From the rows that get a token to those that are computed."""
    widened: Padding = in_fours
    """From the pages of the longest row to those that are looked at."""
    adapt: Callable[[Tensor | None], None] = lambda _: None
    """Told before each forward pass which adapter each of its rows has; None when no row has one."""
    count: Count = field(default_factory=Count)
    members: list[Sequence] = field(default_factory=list)
    """In the order in which they joined."""
    _decoding: Group | None = None
    _free: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self._free = list(range(self.slots - 1, -1, -1))

    @property
    def room(self) -> int:
        """Free slots."""
        return len(self._free)

    def join(self, work: Asking, *, family: Hashable = "", seed: int = 0, adapter: int = 0) -> bool:
        """Takes a request in; False, and nothing happens, while there is no slot or there are too few pages."""
        asked = work.asked
        if not self._free:
            return False
        # the last token is given and never read
        found = self.pages.reserve(family, tuple(asked.prompt), len(asked.prompt) + asked.max_tokens - 1)
        if found is None:
            return False
        pages, cached = found
        sequence = Sequence(work, Place(self._free.pop(), pages, cached), family=family, seed=seed, adapter=adapter)
        self.rows.fill(sequence)
        self.members.append(sequence)
        self.count.cached_tokens += cached
        work.begin()
        return True

    @torch.inference_mode()
    def step(self) -> None:
        """Lets those go for whom nobody waits, gives whoever has read its prompt a token, and lets the others read on."""
        for each in [each for each in self.members if each.work.gone]:
            self._end(each)
        if not self.members:
            return
        self.count.steps += 1
        self.count.slot_steps += self.slots
        reading = [each for each in self.members if each.prompting]
        decoding = self._decoding or self._decoders()
        if decoding.members:
            self._decode(decoding)
        left = max(1, self.step_tokens - len(decoding.members))
        while reading:
            parts = _parts([each.prompt - each.written for each in reading], left)
            self._read(reading[: len(parts)], parts)
            # what padding would have taken is used by those behind, as long as it is worth a pass
            left -= len(parts) * max(parts)
            reading = reading[len(parts) :] if left >= self.pages.size else []

    def fail(self, error: BaseException) -> None:
        """Gives everybody up: what was being computed cannot be trusted any more."""
        for each in list(self.members):
            each.written = 0
            self._leave(each)
            each.work.fail(error)

    def _end(self, sequence: Sequence) -> None:
        self._leave(sequence)
        sequence.work.end()

    def _leave(self, sequence: Sequence) -> None:
        """Frees a slot and its pages. What was written stays findable while there is room."""
        self.members.remove(sequence)
        self._publish(sequence)
        self.pages.release(sequence.pages)
        self._free.append(sequence.slot)
        self._decoding = None

    def _publish(self, sequence: Sequence) -> None:
        self.pages.publish(sequence.family, sequence.tokens[: sequence.written], sequence.pages)

    def _decoders(self) -> Group:
        members = [each for each in self.members if not each.prompting]
        self._decoding = self._group(members, self.padded(len(members)))
        return self._decoding

    def _group(self, members: list[Sequence], count: int) -> Group:
        slots = [each.slot for each in members] + [self.rows.nobody] * (count - len(members))
        return Group(members, torch.tensor(slots, device=self.rows.token.device))

    def _decode(self, group: Group) -> None:
        """One token for each row."""
        tokens, positions = self.rows.token[group.rows][:, None], self.rows.length[group.rows][:, None]
        for each in group.members:
            each.written += 1
        logits = self._logits(group, tokens, positions, torch.zeros_like(group.rows))
        self.rows.wrote(group.rows, positions[:, 0] + 1)
        self.count.used += len(group.members)
        self._choose(group, logits)

    def _read(self, reading: list[Sequence], parts: list[int]) -> None:
        """So many more tokens of each prompt."""
        group = self._group(reading, len(parts))
        longest = in_fours(max(parts))
        tokens, positions = [], []
        for each, part in zip(group.members, parts, strict=True):
            start, end = each.written, each.written + part
            tokens.append(each.tokens[start:end] + [0] * (longest - part))
            positions.append([*range(start, end), *[-1] * (longest - part)])
            each.written = end
        last = [part - 1 for part in parts]
        logits = self._logits(group, *(self._tensor(each) for each in (tokens, positions, last)))
        self.rows.wrote(group.rows, self._tensor([each.written for each in group.members]))
        self.count.used += len(parts)
        self.count.prompt_tokens += sum(parts)
        self._begin(group, logits)

    def _begin(self, group: Group, logits: Tensor) -> None:
        """The first token of those who have read their prompt."""
        ready = [at for at, each in enumerate(group.members) if not each.prompting]
        if not ready:
            return
        begun = self._group([group.members[at] for at in ready], len(ready))
        for each in begun.members:
            self._publish(each)
        self._decoding = None
        self._choose(begun, logits[self._tensor(ready)])

    def _choose(self, group: Group, logits: Tensor) -> None:
        self.count.tokens += len(group.members)
        for each in group.choose(logits, self.rows):
            self._end(each)

    def _logits(self, group: Group, tokens: Tensor, positions: Tensor, last: Tensor) -> Tensor:
        furthest = max(each.written for each in group.members)
        width = min(self.widened(self.pages.needed(furthest)), self.rows.table.shape[1])
        self.adapt(self.rows.adapter[group.rows] if group.adapted else None)
        return self.kernel(tokens, positions, self.rows.table[group.rows, :width], last)

    def _tensor(self, values: list[int] | list[list[int]]) -> Tensor:
        return torch.tensor(values, device=self.rows.token.device)


def _parts(left: list[int], most: int) -> list[int]:
    """How much of each prompt is read in one pass: in their order, and no more than `most` with the padding counted."""
    parts: list[int] = []
    for each in left:
        share = most // (len(parts) + 1)
        if share < max(parts, default=1):
            break
        parts.append(min(each, share))
    return parts
