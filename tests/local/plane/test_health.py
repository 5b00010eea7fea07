"""Whether a program is well: only a plain yes from the right one counts."""

import datetime as dt
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from springtide.local.plane.certificates import AUTHORITY, Keys, keys
from springtide.local.plane.health import well
from springtide.local.plane.programs import Health

pytestmark = pytest.mark.enable_socket
NOW = dt.datetime.now(dt.UTC)


class Answers(BaseHTTPRequestHandler):
    """The path is the status."""

    def do_GET(self) -> None:
        self.send_response(int(self.path.strip("/")))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def serving(found: Keys | None = None) -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        if found is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(found.certificate("kube-apiserver"), found.key("kube-apiserver"))
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"{'http' if found is None else 'https'}://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(name="ours", scope="module")
def our_keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return keys(tmp_path_factory.mktemp("ours"), NOW)


@pytest.fixture(name="theirs", scope="module")
def keys_of_another(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return keys(tmp_path_factory.mktemp("theirs"), NOW)


def asked(url: str, ours: Keys) -> bool:
    return well(Health(url=url), ours.certificate(AUTHORITY))


@pytest.mark.parametrize(("status", "good"), [(200, True), (204, False), (404, False), (500, False)])
def test_only_200_is_well(ours: Keys, status: int, good: bool) -> None:
    with serving() as server:
        assert asked(f"{server}/{status}", ours) is good


def test_a_server_with_a_certificate_of_ours_is_believed(ours: Keys) -> None:
    with serving(ours) as server:
        assert asked(f"{server}/200", ours)


def test_another_environments_server_on_that_port_is_not_ours(ours: Keys, theirs: Keys) -> None:
    with serving(theirs) as server:
        assert not asked(f"{server}/200", ours)


def test_nobody_there_is_not_well(ours: Keys) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert not asked(f"http://127.0.0.1:{port}/200", ours)


def test_somebody_who_speaks_another_language_is_not_well(ours: Keys) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def greet() -> None:
            client, _ = other.accept()
            with client:
                client.sendall(b"220 mail.example.org ESMTP\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        assert not asked(f"http://127.0.0.1:{other.getsockname()[1]}/200", ours)
        thread.join()


def test_a_proxy_of_the_shell_is_not_asked(ours: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    with serving() as server:
        assert asked(f"{server}/200", ours)


@pytest.mark.parametrize(("words", "good"), [(("/bin/true",), True), (("/bin/false",), False), (("/nothing",), False)])
def test_a_command_says_it_with_its_exit_status(tmp_path: Path, words: tuple[str, ...], good: bool) -> None:
    assert well(Health(command=words), tmp_path) is good


def test_one_that_cannot_be_asked_is_well_while_it_runs(tmp_path: Path) -> None:
    assert well(Health(), tmp_path)
