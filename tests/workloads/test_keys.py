"""Who may ask a server that asks for keys."""

import asyncio
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide_workloads.contract import COMPLETIONS_PATH, LIVE_PATH, READY_PATH, Metric
from springtide_workloads.errors import ConfigError
from springtide_workloads.serve.app import App, Phase
from springtide_workloads.serve.http import Plain, Refusal, Request
from springtide_workloads.serve.keys import Keys
from springtide_workloads.serve.metrics import Metrics

KEY, OTHER = "sk-first-0123456789", "sk-second-0123456789"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(f"{KEY}\n\n  {OTHER}  \n")
    return path


def bearer(key: str, scheme: str = "Bearer") -> list[tuple[bytes, bytes]]:
    return [(b"host", b"chat.example.com"), (b"authorization", f"{scheme} {key}".encode())]


@pytest.mark.parametrize("key", [KEY, OTHER])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_each_key_of_the_file_is_let_in(file: Path, key: str, scheme: str) -> None:
    assert Keys(file).admit(bearer(key, scheme))


@pytest.mark.parametrize(
    "headers",
    [
        [],
        bearer(""),
        bearer(KEY[:-1]),
        bearer(f"{KEY}x"),
        bearer(KEY.upper()),
        bearer(KEY, "Basic"),
        [(b"authorization", KEY.encode())],
        [(b"x-api-key", KEY.encode())],
        [*bearer(KEY), *bearer("another")],
    ],
    ids=["none", "empty", "cut", "longer", "shouted", "basic", "bare", "elsewhere", "two"],
)
def test_anything_else_is_not(file: Path, headers: list[tuple[bytes, bytes]]) -> None:
    assert not Keys(file).admit(headers)


@given(st.binary(max_size=40))
def test_no_other_text_is_a_key(tmp_path_factory: pytest.TempPathFactory, text: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "one-key"
    path.write_text(KEY)
    assert Keys(path).admit([(b"authorization", b"Bearer " + text)]) == (text.strip() == KEY.encode())


def test_a_key_that_was_taken_back_is_refused_without_a_restart(file: Path) -> None:
    keys = Keys(file)
    new = file.with_name("new")
    new.write_text(OTHER)
    new.replace(file)
    assert (keys.admit(bearer(KEY)), keys.admit(bearer(OTHER))) == (False, True)


def test_a_file_without_keys_lets_nobody_in(file: Path) -> None:
    keys = Keys(file)
    file.write_text("\n")
    assert not keys.admit(bearer(KEY))
    assert not keys.admit(bearer(""))


def test_while_the_file_is_away_the_keys_it_had_hold(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = Keys(file)
    file.unlink()
    assert (keys.admit(bearer(KEY)), keys.admit(bearer("guess"))) == (True, False)
    assert "cannot be read again" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "told"), [(None, "cannot be read"), ("\n \n", "holds no key")])
def test_a_server_does_not_start_without_a_key(file: Path, text: str | None, told: str) -> None:
    if text is None:
        file.unlink()
    else:
        file.write_text(text)
    with pytest.raises(ConfigError, match=told):
        Keys(file)


def test_no_key_is_ever_told(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = Keys(file)
    os.utime(file, (1, 1))
    keys.admit(bearer("guess"))
    told = capsys.readouterr().err
    assert "holds 2 keys now" in told
    assert not any(word in told for word in (KEY, OTHER, "guess"))


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: Any
    metrics: Metrics


def answer(file: Path, method: str, path: str, headers: Iterable[tuple[bytes, bytes]]) -> Answer:
    """What a server without a model says, which asks for the keys in a file."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"no json"}

    async def send(message: Any) -> None:
        sent.append(message)

    async def handler(_request: Request) -> Plain:
        raise Refusal(400, "the body is not JSON")

    async def run() -> Metrics:
        metrics = Metrics()
        # a server whose engine has ended
        routes = {("POST", COMPLETIONS_PATH): handler}
        app = App(routes, metrics, keys=Keys(file), trouble=lambda: "it has ended" if path == READY_PATH else None)
        app.phase = Phase.SERVING
        await app({"type": "http", "method": method, "path": path, "headers": list(headers)}, receive, send)
        return metrics

    metrics = asyncio.run(run())
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], found, json.loads(sent[1]["body"]), metrics)


def test_a_completion_without_a_key_is_answered_401_and_counted(file: Path) -> None:
    said = answer(file, "POST", COMPLETIONS_PATH, bearer("guess"))
    assert (said.status, said.headers["www-authenticate"]) == (401, "Bearer")
    assert "Bearer <key>" in said.body["error"]["message"]
    assert said.metrics.registry.get_sample_value(Metric.REQUESTS, {"code": "401"}) == 1
    assert said.metrics.registry.get_sample_value(Metric.REFUSED, {"reason": "key"}) == 1


def test_a_completion_with_a_key_is_looked_at(file: Path) -> None:
    assert answer(file, "POST", COMPLETIONS_PATH, bearer(KEY)).status == 400


def test_whoever_has_no_key_does_not_learn_which_paths_there_are(file: Path) -> None:
    assert answer(file, "GET", "/nothing", []).status == answer(file, "GET", COMPLETIONS_PATH, []).status == 401
    assert answer(file, "GET", "/nothing", bearer(KEY)).status == 404


@pytest.mark.parametrize(("path", "status"), [(LIVE_PATH, 200), (READY_PATH, 503)])
def test_probes_need_no_key(file: Path, path: str, status: int) -> None:
    """The server of these tests computes nothing, so it is not ready, and says so to a probe."""
    assert answer(file, "GET", path, []).status == status
