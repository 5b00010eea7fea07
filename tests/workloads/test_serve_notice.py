"""Spot notices, from metadata servers that are played on loopback."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from springtide_workloads.contract import NoticeFrom
from springtide_workloads.serve.notice import CLOUDS, Aws, Gcp, listen, watch

pytestmark = pytest.mark.enable_socket


@dataclass
class Played:
    """A metadata server: answers by method and path."""

    answer: Callable[[str, str, dict[str, str]], tuple[int, str, dict[str, str]]]
    asked: list[tuple[str, str]] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[str]:
        played = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                played.asked.append((self.command, self.path))
                status, text, more = played.answer(self.command, self.path, headers)
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_PUT = handle_any  # noqa: N815  names that the library looks for

            def log_message(self, *_: object) -> None: ...

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def test_aws_says_so_with_a_fresh_token_once_there_is_an_action() -> None:
    polls = iter([404, 401, 404, 200])

    def answer(method: str, _path: str, headers: dict[str, str]) -> tuple[int, str, dict[str, str]]:
        if method == "PUT":
            assert headers["x-aws-ec2-metadata-token-ttl-seconds"] == "21600"
            return 200, "a-token", {}
        assert headers["x-aws-ec2-metadata-token"] == "a-token"
        return next(polls), '{"action": "terminate", "time": "2026-11-23T12:00:00Z"}', {}

    played, heard = Played(answer), threading.Event()
    with played.running() as url:
        watch(Aws(url), heard.set, every=0.01)
    assert heard.is_set()
    assert [method for method, _ in played.asked] == ["PUT", "GET", "GET", "PUT", "GET", "GET"]
    assert played.asked[1][1] == "/latest/meta-data/spot/instance-action"


def test_gcp_is_asked_once_and_then_waits_for_the_change() -> None:
    def answer(_method: str, path: str, headers: dict[str, str]) -> tuple[int, str, dict[str, str]]:
        assert headers["metadata-flavor"] == "Google"
        return 200, "TRUE" if "last_etag=abc" in path else "FALSE", {"ETag": "abc"}

    played, heard = Played(answer), threading.Event()
    with played.running() as url:
        watch(Gcp(url), heard.set, every=0.01)
    assert heard.is_set()
    assert [path.partition("?")[0] for _, path in played.asked] == ["/computeMetadata/v1/instance/preempted"] * 2
    assert "wait_for_change=true" in played.asked[1][1]


def test_a_machine_that_goes_already_is_heard_at_the_first_word() -> None:
    heard = threading.Event()
    with Played(lambda *_: (200, "TRUE\n", {"ETag": "1"})).running() as url:
        watch(Gcp(url), heard.set, every=0.01)
    assert heard.is_set()


def test_a_server_that_cannot_be_asked_is_told_of_once_and_asked_again(capsys: pytest.CaptureFixture[str]) -> None:
    polls = iter([500, 500, 200, 200])
    heard = threading.Event()
    with Played(lambda *_: (next(polls), "x", {})).running() as url:
        watch(Aws(url), heard.set, every=0.01)
    assert heard.is_set()
    assert capsys.readouterr().err.count("cannot be asked") == 1


def test_nobody_is_asked_where_nobody_is_named() -> None:
    before = threading.active_count()
    listen(NoticeFrom.NONE, lambda: None)
    assert threading.active_count() == before


def test_whoever_is_named_is_asked_from_a_thread_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = threading.Event()
    with Played(lambda *_: (200, "TRUE", {"ETag": "1"})).running() as url:
        monkeypatch.setitem(CLOUDS, NoticeFrom.GCP, lambda: Gcp(url))
        listen(NoticeFrom.GCP, heard.set)
        assert heard.wait(30)
