"""What each slot of a batch is at, in tensors that stay where they are: a step gathers from them and never loops over rows."""

import torch
from torch import Tensor

from springtide_workloads.serve.generate.sampling import Choice
from springtide_workloads.serve.generate.sequence import Sequence


class Rows:
    """A row a slot, and one more, of nobody: batches are padded with it."""

    def __init__(self, slots: int, pages: int, *, spare_page: int, device: torch.device) -> None:
        self.nobody = slots
        self._spare = spare_page
        count = slots + 1

        def zeros(dtype: torch.dtype) -> Tensor:
            return torch.zeros(count, dtype=dtype, device=device)

        self.token = zeros(torch.int64)
        self.length = zeros(torch.int64)
        self.table = torch.full((count, pages), spare_page, device=device)
        self.adapter = zeros(torch.int64)
        self._temperature, self._top_p = zeros(torch.float64), zeros(torch.float64)
        self._top_k, self._seed, self._drawn = (zeros(torch.int64) for _ in range(3))

    def fill(self, sequence: Sequence) -> None:
        """Takes a sequence into its slot."""
        slot, asked = sequence.slot, sequence.asked
        self.table[slot] = self._spare
        self.table[slot, : len(sequence.pages)] = torch.tensor(sequence.pages, device=self.table.device)
        self.length[slot] = sequence.written
        self.adapter[slot] = sequence.adapter
        self._temperature[slot], self._top_p[slot], self._top_k[slot] = asked.temperature, asked.top_p, asked.top_k
        self._seed[slot], self._drawn[slot] = sequence.seed, asked.skip

    def choice(self, rows: Tensor) -> Choice:
        """How these rows choose."""
        return Choice(
            temperature=self._temperature[rows],
            top_p=self._top_p[rows],
            top_k=self._top_k[rows],
            seed=self._seed[rows],
            drawn=self._drawn[rows],
        )

    def wrote(self, rows: Tensor, lengths: Tensor) -> None:
        """These rows have so many tokens in the cache now."""
        self.length[rows] = lengths
        # padding stands still, so that it never leaves its page
        self.length[self.nobody] = 0

    def drew(self, rows: Tensor, tokens: Tensor) -> None:
        """These rows go on with these tokens."""
        self.token[rows] = tokens
        self._drawn[rows] += 1
