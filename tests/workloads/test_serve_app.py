"""The server's application: routes, phases, limits and what clients are told."""

import asyncio
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.workloads.serving_scenes import Asked, Held, Question, eventually, serving

from springtide_workloads.contract import PRIORITY_HEADER, TIMEOUT_HEADER, Metric
from springtide_workloads.serve.app import MAX_BODY_BYTES, App, Phase
from springtide_workloads.serve.decode import decoded
from springtide_workloads.serve.http import Refusal
from springtide_workloads.serve.metrics import Metrics


def test_an_answer_is_what_predict_gives() -> None:
    async def talk(server: Asked) -> None:
        answer = await server.predict(21)
        assert (answer.status, answer.body) == (200, {"n": 42})
        assert answer.headers["content-type"] == "application/json"
        assert int(answer.headers["content-length"]) == len(answer.chunks[0])
        assert "connection" not in answer.headers

    serving(talk, "Doubles")


def test_a_stream_is_sent_piece_by_piece_and_says_when_it_breaks() -> None:
    async def talk(server: Asked) -> None:
        answer = await server.predict(2)
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.chunks == [b'data: {"n":0}\n\n', b'data: {"n":1}\n\n', b""]
        broken = await server.predict(9)
        assert broken.status == 200
        assert json.loads(broken.chunks[-1].removeprefix(b"data: "))["error"]["type"] == "server_error"
        assert server.value(Metric.FAILED, reason="model") == 1

    serving(talk, "Counts")


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"n": "many"}, 422, "n"),
        ({}, 422, "n"),
        ({"n": 1, "m": 2}, 422, "m"),
        ({"n": 1, "inner": [{"x": 1.0}, {"x": "a"}]}, 422, "inner[1].x"),
        ({"n": 1, "inner": [{}]}, 422, "inner[0].x"),
        ([], 422, "body"),
        (b"{", 400, None),
        (b"", 400, None),
        (b"\xff", 400, None),
    ],
)
def test_bad_input_is_refused_naming_the_field(body: object, status: int, field: str | None) -> None:
    async def talk(server: Asked) -> None:
        answer = await server.ask("POST", "/v1/predict", body)
        assert (answer.status, answer.body["error"]["param"]) == (status, field)

    serving(talk, "Doubles")


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps).map(str.encode)
)
def test_any_bytes_are_either_a_request_or_refused(data: bytes) -> None:
    try:
        outcome: Question | Refusal = decoded(msgspec.json.Decoder(Question), data)
    except Refusal as refusal:
        outcome = refusal
    assert isinstance(outcome, Question) or outcome.status in (400, 422)


def test_refusals_are_answers_and_are_counted() -> None:
    async def talk(server: Asked) -> None:
        long = await server.ask("POST", "/v1/predict", b"x" * (MAX_BODY_BYTES + 1))
        assert (long.status, long.headers["connection"]) == (413, "close")
        announced = await server.ask("POST", "/v1/predict", b"", {"content-length": str(1 << 30)})
        assert announced.status == 413
        assert (await server.ask("GET", "/v1/predict")).status == 405
        assert (await server.ask("GET", "/nowhere")).status == 404
        assert (await server.predict()).status == 200
        counted = {code: server.value(Metric.REQUESTS, code=code) for code in ("200", "404", "405", "413")}
        assert counted == {"200": 1, "404": 1, "405": 1, "413": 2}
        assert server.value(Metric.REFUSED, reason="body") == 2

    serving(talk, "Doubles")


@pytest.mark.parametrize(
    ("name", "value"),
    [(TIMEOUT_HEADER, "soon"), (TIMEOUT_HEADER, "0"), (TIMEOUT_HEADER, "-1"), (TIMEOUT_HEADER, "nan"),
     (TIMEOUT_HEADER, "inf"), (PRIORITY_HEADER, "top"), (PRIORITY_HEADER, "")],
)  # fmt: skip
def test_a_header_that_cannot_be_read_is_named_with_what_is_allowed(name: str, value: str) -> None:
    async def talk(server: Asked) -> None:
        answer = await server.ask("POST", "/v1/predict", {"n": 1}, {name: value})
        assert (answer.status, answer.body["error"]["param"]) == (400, name)
        assert repr(value) in answer.body["error"]["message"]

    serving(talk, "Doubles")


