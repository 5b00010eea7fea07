"""The engine behind a real line: pieces come while others are computed, and whoever goes away costs nothing any more."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.workloads.generating import asked, greedy, one_thread, tiny
from tests.workloads.test_generate_engine import SMALL, exported_to

from springtide_workloads.contract import Device
from springtide_workloads.serve.admission import FlowPace
from springtide_workloads.serve.generate.engine import Generation
from springtide_workloads.serve.generate.request import Finish, Generate, Tokens
from springtide_workloads.serve.http import Refusal
from springtide_workloads.serve.line import Line
from springtide_workloads.serve.metrics import Metrics

__all__ = ["one_thread"]  # a fixture that works by being here

Scene = Callable[[Line[Generate, Tokens], Generation], Awaitable[None]]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Generation:
    place: Path = tmp_path_factory.mktemp("base")
    made = Generation(exported_to(place, dict(tiny().state_dict()), run="base"), Device.CPU, SMALL)
    made.load()
    return made


@asynccontextmanager
async def running(engine: Generation) -> AsyncIterator[Line[Generate, Tokens]]:
    line: Line[Generate, Tokens] = Line(Metrics(), pace=FlowPace(engine.slots))
    thread = threading.Thread(target=engine.run, args=(line,), daemon=True)
    thread.start()
    yield line
    line.close()
    await asyncio.to_thread(thread.join, 60)
    assert not thread.is_alive()
    assert engine._batches[0].pages.used == 0


def played(engine: Generation, scene: Scene) -> None:
    async def play() -> None:
        async with running(engine) as line:
            await scene(line, engine)

    asyncio.run(asyncio.wait_for(play(), 120))


async def answer(line: Line[Generate, Tokens], request: Generate) -> list[Tokens]:
    async with await line.enter(request) as accepted:
        return [piece async for piece in accepted]


def ids(pieces: list[Tokens]) -> list[int]:
    return [token for piece in pieces for token in piece.ids]


@pytest.mark.enable_socket
def test_requests_at_a_time_get_the_tokens_that_each_alone_would_get(engine: Generation) -> None:
    requests = [asked(bytes([65 + at]) * (at + 1), 3 + at) for at in range(12)]

    async def scene(line: Line[Generate, Tokens], _: Generation) -> None:
        found = await asyncio.gather(*(answer(line, each) for each in requests))
        for request, pieces in zip(requests, found, strict=True):
            assert ids(pieces) == greedy(tiny(), request, ids(pieces))
            assert pieces[-1].finish is Finish.LENGTH

    played(engine, scene)


@pytest.mark.enable_socket
def test_a_client_that_goes_away_frees_its_slot_and_pages(engine: Generation) -> None:
    async def scene(line: Line[Generate, Tokens], engine: Generation) -> None:
        leaving = await line.enter(asked(b"long", 90))
        async for _ in leaving:
            break
        leaving.close()
        for _ in range(500):
            if not engine._batches[0].members:
                break
            await asyncio.sleep(0.01)
        assert engine._batches[0].room == SMALL.slots
        assert len(ids(await answer(line, asked(b"next", 4)))) == 4

    played(engine, scene)


@pytest.mark.enable_socket
def test_what_cannot_work_is_refused_to_its_reader_alone(engine: Generation) -> None:
    async def scene(line: Line[Generate, Tokens], _: Generation) -> None:
        wrong, right = await asyncio.gather(
            answer(line, asked(b"x", 1000)), answer(line, asked(b"x", 5)), return_exceptions=True
        )
        assert isinstance(wrong, Refusal)
        assert wrong.field == "max_tokens"
        found: Any = right
        assert len(ids(found)) == 5

    played(engine, scene)
