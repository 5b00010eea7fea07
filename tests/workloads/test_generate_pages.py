"""Pages of the cache: none in two hands unless it is shared, none lost, none found by what is not in it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from springtide_workloads.serve.generate.pages import Pages

COUNT, SIZE = 12, 4
PROMPTS = st.lists(st.integers(0, 1), min_size=1, max_size=20)
FAMILIES = st.sampled_from([0, 1, 2])


class Held:
    """A sequence as the scheduler has it."""

    def __init__(self, family: int, prompt: list[int], pages: list[int], cached: int, room: int) -> None:
        self.family, self.prompt, self.pages, self.cached, self.room = family, prompt, pages, cached, room
        self.written = cached


class AllPages(RuleBasedStateMachine):
    """Sequences come, write, publish and go; `contents` is what is really in the pages."""

    def __init__(self) -> None:
        super().__init__()
        self.pages = Pages(COUNT, size=SIZE)
        self.held: list[Held] = []
        self.contents: dict[int, tuple[int, tuple[int, ...]]] = {}

    @rule(family=FAMILIES, prompt=PROMPTS, more=st.integers(0, 12))
    def reserve(self, family: int, prompt: list[int], more: int) -> None:
        room, before = len(prompt) + more, self.pages.available
        found = self.pages.reserve(family, prompt, room)
        if found is None:
            assert self.pages.available == before
            assert self.pages.needed(room) > before - COUNT or before < COUNT
            return
        pages, cached = found
        assert len(pages) == len(set(pages)) == self.pages.needed(room)
        assert cached < len(prompt)
        assert cached % SIZE == 0
        for at in range(cached // SIZE):
            assert self.contents[pages[at]] == (family, tuple(prompt[: (at + 1) * SIZE]))
        others = {page for each in self.held for page in each.pages[each.cached // SIZE :][each.written // SIZE :]}
        assert not others & set(pages), "a page that somebody still writes to was given away"
        self.held.append(Held(family, prompt, pages, cached, room))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), tokens=st.lists(st.integers(0, 1), max_size=8))
    def write(self, data: st.DataObject, tokens: list[int]) -> None:
        one = data.draw(st.sampled_from(self.held))
        one.prompt = (one.prompt + tokens)[: one.room]
        for at in range(one.written // SIZE, len(one.prompt) // SIZE):
            holders = [each for each in self.held if one.pages[at] in each.pages]
            assert holders == [one], "two hands write to one page"
            self.contents[one.pages[at]] = (one.family, tuple(one.prompt[: (at + 1) * SIZE]))
        one.written = max(one.written, len(one.prompt) // SIZE * SIZE)
        if data.draw(st.booleans()):
            self.pages.publish(one.family, one.prompt[: one.written], one.pages)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        one = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        self.pages.release(one.pages)

    @invariant()
    def references_are_the_hands(self) -> None:
        hands = [sum(page in each.pages for each in self.held) for page in range(COUNT)]
        assert self.pages._references == hands
        assert all(hands[page] <= 1 or page in self.pages._keys for page in range(COUNT))

    @invariant()
    def no_page_is_lost(self) -> None:
        free, kept = set(self.pages._free), set(self.pages._kept)
        held = {page for each in self.held for page in each.pages}
        assert len(self.pages._free) == len(free)
        assert sorted([*free, *kept, *held]) == list(range(COUNT))
        assert self.pages.available + self.pages.used == COUNT

    @invariant()
    def what_is_known_is_where_it_is_known(self) -> None:
        assert {known.page: key for key, known in self.pages._known.items()} == self.pages._keys
        assert set(self.pages._kept) <= set(self.pages._keys)


TestAllPages = AllPages.TestCase
TestAllPages.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def filled(pages: Pages, prompt: list[int], family: str = "") -> list[int]:
    found = pages.reserve(family, prompt, len(prompt))
    assert found is not None
    pages.publish(family, prompt, found[0])
    return found[0]


def test_full_pages_of_an_equal_prefix_are_shared() -> None:
    pages = Pages(8, size=4)
    first = filled(pages, [1] * 9)
    found = pages.reserve("", [1] * 8 + [2, 3], 12)
    assert found is not None
    assert found[1] == 8
    assert found[0][:2] == first[:2]
    assert found[0][2] not in first


def test_the_last_token_of_a_prompt_is_always_computed() -> None:
    pages = Pages(8, size=4)
    filled(pages, [1] * 8)
    found = pages.reserve("", [1] * 8, 8)
    assert found is not None
    assert found[1] == 4


def test_what_was_given_back_is_found_until_its_room_is_needed() -> None:
    pages = Pages(3, size=4)
    pages.release(filled(pages, [1] * 9))
    assert pages.available == 3
    again = pages.reserve("", [1] * 9, 9)
    assert again is not None
    assert again[1] == 8
    pages.release(again[0])
    pages.release(filled(pages, [2] * 12))
    forgotten = pages.reserve("", [1] * 9, 9)
    assert forgotten is not None
    assert forgotten[1] == 0


def test_the_end_of_a_prefix_goes_before_its_beginning() -> None:
    pages = Pages(3, size=4)
    pages.release(filled(pages, [1] * 9))
    pages.release(filled(pages, [2] * 8))
    found = pages.reserve("", [1] * 9, 9)
    assert found is not None
    assert found[1] == 4


def test_families_share_nothing() -> None:
    pages = Pages(8, size=4)
    filled(pages, [1] * 9)
    found = pages.reserve("adapter", [1] * 9, 9)
    assert found is not None
    assert found[1] == 0


@pytest.mark.parametrize("tokens", [33, 100])
def test_too_few_pages_reserve_nothing(tokens: int) -> None:
    pages = Pages(8, size=4)
    assert pages.reserve("", [1], tokens) is None
    assert pages.available == 8


@settings(max_examples=50, deadline=None)
@given(tokens=st.integers(1, 1000), size=st.integers(1, 64))
def test_needed_pages_are_just_enough(tokens: int, size: int) -> None:
    needed = Pages(1, size=size).needed(tokens)
    assert (needed - 1) * size < tokens <= needed * size
