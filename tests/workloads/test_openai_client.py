"""OpenAI's own client against a running server."""

import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from tests.workloads.processes import Launcher, Process, free_port, until

from springtide_workloads.contract import Device, ExitCode, ServingContract

openai = pytest.importorskip("openai", reason="OpenAI's client is not installed: it is in the extra dev")

pytestmark = [pytest.mark.enable_socket, pytest.mark.timeout(300)]


KEY = "sk-tests"


def started(launcher: Launcher, finished: Path) -> tuple[Process, Any]:
    """A server of a finished run that is ready, and a client of it."""
    keys = launcher.place / "keys"
    keys.write_text(f"{KEY}\n")
    settings = ServingContract(
        model_url=finished.as_uri(),
        device=Device.CPU,
        http_port=free_port(),
        metrics_port=free_port(),
        grace_seconds=60,
        propagation_seconds=0,
        drain_seconds=0,
        keys_file=str(keys),
    )
    process = launcher.serve(settings)
    until(lambda: "ready" in process.text(), while_alive=process)
    url = f"http://127.0.0.1:{settings.http_port}/v1"
    return process, openai.OpenAI(base_url=url, api_key=KEY, max_retries=0, timeout=60)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, finished: Path) -> Iterator[Any]:
    launcher = Launcher(tmp_path_factory.mktemp("served"))
    try:
        with started(launcher, finished)[1] as client:
            yield client
    finally:
        launcher.close()


def test_models_are_listed_and_found(client: Any) -> None:
    listed = client.models.list().data
    assert [model.id for model in listed] == ["tiny"]
    assert client.models.retrieve("tiny") == listed[0]
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("none")


def test_a_completion_is_what_the_client_knows(client: Any) -> None:
    answer = client.completions.create(model="tiny", prompt="def ", max_tokens=12, temperature=0, n=2, logprobs=1)
    assert [choice.finish_reason for choice in answer.choices] == ["length", "length"]
    assert answer.choices[0].text == answer.choices[1].text != ""
    assert len(answer.choices[0].logprobs.token_logprobs) == 12
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (4, 24)
    # what is not as documented raises here
    type(answer).model_validate(answer.model_dump(), strict=True)


def test_a_chat_is_what_the_client_knows_and_its_message_may_be_sent_back(client: Any) -> None:
    told: list[Any] = [{"role": "user", "content": "Hi"}]
    for _ in range(2):
        answer = client.chat.completions.create(model="tiny", messages=told, max_completion_tokens=8, seed=1)
        type(answer).model_validate(answer.model_dump(), strict=True)
        told += [answer.choices[0].message, {"role": "user", "content": "And?"}]


def test_a_stream_makes_the_same_text_as_a_whole_answer(client: Any) -> None:
    ask: dict[str, Any] = {"model": "tiny", "prompt": "def ", "max_tokens": 30, "seed": 3}
    whole = client.completions.create(**ask).choices[0].text
    chunks = list(client.completions.create(**ask, stream=True, stream_options={"include_usage": True}))
    assert "".join(choice.text for chunk in chunks for choice in chunk.choices) == whole
    assert chunks[-1].usage.completion_tokens == 30


def test_the_clients_own_helper_reads_a_chat_as_a_stream(client: Any) -> None:
    messages = [{"role": "user", "content": "Hi"}]
    with client.chat.completions.stream(model="tiny", messages=messages, max_tokens=20, seed=2) as stream:
        text = "".join(event.delta for event in stream if event.type == "content.delta")
        choice = stream.current_completion_snapshot.choices[0]
    assert choice.message.content == text
    assert choice.finish_reason in ("stop", "length")


LONG: Final[dict[str, Any]] = {"model": "tiny", "prompt": "def ", "max_tokens": 60}


