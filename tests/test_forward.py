"""`springtide open` with a kubectl and a pulumi that only say what they were asked."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.environment_files import BASE, project
from tests.fake_programs import FakePrograms, says

from springtide import cli
from springtide.forward import Address, address_of, forwarded
from springtide.k8s.serving import service

KUBECONFIG = '{"kind": "Config"}'
OUTPUTS = {"kubeconfig": KUBECONFIG, "services": {"chat": "http://chat.springtide"}}
ASKED = ["pulumi", "stack", "output", "--json", "--show-secrets", "--stack", "dev", "--non-interactive"]
FORWARDING = "Forwarding from 127.0.0.1:43210 -> 8000\nHandling connection for 43210\n"
Open = Callable[..., tuple[int, str, str]]
loopback = pytest.mark.enable_socket


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePrograms:
    made = FakePrograms(tmp_path / "bin")
    made.folder.mkdir()
    made.add("pulumi", says("stack", "output", out=OUTPUTS))
    made.add("kubectl", says("--kubeconfig", out=FORWARDING))
    monkeypatch.setenv("PATH", str(made.folder))
    return made


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    return project(tmp_path / "project", BASE)


@pytest.fixture
def run(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Open:
    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.chdir(root)
        try:
            status = cli.main(["open", *arguments])
        except SystemExit as stopped:
            status = int(str(stopped.code))
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


@loopback
def test_kubectl_forwards_to_the_services_port_by_its_name_with_the_stacks_kubeconfig(
    programs: FakePrograms, run: Open
) -> None:
    _, out, _ = run("dev", "chat", "--port", "0")
    asked, kubectl = programs.asked
    file = kubectl[2]
    assert asked == ASKED
    assert kubectl == [
        *("kubectl", "--kubeconfig", file, "--namespace", "springtide", "port-forward"),
        *("--address", "127.0.0.1", "service/chat", ":http"),
    ]
    assert out == "http://127.0.0.1:43210   (Ctrl-C closes it)\n"
    assert programs.seen == {file: ["0o600", KUBECONFIG]}
    assert not Path(file).parent.exists()


def test_the_port_is_the_one_that_a_service_has() -> None:
    assert "http" in [port["name"] for port in service("chat", "springtide")["spec"]["ports"]]


@loopback
def test_the_port_of_this_machine_can_be_chosen(programs: FakePrograms, run: Open) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    run("dev", "chat", "--port", str(port))
    assert programs.asked[1][-1] == f"{port}:http"


@loopback
def test_a_connection_that_is_lost_is_exit_status_one(programs: FakePrograms, run: Open) -> None:
    programs.add("kubectl", says("--kubeconfig", out=FORWARDING, err="lost connection to pod\n", status=1))
    status, _, err = run("dev", "chat", "--port", "0")
    assert (status, "kubectl ended with exit status 1" in err) == (1, True)


@pytest.fixture
def opened(programs: FakePrograms, root: Path) -> Iterator["subprocess.Popen[str]"]:
    """The command in a process of its own, once it said the address."""
    programs.add("kubectl", says("--kubeconfig", out=FORWARDING, seconds=60))
    command = [sys.executable, "-m", "springtide.cli", "open", "dev", "chat", "--port", "0"]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        command, cwd=root, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert "http://127.0.0.1:43210" in process.stdout.readline()
        yield process
        process.kill()


@loopback
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly_when_it_is_told_to(
    opened: "subprocess.Popen[str]", programs: FakePrograms, number: signal.Signals
) -> None:
    [file] = programs.seen
    opened.send_signal(number)
    _, err = opened.communicate(timeout=20)
    assert (opened.returncode, err) == (0, "")
    assert not Path(file).parent.exists()
    time.sleep(0.1)
    assert not _runs(file)


def _runs(file: str) -> bool:
    """Whether a process that was given this file is still there."""
    commands = (entry / "cmdline" for entry in Path("/proc").glob("[0-9]*"))
    return any(file in _text(command) for command in commands)


def _text(command: Path) -> str:
    try:
        return command.read_text(errors="replace")
    except OSError:
        return ""


@loopback
@pytest.mark.parametrize(
    ("arguments", "says_what"),
    [
        (("dev", "caht"), "SERVICE 'caht': did you mean chat? stacks/Pulumi.dev.yaml has chat"),
        (("dev", "zzz"), "SERVICE 'zzz': stacks/Pulumi.dev.yaml has chat"),
        (("prod", "chat"), "no environment 'prod': The project has dev"),
        (("dev", "chat", "--port", "70000"), "--port 70000: use 1 to 65535, or 0 for any that is free"),
        (("dev", "chat", "--port", "http"), "invalid int value: 'http'"),
    ],
)
def test_a_mistake_is_refused_before_anything_is_asked(
    programs: FakePrograms, run: Open, arguments: tuple[str, ...], says_what: str
) -> None:
    status, out, err = run(*arguments)
    assert (status, out, programs.asked) == (2, "", [])
    assert says_what in err


@loopback
def test_a_port_in_use_is_refused(programs: FakePrograms, run: Open) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        status, _, err = run("dev", "chat", "--port", str(port))
    assert (status, programs.asked) == (2, [])
    assert f"--port {port}: Address already in use. Use another, or 0" in err


@loopback
@pytest.mark.parametrize(
    ("answer", "says_what"),
    [
        (says("stack", err="error: no stack named 'dev' found\n", status=255), "error: no stack named 'dev' found."),
        (says("stack", out="no json"), "it says no outputs"),
        (says("stack", out={"kubeconfig": KUBECONFIG}), "'chat' is in the file and not deployed yet"),
        (says("stack", out={"services": OUTPUTS["services"]}), "stack dev exports no kubeconfig"),
        (
            says("stack", out={**OUTPUTS, "services": {"chat": "https://chat.example.com"}}),
            "needs no forwarding: it answers at https://chat.example.com",
        ),
    ],
)
def test_a_stack_that_is_not_there_yet_says_so(
    programs: FakePrograms, run: Open, answer: dict[str, object], says_what: str
) -> None:
    programs.add("pulumi", answer)
    status, out, err = run("dev", "chat", "--port", "0")
    assert (status, out, len(programs.asked)) == (2, "", 1)
    assert says_what in err


@loopback
def test_without_kubectl_it_says_where_to_get_it(programs: FakePrograms, run: Open) -> None:
    (programs.folder / "kubectl").unlink()
    status, _, err = run("dev", "chat", "--port", "0")
    assert (status, "kubectl is not on the PATH: install it" in err) == (2, True)


@loopback
def test_work_on_a_platform_is_reached_with_the_platforms_kubeconfig(
    programs: FakePrograms, root: Path, run: Open
) -> None:
    (root / "stacks" / "Pulumi.team.yaml").write_text("config:\n  'on': dev\n  services: {chat: {}}\n")
    programs.add(
        "pulumi",
        says("stack", "output", "--json", "--show-secrets", "--stack", "team", out={"services": OUTPUTS["services"]}),
        says("stack", "output", "--json", "--show-secrets", "--stack", "dev", out={"kubeconfig": KUBECONFIG}),
    )
    status, _, _ = run("team", "chat", "--port", "0")
    assert status == 1  # this kubectl ends by itself
    assert [words[-2] for words in programs.asked[:2]] == ["team", "dev"]
    assert [content for _, content in programs.seen.values()] == [KUBECONFIG]


@given(st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True), st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True))
def test_an_address_inside_a_cluster_is_read_however_long_it_is_written(name: str, namespace: str) -> None:
    found = Address(name=name, namespace=namespace)
    for tail in ("", ".svc", ".svc.cluster.local"):
        assert address_of(f"http://{name}.{namespace}{tail}") == found


@pytest.mark.parametrize("endpoint", ["", "https://chat.example.com", "http://chat", "chat.springtide"])
def test_any_other_address_is_none_of_a_cluster(endpoint: str) -> None:
    assert address_of(endpoint) is None


@pytest.mark.parametrize(
    ("line", "port"),
    [
        ("Forwarding from 127.0.0.1:8000 -> 8000", 8000),
        ("Forwarding from [::1]:8001 -> 8000", 8001),
        ("Handling connection for 8000", None),
        ("Forwarding from somewhere", None),
    ],
)
def test_only_what_kubectl_says_of_its_port_is_one(line: str, port: int | None) -> None:
    assert forwarded(line) == port
