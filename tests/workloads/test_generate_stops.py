"""Stop sequences: nothing of them is told, also when they come in pieces, and nothing else is lost or late."""

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.workloads.generating import FakeWork, asked

from springtide_workloads.serve.generate.request import Finish, Logprobs
from springtide_workloads.serve.generate.sequence import Place, Sequence
from springtide_workloads.serve.generate.stops import Watch

LETTERS = st.binary(max_size=40).map(lambda data: bytes(byte % 3 + 97 for byte in data))
STOPS = st.lists(st.binary(min_size=1, max_size=4).map(lambda data: bytes(b % 3 + 97 for b in data)), max_size=3)


def wanted(text: bytes, stops: list[bytes]) -> tuple[bytes, bool]:
    """The text before the stop that ends first; of several that end there, before the longest."""
    for end in range(1, len(text) + 1):
        ended = [stop for stop in stops if text[:end].endswith(stop)]
        if ended:
            return text[: end - max(map(len, ended))], True
    return text, False


@settings(max_examples=300, deadline=None)
@given(text=LETTERS, stops=STOPS)
def test_the_text_ends_before_the_first_stop(text: bytes, stops: list[bytes]) -> None:
    watch, told, stopped = Watch(tuple(stops)), b"", False
    for at, byte in enumerate(text):
        settled = watch.feed(byte)
        told += settled.data
        if stopped := settled.stopped:
            break
        # what is kept back could still become a stop, and only that is
        kept = text[len(told) : at + 1]
        assert kept == watch.rest()
        assert not kept or any(stop.startswith(kept) for stop in stops)
    assert (told if stopped else told + watch.rest(), stopped) == wanted(text, stops)


def sequence(work: FakeWork) -> Sequence:
    return Sequence(work, Place(0, [], 0), family="", seed=0)


def test_a_stop_in_pieces_is_held_back_and_never_told() -> None:
    work = FakeWork(asked(b"q", 10, stop=(b"END",)))
    one = sequence(work)
    assert [one.take(byte) for byte in b"aENbEND"] == [False] * 6 + [True]
    assert bytes(work.ids) == b"aENb"
    assert work.finish is Finish.STOP
    assert [len(piece.ids) for piece in work.pieces] == [1, 3, 0]


def test_what_was_held_back_is_told_when_the_tokens_are_used_up() -> None:
    work = FakeWork(asked(b"q", 3, stop=(b"END",)))
    one = sequence(work)
    assert [one.take(byte) for byte in b"aEN"] == [False, False, True]
    assert bytes(work.ids) == b"aEN"
    assert work.finish is Finish.LENGTH


def test_a_stop_that_comes_with_the_last_token_counts_as_a_stop() -> None:
    work = FakeWork(asked(b"q", 2, stop=(b"b",)))
    one = sequence(work)
    assert [one.take(byte) for byte in b"ab"] == [False, True]
    assert work.finish is Finish.STOP


def test_log_probabilities_stay_with_their_tokens() -> None:
    work = FakeWork(asked(b"q", 4, stop=(b"xy",), logprobs=0))
    one = sequence(work)
    for at, byte in enumerate(b"axbc"):
        one.take(byte, Logprobs(chosen=float(at)))
    assert [each.chosen for each in work.logprobs] == [0.0, 1.0, 2.0, 3.0]
    assert bytes(work.ids) == b"axbc"


def test_tokens_are_told_one_by_one_without_stops() -> None:
    work = FakeWork(asked(b"q", 3))
    one = sequence(work)
    for byte in b"abc":
        one.take(byte)
    assert [piece.ids for piece in work.pieces] == [(97,), (98,), (99,)]
    assert [piece.finish for piece in work.pieces] == [None, None, Finish.LENGTH]
