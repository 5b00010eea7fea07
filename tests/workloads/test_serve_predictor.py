"""The user's contract: how a predictor is named, set and called, and what happens when it misbehaves."""

import asyncio
from typing import Any

import pytest
from tests.workloads.serving_scenes import Asked, Doubles, Held, Question, Reply, eventually, serving

from springtide_workloads.contract import Metric
from springtide_workloads.errors import ConfigError
from springtide_workloads.serve.predictor import Predictor
from springtide_workloads.serve.resolve import resolve

HERE = "tests.workloads.serving_scenes"


class Both(Predictor):
    def predict(self, batch: list[int]) -> list[int]:
        return batch

    def stream(self, request: int) -> Any:
        yield request


class Neither(Predictor):
    pass


class Later(Predictor):
    async def predict(self, batch: list[int]) -> list[int]:  # type: ignore[override]
        return batch


class Zero(Predictor):
    max_batch = 0

    def predict(self, batch: list[int]) -> list[int]:
        return batch


class Needy(Predictor):
    def __init__(self, weight: float) -> None:
        self.weight = weight


def test_types_and_settings_come_from_the_class_and_from_the_text() -> None:
    found = resolve(f"{HERE}.Doubles:max_batch=32,ms=1.5")
    assert (found.takes, found.gives, found.streams) == (Question, Reply, False)
    assert isinstance(found.predictor, Doubles)
    assert (found.predictor.max_batch, found.predictor.ms, Doubles.max_batch) == (32, 1.5, 8)
    assert resolve(f"{HERE}.Counts").streams


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("bert", "use gpt, or a class of a module of yours"),
        ("team.nowhere.Chat", "Is team.nowhere in the image"),
        (f"{HERE}.Nothing", "no subclass of Predictor named 'Nothing'"),
        (f"{HERE}.serving", "no subclass of Predictor named 'serving'"),
        (f"{HERE}.Doubles:max_batch=none,speed=3", "max_batch is 'none': it must be a whole number"),
        (f"{HERE}.Doubles:max_batch=none,speed=3", "'speed' cannot be set: use one of max_batch, max_body_bytes"),
        (f"{HERE}.Doubles:max_delay_ms=-1", "max_delay_ms is -1.0: it must be at least 0"),
        (f"{HERE}.Doubles:max_wait_seconds=0", "max_wait_seconds is 0.0: it must be more than 0"),
        (f"{__name__}.Zero", "max_batch is 0: it must be at least 1"),
        (f"{__name__}.Both", "has predict and stream: write one"),
        (f"{__name__}.Neither", "has neither: write one"),
        (f"{__name__}.Later", "predict is async"),
        (f"{__name__}.Needy", "It is made without arguments"),
    ],
)
def test_a_predictor_that_cannot_be_used_is_told_with_what_is_allowed(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(text)
    assert words in str(caught.value)


def test_what_waits_is_computed_together_up_to_the_most() -> None:
    Held.let.clear()
    Held.batches.clear()

    async def talk(server: Asked) -> None:
        first = asyncio.ensure_future(server.predict(0))
        await eventually(lambda: server.line.inside == 1)
        others = [asyncio.ensure_future(server.predict(n)) for n in range(1, 6)]
        await eventually(lambda: server.line.waiting == 5)
        Held.let.set()
        assert [answer.body["n"] for answer in await asyncio.gather(first, *others)] == list(range(6))
        assert Held.batches == [[0], [1, 2, 3, 4], [5]]
        assert server.value(f"{Metric.BATCH}_sum") == 6  # type: ignore[arg-type]

    serving(talk, "Held:max_batch=4")


def test_a_delay_lets_others_join_and_ends_when_a_batch_is_full() -> None:
    Held.let.set()
    Held.batches.clear()

    async def talk(server: Asked) -> None:
        started = asyncio.get_running_loop().time()
        await asyncio.gather(*(server.predict(n) for n in range(3)))
        assert asyncio.get_running_loop().time() - started < 20
        assert Held.batches == [[0, 1, 2]]

    serving(talk, "Held:max_batch=3,max_delay_ms=30000")


def test_a_delay_is_cut_short_when_a_deadline_is_near() -> None:
    Held.let.set()

    async def talk(server: Asked) -> None:
        assert (await server.predict(1, x_request_timeout_ms="20000")).status == 200

    serving(talk, "Held:max_batch=3,max_delay_ms=30000")


def test_an_item_that_breaks_its_batch_does_not_fail_the_others() -> None:
    async def talk(server: Asked) -> None:
        answers = await asyncio.gather(*(server.predict(n) for n in (1, 13, 2, 14, 3)))
        assert [answer.status for answer in answers] == [200, 500, 200, 500, 200]
        assert [answer.body["n"] for answer in answers if answer.status == 200] == [1, 2, 3]
        assert server.value(Metric.FAILED, reason="model") == 2

    serving(talk, "Fragile")


def test_too_few_answers_are_told_in_the_log_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    async def talk(server: Asked) -> None:
        assert (await server.predict(14)).status == 500

    serving(talk, "Fragile")
    assert "predict returned 0 answers for 1 requests" in capsys.readouterr().err


def test_an_answer_that_is_no_json_is_a_500() -> None:
    async def talk(server: Asked) -> None:
        assert (await server.predict(15)).status == 500
        assert (await server.predict(1)).status == 200

    serving(talk, "Fragile")


def test_when_the_engine_ends_everybody_is_told_and_the_probes_fail() -> None:
    async def talk(server: Asked) -> None:
        answers = await asyncio.gather(server.predict(99), server.predict(1))
        assert [answer.status for answer in answers] == [503, 503]
        assert answers[0].headers["retry-after"] == "1"
        await eventually(lambda: server.runner.trouble is not None)
        assert (await server.predict(1)).status == 503
        for probe in ("/health/live", "/health/ready"):
            answer = await server.ask("GET", probe)
            assert (answer.status, "has ended" in answer.body["error"]["message"]) == (503, True)
        assert server.value(Metric.READY) == 0

    serving(talk, "Fragile")


def test_a_model_that_hangs_fails_liveness_and_its_clients_are_answered_by_their_deadline() -> None:
    Held.let.clear()

    async def talk(server: Asked) -> None:
        assert (await server.predict(1, x_request_timeout_ms="100")).status == 504
        await eventually(lambda: server.runner.trouble is not None)
        assert (await server.ask("GET", "/health/live")).status == 503
        Held.let.set()
        await eventually(lambda: server.runner.trouble is None)
        assert (await server.ask("GET", "/health/live")).status == 200

    serving(talk, "Held", stuck_seconds=0.2)
