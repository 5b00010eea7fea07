"""Sequences that one forward pass computes, and the choice of their next tokens."""

from functools import cached_property

from torch import Tensor

from springtide_workloads.serve.generate.request import ALL, Logprobs
from springtide_workloads.serve.generate.rows import Rows
from springtide_workloads.serve.generate.sampling import choose, log_probabilities
from springtide_workloads.serve.generate.sequence import Sequence


class Group:
    """Sequences and their rows; rows beyond the sequences are padding. What is asked of it is found out once."""

    def __init__(self, members: list[Sequence], rows: Tensor) -> None:
        self.members, self.rows = members, rows

    @cached_property
    def greedy(self) -> bool:
        """Whether nobody draws."""
        return all(each.asked.temperature == 0 for each in self.members)

    @cached_property
    def cut(self) -> bool:
        """Whether somebody leaves tokens out."""
        return any(each.asked.top_p < 1 or each.asked.top_k != ALL for each in self.members)

    @cached_property
    def logprobs(self) -> int | None:
        """How many of the likeliest are told of, at most; None when nobody asks."""
        return max((each.asked.logprobs for each in self.members if each.asked.logprobs is not None), default=None)

    @cached_property
    def adapted(self) -> bool:
        """Whether somebody's model has an adapter."""
        return any(each.adapter for each in self.members)

    def choose(self, logits: Tensor, rows: Rows) -> list[Sequence]:
        """Gives each sequence its next token; returns those whose text ends with it."""
        chosen = choose(logits, rows.choice(self.rows), greedy=self.greedy, cut=self.cut)
        rows.drew(self.rows, chosen)
        told = self._told(logits, chosen)
        taken = zip(self.members, chosen.tolist(), strict=False)
        return [each for (each, token), one in zip(taken, told, strict=True) if each.take(token, one)]

    def _told(self, logits: Tensor, chosen: Tensor) -> list[Logprobs | None]:
        if self.logprobs is None:
            return [None] * len(self.members)
        found = [tensor.tolist() for tensor in log_probabilities(logits, chosen, self.logprobs)]
        every = zip(self.members, *found, strict=False)
        return [_logprobs(each.asked.logprobs, own, values, ids) for each, own, values, ids in every]


def _logprobs(most: int | None, own: float, values: list[float], ids: list[int]) -> Logprobs | None:
    if most is None:
        return None
    return Logprobs(chosen=own, top=tuple(zip(ids[:most], values[:most], strict=True)))
