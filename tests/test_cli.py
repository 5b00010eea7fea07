import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from springtide import cli
from springtide.catalog import refresh
from springtide.offline import command

from .offline.sample_project import BROKEN, PROGRAM, REFUSING, commit, write_project

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in a folder: exit status, standard output, standard error."""

    def call(folder: Path, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.chdir(folder)
        try:
            status = cli.main(arguments)
        except SystemExit as stopped:
            status = int(str(stopped.code))
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


def test_the_only_environment_is_planned_without_being_named(tmp_path: Path, run: Run) -> None:
    status, out, _ = run(write_project(tmp_path, dev=2) / "stacks", "plan")
    assert status == 0
    assert out.splitlines()[-1].startswith("dev can be deployed")


def test_one_environment_makes_one_json_plan(tmp_path: Path, run: Run) -> None:
    status, out, _ = run(write_project(tmp_path, dev=2), "plan", "dev", "--format", "json")
    assert (status, json.loads(out)["environment"]["name"]) == (0, "dev")


def test_several_make_a_list_in_the_order_asked_for(tmp_path: Path, run: Run) -> None:
    root = write_project(tmp_path, dev=2, prod=3)
    _, out, _ = run(root, "plan", "prod", "dev", "prod", "--format", "json")
    assert [plan["environment"]["name"] for plan in json.loads(out)] == ["prod", "dev"]


def test_all_makes_a_list_even_of_one(tmp_path: Path, run: Run) -> None:
    _, out, _ = run(write_project(tmp_path, dev=2), "plan", "--all", "--format", "json")
    assert len(json.loads(out)) == 1


def test_two_runs_give_the_same_bytes_but_for_the_time(tmp_path: Path, run: Run) -> None:
    root = write_project(tmp_path, dev=2)
    one, other = (json.loads(run(root, "plan", "--format", "json")[1]) | {"seconds": {}} for _ in range(2))
    assert json.dumps(one) == json.dumps(other)


def test_a_finding_that_stops_is_exit_status_one(tmp_path: Path, run: Run) -> None:
    status, out, err = run(write_project(tmp_path, REFUSING, dev=1), "plan")
    assert status == 1
    assert "max is too large" in out
    assert "Traceback" not in out + err


def test_a_programs_own_crash_shows_its_traceback_beside_the_plan(tmp_path: Path, run: Run) -> None:
    status, out, err = run(write_project(tmp_path, BROKEN, dev=1), "plan", "--format", "json")
    assert status == 1
    assert json.loads(out)["resources"] == []
    assert "RuntimeError: the program is broken" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("prodd",), "no environment 'prodd': did you mean prod? The project has dev, prod"),
        (("zzz",), "no environment 'zzz': The project has dev, prod"),
        ((), "which environment? Name one or more of dev, prod, or say --all"),
        (("dev", "--all"), "name environments or say --all, not both"),
        (("dev", "--out", "nowhere/plan.json"), "nowhere/plan.json cannot be written: no such folder"),
        (("dev", "--out", "stacks"), "stacks is a folder: name a file"),
    ],
)
def test_a_usage_error_says_what_can_be_done(tmp_path: Path, run: Run, arguments: tuple[str, ...], says: str) -> None:
    status, out, err = run(write_project(tmp_path, dev=1, prod=1), "plan", *arguments)
    assert (status, out, err) == (2, "", f"springtide: {says}\n")


def test_outside_of_a_project_nothing_is_planned(tmp_path: Path, run: Run) -> None:
    status, _, err = run(tmp_path, "plan")
    assert (status, "run this inside a project" in err) == (2, True)


def test_a_folder_that_is_gone_is_a_usage_error(tmp_path: Path) -> None:
    plan = f"mkdir gone && cd gone && rmdir ../gone && {sys.executable} -m springtide.cli plan"
    done = process("sh", "-c", plan, folder=tmp_path)
    assert (done.returncode, "change to one that is there" in done.stderr) == (2, True)
    assert "Traceback" not in done.stderr


def test_a_project_without_environments_says_how_to_get_one(tmp_path: Path, run: Run) -> None:
    status, _, err = run(write_project(tmp_path), "plan")
    assert (status, "add a file Pulumi.<name>.yaml" in err) == (2, True)


def test_a_project_file_that_is_no_project_is_a_usage_error(tmp_path: Path, run: Run) -> None:
    (tmp_path / "Pulumi.yaml").write_text("[")
    status, _, err = run(tmp_path, "plan")
    assert (status, "Traceback" in err) == (2, False)


def test_an_unknown_base_is_a_usage_error(tmp_path: Path, run: Run) -> None:
    root = write_project(tmp_path, dev=1)
    commit(root)
    status, _, err = run(root, "plan", "--base", "nonsense")
    assert (status, "'nonsense' is no commit of this repository" in err) == (2, True)


def test_a_plan_is_compared_with_its_base(tmp_path: Path, run: Run) -> None:
    root = write_project(tmp_path, dev=2)
    commit(root)
    write_project(root, dev=8)
    _, out, _ = run(root, "plan", "--base", "main", "--format", "markdown")
    assert "Against main" in out
    assert "/maxNodes: 2 → 8" in out


def test_a_plans_json_holds_no_comparison_and_says_so(tmp_path: Path, run: Run) -> None:
    status, out, err = run(write_project(tmp_path, dev=2), "plan", "--base", "main", "--format", "json")
    assert (status, json.loads(out)["environment"]["name"]) == (0, "dev")
    assert err.startswith("a plan's JSON holds no comparison: --base is left aside\n")


def test_comments_of_several_environments_fit_one_comment_together(tmp_path: Path, run: Run) -> None:
    program = (
        PROGRAM
        + "for i in range(900):\n    Part('Network', f'n{i}', **place, nat='one', cidr='10.0.0.0/16', zones=[])\n"
    )
    _, out, _ = run(write_project(tmp_path, program, dev=2, prod=2), "plan", "--all", "--format", "markdown")
    assert 20_000 < len(out) <= 60_000
    assert out.count("<!-- springtide plan") == 2


def test_an_environment_that_the_base_lacks_is_wholly_new(tmp_path: Path, run: Run) -> None:
    root = write_project(tmp_path, dev=2)
    commit(root)
    _, out, _ = run(write_project(root, new=1), "plan", "new", "--base", "main", "--format", "markdown")
    assert "There is no such environment there." in out


def test_a_base_that_is_stopped_itself_does_not_stop_the_plan(tmp_path: Path, run: Run) -> None:
    root = write_project(tmp_path, REFUSING, dev=2)
    commit(root)
    status, out, _ = run(write_project(root, dev=2), "plan", "--base", "main")
    assert status == 0
    assert "the base's own plan is stopped" in out


def test_a_base_with_components_of_another_shape_does_not_stop_the_plan(tmp_path: Path, run: Run) -> None:
    root = write_project(tmp_path, PROGRAM.replace("diskGib=200, ", ""), dev=2)
    commit(root)
    status, out, _ = run(write_project(root, dev=2), "plan", "--base", "main", "--format", "markdown")
    assert status == 0
    assert "has no diskGib: the plan was made by another version" in out


def test_a_plan_that_is_stopped_does_not_seem_to_delete_everything(tmp_path: Path, run: Run) -> None:
    root = write_project(tmp_path, dev=2)
    commit(root)
    status, out, _ = run(write_project(root, REFUSING), "plan", "--base", "main")
    assert status == 1
    assert "this plan is stopped before anything is registered" in out
    assert "deleted" not in out


@pytest.mark.parametrize(
    ("form", "beginning"),
    [
        ("text", "dev  aws"),
        ("json", "{"),
        ("markdown", "<!-- springtide plan sample/dev -->"),
        ("html", "<!doctype html>"),
    ],
)
def test_every_form_goes_to_a_file(tmp_path: Path, run: Run, form: str, beginning: str) -> None:
    root = write_project(tmp_path, dev=1)
    status, out, err = run(root, "plan", "--format", form, "--out", "plan.out")
    assert (status, out) == (0, "")
    assert (root / "plan.out").read_text(encoding="utf-8").startswith(beginning)
    assert "dev can be deployed" in err


def test_what_takes_long_is_named(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "QUIET_SECONDS", 0.0)
    _, _, err = run(write_project(tmp_path, dev=1), "plan")
    assert err.startswith("planning dev …\ndev: ")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("setting", "colored"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colour_needs_a_terminal_and_consent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: dict[str, str], colored: bool
) -> None:
    root = write_project(tmp_path, dev=1)
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.chdir(root)
    cli.main(["plan"])
    assert ("\x1b[" in terminal.getvalue()) is colored


def environment(**members: str) -> dict[str, str]:
    """Environment variables that hold nothing but where to find programs and packages."""
    packages = os.pathsep.join(path for path in sys.path if path)
    return {"PATH": os.environ["PATH"], "PYTHONPATH": packages, **members}


def process(*words: str, folder: Path, **members: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=folder, env=environment(**members), capture_output=True, text=True, check=False)


def test_the_forms_that_are_offered_are_those_that_exist() -> None:
    assert cli._FORMS == command.FORMS


def test_help_needs_no_pulumi(tmp_path: Path) -> None:
    watched = (
        "import sys; from springtide import cli\ntry: cli.main(['--help'])\nfinally: print('pulumi' in sys.modules)"
    )
    assert process(sys.executable, "-c", watched, folder=tmp_path).stdout.splitlines()[-1] == "False"


def test_the_catalog_is_listed_and_an_unknown_accelerator_refused(tmp_path: Path, run: Run) -> None:
    status, out, _ = run(tmp_path, "catalog", "--gpu", "L4", "--region", "us-east-1")
    assert (status, "g6.xlarge" in out) == (0, True)
    status, _, err = run(tmp_path, "catalog", "--gpu", "L44")
    assert (status, "L4" in err) == (2, True)


def test_a_narrow_window_cuts_no_name_and_no_price(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    for columns in ("300", "30"):
        monkeypatch.setenv("COLUMNS", columns)
        _, out, _ = run(tmp_path, "catalog", "--region", "us-east-1")
        told.append(
            [[cell.strip() for cell in line.split("│")[1:10]] for line in out.splitlines() if ".xlarge" in line]
        )
    assert told[0] == told[1] != []


def test_a_refresh_hands_over_what_it_was_told(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[list[str]] = []

    def listen(words: list[str]) -> int:
        heard.append(words)
        return 0

    monkeypatch.setattr(refresh, "main", listen)
    run(tmp_path, "catalog", "refresh")
    run(tmp_path, "catalog", "refresh", "aws", "--live", "--prices", "list.csv")
    assert heard == [["aws"], ["aws", "--live", "--prices", "list.csv"]]


def test_an_interrupt_is_no_traceback(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "run", interrupted)
    assert run(tmp_path, "plan") == (130, "", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_file_that_fails_while_written_is_a_usage_error(tmp_path: Path, run: Run) -> None:
    status, _, err = run(write_project(tmp_path, dev=1), "plan", "--out", "/dev/full")
    assert (status, "/dev/full cannot be written: No space left on device" in err) == (2, True)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("command_line", ["schema", "catalog", "plan"])
def test_an_output_that_is_full_is_told_in_one_line(tmp_path: Path, command_line: str) -> None:
    root = write_project(tmp_path, dev=1)
    done = process("sh", "-c", f"{sys.executable} -m springtide.cli {command_line} >/dev/full", folder=root)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "springtide: the output cannot be written: No space left on device"
    assert "Traceback" not in done.stderr


def test_one_broken_environment_stops_none_of_the_others(tmp_path: Path, run: Run) -> None:
    root = write_project(tmp_path, dev=2, prod=3)
    for name, written in {
        "bytes": "config: {max: !!binary aGVsbG8=}",
        "list": "config: [1]",
        "open": "config: [",
    }.items():
        (root / "stacks" / f"Pulumi.{name}.yaml").write_text(written)
    status, out, err = run(root, "plan", "--all", "--format", "json")
    plans = {plan["environment"]["name"]: plan for plan in json.loads(out)}
    assert status == 1
    assert [name for name, plan in plans.items() if plan["resources"]] == ["dev", "prod"]
    assert [plans[name]["findings"][0]["where"] for name in ("bytes", "list", "open")] == [
        "stacks/Pulumi.bytes.yaml:1", "stacks/Pulumi.list.yaml:1", "stacks/Pulumi.open.yaml:1",
    ]  # fmt: skip
    assert "Traceback" not in err


def test_an_interrupt_at_the_terminal_ends_everything_in_silence(tmp_path: Path) -> None:
    started = tmp_path / "started"
    program = f"import pathlib, time\npathlib.Path({str(started)!r}).touch()\ntime.sleep(60)\n"
    root = write_project(tmp_path / "project", program, dev=1)
    words = [sys.executable, "-m", "springtide.cli", "plan"]
    with subprocess.Popen(
        words, cwd=root, env=environment(), stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as plan:
        while not started.exists() and plan.poll() is None:
            time.sleep(0.05)
        os.killpg(plan.pid, signal.SIGINT)
        _, err = plan.communicate(timeout=20)
    assert plan.returncode == 130
    assert "Traceback" not in err
    with pytest.raises(ProcessLookupError):
        os.killpg(plan.pid, 0)


def test_a_files_name_cannot_steer_the_terminal(tmp_path: Path, run: Run) -> None:
    root = write_project(tmp_path, dev=1)
    (root / "stacks" / "Pulumi.\x1b[31mred\udcff.yaml").touch()
    status, _, err = run(root, "plan")
    assert (status, "\x1b" in err, "�[31mred�" in err) == (2, False, True)
    status, out, _ = run(root, "plan", "--all", "--format", "json")
    assert (status, len(json.loads(out))) == (1, 2)


def test_the_schema_describes_an_environment_file(tmp_path: Path, run: Run) -> None:
    status, _, _ = run(tmp_path, "schema", "--out", "schema.json")
    assert (status, "config" in json.loads((tmp_path / "schema.json").read_text())["properties"]) == (0, True)


def test_a_schema_that_cannot_be_written_is_a_usage_error(tmp_path: Path, run: Run) -> None:
    status, _, err = run(tmp_path, "schema", "--out", "nowhere/schema.json")
    assert (status, "cannot be written" in err) == (2, True)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_change_no_exit_status(tmp_path: Path, closed: str) -> None:
    root = write_project(tmp_path, dev=1)
    plan = f"{sys.executable} -m springtide.cli plan --out plan.txt {closed}"
    done = process("sh", "-c", f"{plan} && {sys.executable} -m springtide.cli plan {closed}", folder=root)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert "dev can be deployed" in (root / "plan.txt").read_text()


def test_who_stops_reading_meets_no_traceback(tmp_path: Path) -> None:
    root = write_project(tmp_path, dev=1)
    done = process("sh", "-c", f"{sys.executable} -m springtide.cli plan --format html | head -c 10", folder=root)
    assert (done.stdout, "Traceback" in done.stderr, "BrokenPipe" in done.stderr) == ("<!doctype ", False, False)


@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is not installed")
def test_a_plan_needs_no_network_and_no_environment(tmp_path: Path) -> None:
    root = write_project(tmp_path / "project", dev=1)
    if process("unshare", "-rn", "true", folder=root).returncode:
        pytest.skip("this machine allows no new network namespace")
    words = ["unshare", "-rn", sys.executable, "-m", "springtide.cli", "plan", "--all", "--format", "json"]
    done = process(*words, folder=root, HOME=str(tmp_path))
    assert (done.returncode, len(json.loads(done.stdout))) == (0, 1)