@dataclass
class Stream:
    """What was read of an answer that comes as a stream."""

    ids: list[int] = field(default_factory=list)
    text: str = ""
    seed: int = 0
    finish: str | None = None

    def read(self, client: Any, *, most: int = 1000) -> None:
        """Reads to the end, or a number of tokens more; goes on where it stands."""
        where = {"springtide": {"continue_from": {"seed": self.seed, "ids": self.ids}}} if self.ids else None
        enough = len(self.ids) + most
        with client.completions.create(**LONG, stream=True, extra_body=where) as stream:
            for chunk in stream:
                (choice,) = chunk.choices
                self.ids += choice.springtide["ids"]
                self.text += choice.text
                self.seed, self.finish = choice.springtide["seed"], choice.finish_reason
                if len(self.ids) >= enough:
                    return


def unbroken(client: Any, seed: int) -> str:
    text = client.completions.create(**LONG, seed=seed).choices[0].text
    assert isinstance(text, str)
    return text


def test_a_stream_that_was_left_is_continued_exactly(client: Any) -> None:
    stream = Stream()
    for most in (10, 1, 20, 1000):
        stream.read(client, most=most)
    assert stream.finish == "length"
    assert stream.text == unbroken(client, stream.seed)


class Breaking:
    """A client whose streams break after some chunks, as if servers came and went."""

    def __init__(self, client: Any) -> None:
        self.completions = self
        self.breaks = 0
        self._client = client

    def create(self, **ask: Any) -> Iterator[Any]:
        for count, chunk in enumerate(self._client.completions.create(**ask)):
            if count == 11:
                self.breaks += 1
                raise openai.APIError("stopped", None, body={"code": "stopped"})
            yield chunk


def test_the_guides_own_loop_gives_the_unbroken_text(client: Any) -> None:
    guide = (Path(__file__).parents[2] / "docs/serving.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", guide, flags=re.MULTILINE | re.DOTALL)
    scope: dict[str, Any] = {}
    exec(next(block for block in blocks if "def streamed" in block), scope)
    breaking = Breaking(client)
    assert scope["streamed"](breaking, **LONG, seed=6) == unbroken(client, 6)
    assert breaking.breaks >= 3


@pytest.mark.parametrize(
    ("error", "ask", "field"),
    [
        ("UnprocessableEntityError", {"max_tokens": 0}, "max_tokens"),
        ("UnprocessableEntityError", {"best_of": 3}, "best_of"),
        ("NotFoundError", {"model": "none"}, "model"),
    ],
)
def test_a_refusal_is_an_error_that_names_its_field(client: Any, error: str, ask: dict[str, Any], field: str) -> None:
    with pytest.raises(getattr(openai, error)) as caught:
        client.completions.create(**{"model": "tiny", "prompt": "a"} | ask)
    assert caught.value.param == field


def test_without_the_key_nobody_is_answered(client: Any) -> None:
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="sk-other").models.list()


def test_a_deadline_travels_in_a_header(client: Any) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        client.completions.create(
            model="tiny", prompt="a", max_tokens=60, extra_headers={"x-request-timeout-ms": "1"}, timeout=30
        )
    assert caught.value.status_code in (429, 504)


def test_a_stream_that_a_drain_breaks_raises_and_is_continued_by_another_server(
    client: Any, tmp_path: Path, finished: Path
) -> None:
    launcher = Launcher(tmp_path)
    process, leaving = started(launcher, finished)
    with leaving, ThreadPoolExecutor(8) as pool:
        broken = [pool.submit(_until_broken, leaving) for _ in range(8)]
        time.sleep(1)
        process.told(signal.SIGTERM)
        ends = [each.result() for each in broken]
    assert process.wait() == ExitCode.DONE, process.text()
    met = [(stream, error) for stream, error in ends if stream.ids]
    assert met, [repr(error) for _, error in ends]
    for stream, error in met:
        assert (type(error), error.code) == (openai.APIError, "stopped")
        assert error.body["springtide"]["choices"] == [
            {"index": 0, "seed": stream.seed, "tokens": len(stream.ids), "finish_reason": None}
        ]
        stream.read(client)
        assert stream.text == unbroken(client, stream.seed)


def _until_broken(client: Any) -> tuple[Stream, Any]:
    """One stream after the other, until one ends by an error; what was read of that one."""
    while True:
        stream = Stream()
        try:
            stream.read(client)
        except openai.APIError as error:
            return stream, error
