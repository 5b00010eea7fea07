"""`springtide doctor` as a command: on machines with and without what it looks for."""

import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event

import pytest
from rich.console import Console
from tests.doctor import doctor_cases as cases
from tests.environment_files import ROOT, edited, project
from tests.fake_programs import FakePrograms, says

from springtide import cli, clouds, doctor
from springtide.doctor import aws, engine, tools
from springtide.doctor.model import Row, State
from springtide.doctor.once import Once
from springtide.sections import LOCAL
from springtide.tools import TOO_LATE, Answer, ThisMachine

WITH_ACCOUNTS = [name for name in clouds.available() if name != LOCAL]
"""This machine is no account: there is nothing to make ready, and nothing to look at."""

Doctor = Callable[[], tuple[int, str, str]]


@pytest.fixture
def run(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Doctor:
    def call() -> tuple[int, str, str]:
        monkeypatch.chdir(root)
        monkeypatch.setenv("COLUMNS", "300")
        status = cli.main(["doctor", "dev"])
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


def test_where_all_is_well_nothing_is_to_be_mended(run: Doctor, root: Path) -> None:
    status, out, err = run()
    assert (status, err) == (0, "")
    assert out.splitlines()[-1] == "dev: all set"
    rows = doctor.examine(cases.target(root), cases.MACHINE)
    assert {row.state for row in rows if row.check != "file"} == {State.GOOD}
    assert all(row.fix == "" for row in rows if row.state is State.GOOD)


def test_on_an_empty_machine_every_check_is_made_and_none_is_a_traceback(
    programs: FakePrograms, run: Doctor, root: Path
) -> None:
    for program in ("pulumi", "pulumi-language-python", "aws", "kubectl", "docker"):
        (programs.folder / program).unlink()
    status, out, err = run()
    assert (status, err) == (1, "")
    assert out.splitlines()[-1] == (
        "dev cannot be deployed from here: pulumi, pulumi-language-python, aws; "
        "cannot tell: plugins, state, account, region, spot role, quota"
    )
    said = {row.check: row.state for row in doctor.examine(cases.target(root), cases.MACHINE)}
    unknown = {check for check, state in said.items() if state is State.UNKNOWN}
    assert unknown == {"plugins", "state", "account", "region", "spot role", "quota"}
    assert {check for check, state in said.items() if state is State.LATER} == {"kubectl", "builder"}


def test_whatever_a_deployment_needs_comes_with_a_fix(programs: FakePrograms, root: Path) -> None:
    for program in programs.folder.iterdir():
        program.unlink()
    for cloud in ("aws", "gcp"):
        rows = doctor.examine(cases.target(root, cloud), cases.MACHINE)
        assert [row.check for row in rows if row.state is not State.GOOD and not row.fix] == []


def test_a_file_with_mistakes_is_one_row_among_the_others(run: Doctor, root: Path) -> None:
    project(root, edited(("gpu: A10G", "gpu: A10"), ("nat: one", "nat: two")))
    status, out, _ = run()
    assert status == 1
    assert "2 mistakes" in out
    assert "springtide plan dev" in out
    assert out.splitlines()[-1] == "dev cannot be deployed from here: file"


def test_a_bootstrap_stack_is_looked_at_by_its_own_rules(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT / "bootstrap")
    monkeypatch.setattr(engine, "CHECKS", ())  # this machine's own
    assert cli.main(["doctor", "aws"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "aws: all set"


@pytest.mark.parametrize(
    ("change", "says_what"),
    [
        (("cloud: aws", "cloud: asw"), "'asw'"),
        (('"123456789012"', '"12345"'), "stacks/Pulumi.dev.yaml:3 account: '12345' is no AWS account id."),
        (("  region: us-east-1\n", ""), "region: region is required and not given."),
    ],
)
def test_a_file_that_does_not_say_where_it_is_is_refused(
    programs: FakePrograms, run: Doctor, root: Path, change: tuple[str, str], says_what: str
) -> None:
    project(root, edited(change))
    status, out, err = run()
    assert (status, out, programs.asked) == (2, "", [])
    assert says_what in err
    assert "fix:" in err


def test_what_programs_say_is_no_markup(programs: FakePrograms, run: Doctor) -> None:
    cases.aws(programs, says("sts", err="[red]denied[/red] \x1b]0;title\x07\n", status=255))
    _, out, _ = run()
    assert "[red]denied[/red]" in out
    assert "\x1b" not in out


def test_an_answer_that_nobody_expected_takes_no_other_check_down(programs: FakePrograms, root: Path) -> None:
    cases.aws(programs, says("ec2", out={"Regions": 7}))
    cases.pulumi(programs, says("plugin", out=["aws"]))
    rows = {row.check: row for row in doctor.examine(cases.target(root), cases.MACHINE)}
    assert {check for check, row in rows.items() if row.state is State.UNKNOWN} == {"plugins", "region"}
    assert all("does not understand" in rows[check].found for check in ("plugins", "region"))
    assert rows["account"].state is State.GOOD


def test_what_nobody_can_tell_is_said_at_the_end(programs: FakePrograms, run: Doctor) -> None:
    cases.aws(programs, says("iam", err="(AccessDenied) no\n", status=254))
    status, out, _ = run()
    assert status == 0
    assert out.splitlines()[-1] == "dev: nothing is known to be missing; cannot tell: spot role"


def test_programs_read_what_people_do(programs: FakePrograms, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (programs.folder / "aws").unlink()
    assert doctor.run("dev", root, Console(), cases.MACHINE, form="json") == 1
    said = json.loads(capsys.readouterr().out)
    assert said["environment"]["account"] == "123456789012"
    assert said["deployable"] is False
    rows = {row["check"]: row for row in said["checks"]}
    assert rows["aws"]["state"] == "wrong"
    assert rows["region"] == {
        "check": "region",
        "state": "cannot tell",
        "found": "only aws could say, and it is not there",
        "fix": "as for aws, above",
    }


def test_whoever_waits_is_told_what_for(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = Event()

    def slow(_machine: object, _target: object) -> list[Row]:
        assert told.wait(10)
        return []

    def said(text: str) -> int:
        told.set()
        return original(text)

    original = sys.stderr.write
    monkeypatch.setattr(sys.stderr, "write", said)
    monkeypatch.setattr(doctor, "QUIET_SECONDS", 0.05)
    monkeypatch.setattr(engine, "CHECKS", (slow,))
    monkeypatch.setattr(aws, "CHECKS", ())
    monkeypatch.setattr(tools, "CHECKS", ())
    doctor.examine(cases.target(root), cases.MACHINE)
    assert capsys.readouterr().err == "asking: test doctor slow …\n"


def test_the_same_question_is_asked_once(programs: FakePrograms) -> None:
    programs.add("aws", says("sts", out="{}", seconds=0.2))
    machine = Once(machine=cases.MACHINE)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: machine.ask("aws", "sts"), range(4)))
    assert {answer.out for answer in answers} == {"{}"}
    assert programs.asked == [["aws", "sts"]]


def test_a_question_that_cannot_be_put_fails_for_everyone_who_put_it() -> None:
    class Broken:
        def find(self, _program: str) -> None:
            return None

        def ask(self, *_command: str, **_given: object) -> Answer:
            raise ValueError("embedded null byte")

    machine = Once(machine=Broken())
    for _ in range(2):
        with pytest.raises(ValueError, match="null"):
            machine.ask("aws")


def test_a_program_that_never_answers_is_not_waited_for(programs: FakePrograms) -> None:
    programs.add("aws", says("sts", seconds=30))
    answer = ThisMachine(limit_seconds=0.5).ask("aws", "sts")
    assert (answer.status, answer.why) == (TOO_LATE, "no answer within 0.5 s")


def test_a_program_that_cannot_be_run_is_as_good_as_absent(programs: FakePrograms) -> None:
    (programs.folder / "aws").write_text("#!/nowhere/at/all\n")
    assert "cannot be run" in cases.MACHINE.ask("aws").why


@pytest.mark.parametrize("cloud", WITH_ACCOUNTS)
def test_every_cloud_has_checks(cloud: str) -> None:
    assert doctor._of_cloud(cloud)[0].__module__ == f"springtide.doctor.{cloud}"


def test_a_cloud_without_checks_is_not_passed_over(root: Path) -> None:
    [row] = doctor._of_cloud("mainframe")[0](cases.MACHINE, cases.target(root))
    assert (row.state, row.found) == (State.UNKNOWN, "nothing here can look at an account of mainframe")


def test_the_checks_run_side_by_side(root: Path) -> None:
    """Each waits for the other, which it would for ever if they ran in turn."""
    barrier = Barrier(2, timeout=10)

    def meeting(_machine: object, _target: object) -> list[Row]:
        barrier.wait()
        return [Row(check="met", state=State.GOOD, found="")]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "CHECKS", (meeting, meeting))
        assert [row.check for row in doctor.examine(cases.target(root), cases.MACHINE)].count("met") == 2
