"""OpenAI's endpoints, asked without sockets: streams, and how one that broke is continued."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.workloads.openai_scenes import TEXT, Api, answered, data, serving

from springtide_workloads.serve.generate.request import Finish, Generate, Tokens
from springtide_workloads.serve.generate.stops import Watch
from springtide_workloads.serve.openai.asking import Question
from springtide_workloads.serve.openai.choice import Choice, Said
from springtide_workloads.serve.openai.text import Text

CHAT = "/v1/chat/completions"


@given(st.lists(st.binary(max_size=6)), st.integers(0, 10))
def test_a_text_is_the_same_however_it_is_cut_and_wherever_it_is_taken_up(parts: list[bytes], at: int) -> None:
    text = Text()
    told = [text.feed(part) for part in parts]
    assert "".join([*told, text.feed(b"", last=True)]) == b"".join(parts).decode(errors="replace")
    later = Text(b"".join(parts[:at]))
    rest = [later.feed(part) for part in parts[at:]]
    assert "".join([*told[:at], *rest, later.feed(b"", last=True)]) == b"".join(parts).decode(errors="replace")


@given(st.text(), st.integers(1, 5))
def test_a_character_is_never_split(text: str, size: int) -> None:
    whole = text.encode()
    decoder = Text()
    told = [decoder.feed(whole[at : at + size]) for at in range(0, len(whole), size)]
    assert "�" not in "".join(told).replace("�", "", text.count("�"))
    assert "".join(told) == text


def _choice(given_before: bytes = b"") -> Choice:
    asked = Generate(prompt=b"a", max_tokens=9)
    return Choice(Question(index=0, asked=asked, seed=1, prompt=b"a", given=tuple(given_before)))


@given(st.lists(st.binary(max_size=5), min_size=1), st.integers(0, 9))
def test_the_ids_of_all_chunks_are_the_tokens_and_their_texts_the_text(parts: list[bytes], at: int) -> None:
    at = min(at, len(parts) - 1)
    before, left = b"".join(parts[:at]), parts[at:]
    choice = _choice(before)
    said = [choice.take(Tokens(ids=tuple(part))) for part in left[:-1]]
    said.append(choice.take(Tokens(ids=tuple(left[-1]), finish=Finish.LENGTH)))
    told = [each for each in said if each is not None]
    assert bytes(token for each in told for token in each.ids) == b"".join(left)
    assert choice.tokens == len(b"".join(parts))
    assert Text().feed(before) + "".join(each.text for each in told) == b"".join(parts).decode(errors="replace")
    assert told[-1].finish is Finish.LENGTH


def _stopped(stops: tuple[bytes, ...], tokens: bytes, before: bytes = b"") -> list[Said]:
    """What is told of tokens by an engine that keeps back what may be the beginning of a stop sequence."""
    choice, watch = _choice(before), Watch(stops)
    told: list[Said | None] = []
    for token in tokens:
        settled = watch.feed(token)
        told.append(choice.take(Tokens(ids=tuple(settled.data), finish=Finish.STOP if settled.stopped else None)))
        if settled.stopped:
            break
    else:
        told.append(choice.take(Tokens(ids=tuple(watch.rest()), finish=Finish.LENGTH)))
    return [each for each in told if each is not None]


@given(
    st.lists(st.sampled_from(["a", "b", "ü", "世"]), min_size=1).map("".join),
    st.lists(st.text("abü世", min_size=1, max_size=3), max_size=4),
    st.integers(0, 20),
)
def test_a_text_ends_at_its_first_stop_sequence_also_where_it_was_broken(text: str, stops: list[str], at: int) -> None:
    encoded = tuple(stop.encode() for stop in stops)
    told = _stopped(encoded, text.encode())
    said = "".join(each.text for each in told)
    ends = [(text.index(stop) + len(stop), -len(stop)) for stop in stops if stop in text]
    expected = text[: sum(min(ends))] if ends else text
    assert (said, told[-1].finish) == (expected, Finish.STOP if ends else Finish.LENGTH)
    ids = bytes(token for each in told[:at] for token in each.ids)
    rest = _stopped(encoded, text.encode()[len(ids) :], ids) if at < len(told) else []
    assert "".join(each.text for each in [*told[:at], *rest]) == said


def test_chunks_of_a_completion_make_the_whole_answer(tmp_path: Path) -> None:
    async def talk(api: Api) -> None:
        chunks = await api.stream(max_tokens=len(TEXT))
        assert len({(chunk["id"], chunk["created"], chunk["model"], chunk["object"]) for chunk in chunks}) == 1
        assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == TEXT.decode()
        assert "世" in [chunk["choices"][0]["text"] for chunk in chunks]
        assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None] * (len(chunks) - 1) + ["length"]
        assert all("usage" not in chunk for chunk in chunks)

    serving(tmp_path, talk)


def test_chunks_of_a_chat_say_the_role_once(tmp_path: Path) -> None:
    async def talk(api: Api) -> None:
        chunks = await api.stream(CHAT)
        deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
        assert [delta.get("role") for delta in deltas] == ["assistant"] + [None] * (len(deltas) - 1)
        assert "".join(delta["content"] for delta in deltas) == "Grüße,"
        assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}

    serving(tmp_path, talk)


def test_the_usage_comes_last_and_alone_where_it_is_asked_for(tmp_path: Path) -> None:
    async def talk(api: Api) -> None:
        for path in ("/v1/completions", CHAT):
            *chunks, last = await api.stream(path, stream_options={"include_usage": True})
            assert all(chunk["usage"] is None for chunk in chunks)
            assert last["choices"] == []
            assert last["usage"]["completion_tokens"] == 8

    serving(tmp_path, talk)


def test_every_chunk_says_where_its_answer_stands(tmp_path: Path) -> None:
    async def talk(api: Api) -> None:
        chunks = await api.stream(prompt=["a", "b"], n=2, seed=9, temperature=1)
        for index, seed in enumerate((9, 10, 9, 10)):
            marks = [c["springtide"] for chunk in chunks for c in chunk["choices"] if c["index"] == index]
            assert {mark["seed"] for mark in marks} == {seed}
            counts = [sum(len(mark["ids"]) for mark in marks[: at + 1]) for at in range(len(marks))]
            assert [mark["tokens"] for mark in marks] == counts
            assert counts[-1] == 8

    serving(tmp_path, talk)


def test_a_stream_tells_no_part_of_a_stop_sequence(tmp_path: Path) -> None:
    async def talk(api: Api) -> None:
        chunks = await api.stream(stop="世界!", max_tokens=40)
        assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == "Grüße, "
        assert chunks[-1]["choices"][0]["finish_reason"] == "stop"

    serving(tmp_path, talk)


def test_an_echo_comes_first_in_a_stream(tmp_path: Path) -> None:
    async def talk(api: Api) -> None:
        chunks = await api.stream(prompt="Ü: ", echo=True, max_tokens=2)
        assert [chunk["choices"][0]["text"] for chunk in chunks] == ["Ü: G", "r"]

    serving(tmp_path, talk)


def test_a_silent_stream_is_kept_alive_by_comments(tmp_path: Path) -> None:
    async def talk(api: Api) -> None:
        api.model.let.clear()
        found: list[bytes] = []
        async for event in api.events():
            found.append(event)
            if len(found) == 3:
                api.model.let.set()
        assert found[:3] == [b": waiting\n\n"] * 3
        assert found[-1] == b"data: [DONE]\n\n"

    serving(tmp_path, talk, waiting_seconds=0.02)


def test_a_refusal_before_anything_is_told_has_a_status_of_its_own(tmp_path: Path) -> None:
    async def talk(api: Api) -> None:
        api.model.break_after = 0
        assert (await api.refused("/v1/completions", {"prompt": "a", "stream": True})).status == 503

    serving(tmp_path, talk)


def test_a_stream_that_breaks_ends_with_an_error_that_says_where_it_stands(tmp_path: Path) -> None:
    async def talk(api: Api) -> None:
        api.model.break_after = 4
        found = [data(each) async for each in api.events(n=1, seed=5)]
        error = found[-1]["error"]
        assert (error["code"], error["type"]) == ("stopped", "server_error")
        # the fourth token is the second byte of a character: it is whole
        assert error["springtide"] == {"choices": [{"index": 0, "seed": 5, "tokens": 4, "finish_reason": None}]}
        assert found[-2]["choices"][0]["springtide"]["tokens"] == 4

    serving(tmp_path, talk)


def test_whoever_closes_a_stream_is_waited_for_no_more(tmp_path: Path) -> None:
    async def talk(api: Api) -> None:
        api.model.let.clear()
        events = api.events(n=2, max_tokens=300)
        reading = asyncio.ensure_future(anext(events))
        while not api.model.asked:  # noqa: ASYNC110  another thread's state has no event to wait for
            await asyncio.sleep(0.005)
        reading.cancel()
        await asyncio.wait({reading})
        assert api.line.waiting == 0
        api.model.let.set()
        await api.complete()
        assert len(api.model.gone) == 1

    serving(tmp_path, talk)


def _told(events: list[bytes]) -> tuple[str, list[int], Any]:
    """Text, tokens and last finish of a stream, whole or broken."""
    chunks = [data(each) for each in events if each != b"data: [DONE]\n\n"]
    choices = [choice for chunk in chunks for choice in chunk.get("choices", ())]
    text = "".join(choice["text"] if "text" in choice else choice["delta"]["content"] for choice in choices)
    ids = [token for choice in choices for token in choice["springtide"]["ids"]]
    return text, ids, choices[-1]["finish_reason"] if choices else None


@pytest.mark.parametrize("path", ["/v1/completions", CHAT])
@pytest.mark.parametrize("stop", [None, "🌊 a"])
@pytest.mark.parametrize("temperature", [0, 1])
def test_a_broken_stream_continues_as_if_it_had_never_broken(
    tmp_path: Path, path: str, stop: str | None, temperature: int
) -> None:
    async def talk(api: Api) -> None:
        ask: dict[str, Any] = {"max_tokens": 40, "stop": stop, "temperature": temperature, "seed": 77}
        unbroken = _told([each async for each in api.events(path, **ask)])
        for broken_after in (1, 3, 4, 11, 16, 21, 24):
            api.model.break_after = broken_after
            text, ids, _ = _told([each async for each in api.events(path, **ask)])
            api.model.break_after = None
            again = ask | {"springtide": {"continue_from": {"seed": 77, "ids": ids}}}
            rest, more, finish = _told([each async for each in api.events(path, **again)])
            assert (text + rest, ids + more, finish) == unbroken

    serving(tmp_path, talk)


def test_one_of_several_answers_is_continued_by_its_own_seed(tmp_path: Path) -> None:
    async def talk(api: Api) -> None:
        unbroken = await api.complete(n=3, seed=5, temperature=1, max_tokens=30)
        second = answered(Generate(prompt=b"a", max_tokens=30, seed=6))
        where = {"continue_from": {"seed": 6, "ids": list(second[:10])}}
        rest = await api.complete(temperature=1, max_tokens=30, springtide=where)
        opening = Text().feed(second[:10])
        assert opening + rest["choices"][0]["text"] == unbroken["choices"][1]["text"]
        assert rest["choices"][0]["springtide"] == {"seed": 6, "tokens": 30}
        assert rest["usage"]["prompt_tokens"] == 11

    serving(tmp_path, talk)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"n": 2}, "springtide.continue_from"),
        ({"prompt": ["a", "b"]}, "springtide.continue_from"),
        ({"max_tokens": 2}, "springtide.continue_from.ids"),
        ({"springtide": {"continue_from": {"seed": 1}}}, "springtide.continue_from.ids"),
        ({"springtide": {"continue_from": {"seed": 1, "ids": [300]}}}, "prompt"),
        ({"springtide": {"from": 1}}, "springtide.from"),
    ],
)
def test_what_cannot_be_continued_is_refused_naming_the_field(tmp_path: Path, body: Any, field: str) -> None:
    async def talk(api: Api) -> None:
        where = {"springtide": {"continue_from": {"seed": 1, "ids": [104, 105]}}}
        refusal = await api.refused("/v1/completions", {"prompt": "a", "max_tokens": 9} | where | body)
        assert (refusal.status, refusal.field) == (422, field)

    serving(tmp_path, talk)


def test_events_are_json_on_one_line(tmp_path: Path) -> None:
    async def talk(api: Api) -> None:
        async for each in api.events(temperature=1, max_tokens=200, seed=2):
            assert each == b"data: [DONE]\n\n" or json.loads(each.removeprefix(b"data: "))
            assert each.count(b"\n") == 2

    serving(tmp_path, talk)