def test_readiness_follows_the_phase_and_liveness_does_not() -> None:
    async def talk(server: Asked) -> None:
        for phase in Phase:
            server.app.phase = phase
            ready = phase is Phase.SERVING
            assert (await server.ask("GET", "/health/ready")).status == (200 if ready else 503)
            assert (await server.ask("GET", "/health/live")).status == 200
            assert server.value(Metric.READY) == int(ready)

    serving(talk, "Doubles")


@pytest.mark.parametrize("phase", [Phase.PROPAGATING, Phase.DRAINING])
def test_a_server_on_its_way_out_answers_and_asks_to_reconnect(phase: Phase) -> None:
    async def talk(server: Asked) -> None:
        server.app.phase = phase
        answer = await server.predict()
        assert answer.status == 200
        assert answer.headers["connection"] == "close"

    serving(talk, "Doubles")


def test_a_request_before_the_model_is_loaded_is_told_when_to_come_back() -> None:
    async def talk(server: Asked) -> None:
        server.app.phase = Phase.LOADING
        answer = await server.predict()
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")

    serving(talk, "Doubles")


def test_a_path_that_ends_in_a_name_has_a_handler() -> None:
    async def handler(request: Any) -> Any:
        raise Refusal(418, request.path)

    async def run() -> None:
        app = App({("GET", "/v1/models/{id}"): handler}, Metrics())
        app.phase = Phase.SERVING
        for path, method, status in (
            ("/v1/models/tiny", "GET", 418),
            ("/v1/models/tiny", "POST", 405),
            ("/v1/models/", "GET", 405),
            ("/v1/other/tiny", "GET", 404),
        ):
            sent: list[Any] = []

            async def receive() -> Any:
                return {"type": "http.request", "body": b""}

            async def send(message: Any, sent: list[Any] = sent) -> None:
                sent.append(message)

            await app({"type": "http", "method": method, "path": path, "headers": []}, receive, send)
            assert (path, method, sent[0]["status"]) == (path, method, status)

    asyncio.run(run())


def test_a_client_that_leaves_is_not_answered_and_its_work_is_given_up() -> None:
    Held.let.clear()
    Held.batches.clear()

    async def talk(server: Asked) -> None:
        tasks = [asyncio.ensure_future(server.predict(n)) for n in range(3)]
        await eventually(lambda: server.line.waiting == 2)
        await eventually(lambda: all(each.task is not None for each in server.connections))
        for connection, task in zip(server.connections[:2], tasks, strict=False):
            connection.gone = True
            assert connection.task is not None
            connection.task.cancel()
            assert (await task).status == 0
        assert server.line.waiting == 1
        Held.let.set()
        assert (await tasks[2]).status == 200
        assert Held.batches == [[0], [2]]
        assert server.value(Metric.FAILED, reason="client") == 2

    serving(talk, "Held")


def test_a_request_whose_time_is_over_while_it_waits_is_not_computed() -> None:
    Held.let.clear()
    Held.batches.clear()

    async def talk(server: Asked) -> None:
        first = asyncio.ensure_future(server.predict(0))
        await eventually(lambda: server.line.inside == 1)
        late = await server.predict(1, x_request_timeout_ms="50")
        assert late.status == 504
        Held.let.set()
        assert (await first).status == 200
        assert (await server.predict(2)).status == 200
        assert Held.batches == [[0], [2]]
        assert server.value(Metric.FAILED, reason="deadline") == 1

    serving(talk, "Held")


def test_a_bug_of_a_handler_is_a_500_that_shows_nothing_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    async def handler(_request: Any) -> Any:
        raise KeyError("secret")

    async def run() -> None:
        app = App({("GET", "/x"): handler}, Metrics())
        app.phase = Phase.SERVING
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b""}

        async def send(message: Any) -> None:
            sent.append(message)

        await app({"type": "http", "method": "GET", "path": "/x", "headers": []}, receive, send)
        assert sent[0]["status"] == 500
        assert b"secret" not in sent[1]["body"]

    asyncio.run(run())
    assert "KeyError: 'secret'" in capsys.readouterr().err
