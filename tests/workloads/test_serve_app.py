"""The server's application, asked as a web server would ask it."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from springtide_workloads.contract import Metric
from springtide_workloads.export import Export
from springtide_workloads.models.gpt import GPTConfig
from springtide_workloads.serve.app import App, Phase
from springtide_workloads.serve.bodies import MAX_BODY_BYTES, MAX_TOKENS, CompletionRequest, Refusal, parse
from springtide_workloads.serve.engine import Engine
from springtide_workloads.serve.metrics import Metrics
from springtide_workloads.serve.model import Continuation, Model

SHAPE = GPTConfig(layers=1, heads=2, width=16, context=8)


def model() -> Model:
    torch.manual_seed(0)
    about = Export(run="tiny", recipe={}, model={}, step=1, held_out_loss=1.0, bigram_loss=2.0, sha256="")
    return Model(about=about, module=SHAPE.build().eval(), context=8, device=torch.device("cpu"))


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class Asked:
    """An application and what it was asked."""

    app: App
    metrics: Metrics
    answers: list[Answer] = field(default_factory=list)

    async def ask(self, method: str, path: str, body: object = None) -> Answer:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent: list[Any] = []
        messages = [{"type": "http.request", "body": data}]

        async def receive() -> Any:
            if messages:
                return messages.pop()
            return await asyncio.Event().wait()

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app({"type": "http", "method": method, "path": path}, receive, send)
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        assert int(headers["content-length"]) == len(sent[1]["body"])
        return Answer(sent[0]["status"], headers, json.loads(sent[1]["body"]))

    async def complete(self, **body: Any) -> Answer:
        return await self.ask("POST", "/v1/completions", {"prompt": "a", "max_tokens": 4, "seed": 1} | body)

    def value(self, metric: Metric, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(metric, labels)


def serving(
    talk: Callable[[Asked], Awaitable[None]], *, load: Callable[[], Model] = model, queue_limit: int = 64
) -> None:
    """Runs a conversation with a server that has loaded its model."""

    async def run() -> None:
        metrics = Metrics()
        engine = Engine(load, metrics, queue_limit=queue_limit)
        app = App(engine, metrics)
        engine.start()
        await engine.loaded
        app.phase = Phase.SERVING
        await asyncio.wait_for(talk(Asked(app, metrics)), 60)

    asyncio.run(run())


def test_a_completion_has_the_shape_that_clients_know() -> None:
    async def talk(server: Asked) -> None:
        answer = await server.complete(prompt="hé")
        assert answer.status == 200
        assert answer.body["object"] == "text_completion"
        assert answer.body["model"] == "tiny"
        assert answer.body["usage"] == {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
        assert answer.body["choices"][0]["finish_reason"] == "length"
        assert answer.headers["content-type"] == "application/json"
        assert "connection" not in answer.headers

    serving(talk)


def test_equal_seeds_give_equal_answers_and_others_do_not() -> None:
    async def talk(server: Asked) -> None:
        texts = [(await server.complete(seed=seed, max_tokens=32)).body["choices"][0]["text"] for seed in (1, 1, 2)]
        assert texts[0] == texts[1] != texts[2]

    serving(talk)


def test_temperature_zero_takes_the_likeliest_whatever_the_seed() -> None:
    async def talk(server: Asked) -> None:
        texts = {(await server.complete(seed=seed, temperature=0)).body["choices"][0]["text"] for seed in range(3)}
        assert len(texts) == 1

    serving(talk)


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"prompt": "a", "max_tokens": 0}, 422, "max_tokens"),
        ({"prompt": "a", "max_tokens": MAX_TOKENS + 1}, 422, "max_tokens"),
        ({"prompt": "a", "max_tokens": "many"}, 422, "max_tokens"),
        ({"prompt": "a", "temperature": -0.1}, 422, "temperature"),
        ({"prompt": "a", "temperature": 2.1}, 422, "temperature"),
        ({"prompt": "a", "seed": -1}, 422, "seed"),
        ({"prompt": ""}, 422, "prompt"),
        ({"prompt": ["a"]}, 422, "prompt"),
        ({}, 422, "prompt"),
        ({"prompt": "a", "tempreature": 1}, 422, "tempreature"),
        ([], 422, "body"),
        (b"{", 400, None),
        (b"", 400, None),
        (b"\xff", 400, None),
    ],
)
def test_bad_input_is_refused_naming_the_field(body: object, status: int, field: str | None) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(Refusal) as caught:
        parse(data)
    assert caught.value.status == status
    assert caught.value.body["error"].get("field") == field


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps).map(str.encode)
)
def test_any_bytes_are_either_a_request_or_refused(data: bytes) -> None:
    try:
        outcome: CompletionRequest | Refusal = parse(data)
    except Refusal as refusal:
        outcome = refusal
    assert isinstance(outcome, CompletionRequest) or outcome.status in (400, 422)


def test_refusals_are_answers_and_are_counted() -> None:
    async def talk(server: Asked) -> None:
        assert (await server.complete(max_tokens=0)).body["error"]["field"] == "max_tokens"
        assert (await server.ask("POST", "/v1/completions", b"x" * (MAX_BODY_BYTES + 1))).status == 413
        assert (await server.ask("GET", "/v1/completions")).status == 405
        assert (await server.ask("GET", "/nowhere")).status == 404
        assert (await server.complete()).status == 200
        counted = {code: server.value(Metric.REQUESTS, code=code) for code in ("200", "413", "422", "405")}
        assert counted == {"200": 1, "413": 1, "422": 1, "405": 1}

    serving(talk)


def test_readiness_follows_the_phase_and_liveness_does_not() -> None:
    async def talk(server: Asked) -> None:
        for phase in Phase:
            server.app.phase = phase
            ready = phase is Phase.SERVING
            assert (await server.ask("GET", "/health/ready")).status == (200 if ready else 503)
            assert (await server.ask("GET", "/health/live")).status == 200
            assert server.value(Metric.READY) == int(ready)

    serving(talk)


@pytest.mark.parametrize("phase", [Phase.PROPAGATING, Phase.DRAINING])
def test_a_server_on_its_way_out_answers_and_asks_to_reconnect(phase: Phase) -> None:
    async def talk(server: Asked) -> None:
        server.app.phase = phase
        answer = await server.complete()
        assert answer.status == 200
        assert answer.headers["connection"] == "close"

    serving(talk)


def test_a_request_before_the_model_is_loaded_is_told_when_to_come_back() -> None:
    async def talk(server: Asked) -> None:
        server.app.phase = Phase.LOADING
        answer = await server.complete()
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")

    serving(talk)


class Slow:
    """A model that computes when it is let."""

    def __init__(self) -> None:
        self.about = model().about
        self.let = threading.Event()
        self.given_up: list[bool] = []

    def continue_text(self, prompt: str, *, given_up: Callable[[], bool], **_: object) -> Continuation:
        self.let.wait(30)
        self.given_up.append(given_up())
        return Continuation(data=b"x", prompt_tokens=len(prompt))


def slow() -> tuple[Slow, Callable[[], Any]]:
    one = Slow()
    return one, lambda: one


async def eventually(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  another thread's state has no event to wait for
        await asyncio.sleep(0.005)


def test_a_full_queue_refuses_with_the_time_to_wait_and_accepted_requests_are_kept() -> None:
    heavy, load = slow()

    async def talk(server: Asked) -> None:
        computing = asyncio.ensure_future(server.complete())
        await eventually(lambda: server.value(Metric.IN_FLIGHT) == 1)
        waiting = [asyncio.ensure_future(server.complete()) for _ in range(2)]
        await eventually(lambda: server.value(Metric.QUEUED) == 2)
        refused = await server.complete()
        assert refused.status == 429
        assert int(refused.headers["retry-after"]) >= 1
        heavy.let.set()
        assert [answer.status for answer in await asyncio.gather(computing, *waiting)] == [200] * 3
        await eventually(lambda: server.value(Metric.IN_FLIGHT) == 0)
        assert server.value(Metric.QUEUED) == 0
        assert (await server.complete()).status == 200

    serving(talk, load=load, queue_limit=2)


def test_what_nobody_waits_for_any_more_is_given_up() -> None:
    heavy, load = slow()

    async def talk(server: Asked) -> None:
        leaving = asyncio.ensure_future(server.complete())
        await eventually(lambda: server.value(Metric.IN_FLIGHT) == 1)
        leaving.cancel()
        await asyncio.wait({leaving})
        heavy.let.set()
        await eventually(lambda: heavy.given_up == [True])

    serving(talk, load=load)


def test_a_client_that_leaves_is_not_answered_and_its_work_is_given_up() -> None:
    heavy, load = slow()

    async def talk(server: Asked) -> None:
        body = json.dumps({"prompt": "a"}).encode()
        messages = [{"type": "http.request", "body": body}, {"type": "http.disconnect"}]
        sent: list[Any] = []

        async def receive() -> Any:
            return messages.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        await server.app({"type": "http", "method": "POST", "path": "/v1/completions"}, receive, send)
        assert sent == []
        await asyncio.sleep(0.05)
        heavy.let.set()
        await eventually(lambda: heavy.given_up == [True])

    serving(talk, load=load)


def test_a_request_that_breaks_the_model_gets_500_and_the_next_one_is_served(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Fragile(Slow):
        def continue_text(self, prompt: str, **_: object) -> Continuation:
            if prompt == "break":
                raise ZeroDivisionError("inside")
            return Continuation(data=b"x", prompt_tokens=1)

    async def talk(server: Asked) -> None:
        assert (await server.complete(prompt="break")).status == 500
        assert (await server.complete()).status == 200
        assert "ZeroDivisionError: inside" in capsys.readouterr().err

    serving(talk, load=Fragile)  # type: ignore[arg-type]


def test_a_long_prompt_is_read_through_its_end() -> None:
    tail = "x" * SHAPE.context
    texts = [model().continue_text(start + tail, tokens=5, temperature=0.0, seed=0).text for start in ("", "abc" * 50)]
    assert texts[0] == texts[1]
