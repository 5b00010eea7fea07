"""Which page of the cache is whose: reference counts, prefixes that are shared, and the oldest thrown out first.

A page holds keys and values of `size` neighbouring tokens. Only full pages are shared, since nobody writes to them any more.
A page is found by the tokens in it and the page before it: by their content, so that two prompts never meet by a hash alone.

| a page is | reference count | findable |
|---|---|---|
| free | 0 | no |
| private | 1 | no |
| shared | 1 or more | yes |
| kept | 0 | yes, until its room is needed |
"""

from collections import OrderedDict, deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

SIZE: Final = 16
"""Tokens of a page."""


@dataclass(frozen=True, slots=True)
class _Family:
    """Where all prefixes of a family begin. A type of its own: no name may be taken for a mark."""

    name: Hashable


@dataclass(frozen=True, slots=True)
class _Key:
    """Where a full page is found: under the page before it, by its tokens."""

    before: Hashable
    """Mark of the page before; of a first page its family. Marks are never used twice, as page numbers are."""
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Known:
    page: int
    mark: int


class Pages:
    """Pages numbered from 0. Not for several threads."""

    def __init__(self, count: int, *, size: int = SIZE) -> None:
        self.count = count
        self.size = size
        self._free = deque(range(count))
        self._references = [0] * count
        self._known: dict[_Key, _Known] = {}
        self._keys: dict[int, _Key] = {}
        self._kept: OrderedDict[int, None] = OrderedDict()
        self._marks = 0

    @property
    def available(self) -> int:
        """Pages that `take` could give."""
        return len(self._free) + len(self._kept)

    @property
    def used(self) -> int:
        """Pages that somebody holds."""
        return self.count - self.available

    def needed(self, tokens: int) -> int:
        """Pages that so many tokens fill, the last one perhaps in part."""
        return -(-tokens // self.size)

    def reserve(self, family: Hashable, prompt: Sequence[int], tokens: int) -> tuple[list[int], int] | None:
        """Pages for a sequence of `tokens` tokens that begins with `prompt`, and how many of its tokens they hold already.

        At least the prompt's last token is never among those: it has to be computed to know what comes next.

        Args:
            family: whose keys and values these are; prefixes are shared within it.
            prompt: token ids.
            tokens: how long it may become.

        Returns:
            None, and nothing is reserved, while there are too few pages.
        """
        shared = self._matching(family, prompt)
        fresh = self.needed(tokens) - len(shared)
        if fresh > len(self._free) + len(self._kept) - sum(self._references[page] == 0 for page in shared):
            return None
        for page in shared:
            self._hold(page)
        return shared + [self._fresh() for _ in range(fresh)], len(shared) * self.size

    def publish(self, family: Hashable, tokens: Sequence[int], pages: Sequence[int]) -> None:
        """Lets others find the pages that `tokens` fill. Content that is known already stays where it was known."""
        before: Hashable = _Family(family)
        for at in range(min(len(tokens) // self.size, len(pages))):
            key = _Key(before, tuple(tokens[at * self.size : (at + 1) * self.size]))
            known = self._known.get(key)
            if known is None:
                if pages[at] in self._keys:
                    # known under a page that was thrown out meanwhile: what follows cannot be found either
                    return
                self._marks += 1
                known = self._known[key] = _Known(pages[at], self._marks)
                self._keys[pages[at]] = key
            before = known.mark

    def release(self, pages: Sequence[int]) -> None:
        """Gives pages back. Those that others may find are kept; of a sequence, the last ones are thrown out first."""
        for page in reversed(pages):
            self._references[page] -= 1
            if self._references[page] > 0:
                continue
            if page in self._keys:
                self._kept[page] = None
            else:
                self._free.append(page)

    def _matching(self, family: Hashable, prompt: Sequence[int]) -> list[int]:
        found: list[int] = []
        before: Hashable = _Family(family)
        for at in range((len(prompt) - 1) // self.size):
            known = self._known.get(_Key(before, tuple(prompt[at * self.size : (at + 1) * self.size])))
            if known is None:
                break
            found.append(known.page)
            before = known.mark
        return found

    def _hold(self, page: int) -> None:
        self._references[page] += 1
        self._kept.pop(page, None)

    def _fresh(self) -> int:
        if self._free:
            page = self._free.popleft()
        else:
            page, _ = self._kept.popitem(last=False)
            del self._known[self._keys.pop(page)]
        self._references[page] = 1
        return page
