"""`springtide doctor` on machines with and without what it looks for."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Barrier

import pytest
from tests.doctor import doctor_cases as cases
from tests.environment_files import BASE, ROOT, edited, project
from tests.fake_programs import FakePrograms, says

from springtide import cli, clouds, doctor
from springtide.doctor import aws, engine, gcp, tools
from springtide.doctor.model import Check, Row, State, version_in
from springtide.tools import TOO_LATE, ThisMachine

MACHINE = ThisMachine(limit_seconds=20)
Doctor = Callable[[], tuple[int, str, str]]


@pytest.fixture(autouse=True)
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePrograms:
    """A machine on which everything is well."""
    made = FakePrograms(tmp_path / "bin")
    made.folder.mkdir()
    cases.pulumi(made)
    cases.aws(made)
    cases.gcloud(made)
    cases.kubectl(made)
    made.add("gke-gcloud-auth-plugin")
    made.add("docker")
    monkeypatch.setenv("PATH", str(made.folder))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    credentials(tmp_path, type="authorized_user", quota_project_id="my-project")
    return made


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    return project(tmp_path / "project", BASE)


@pytest.fixture
def run(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Doctor:
    def call() -> tuple[int, str, str]:
        monkeypatch.chdir(root)
        monkeypatch.setenv("COLUMNS", "300")
        status = cli.main(["doctor", "dev"])
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


def credentials(folder: Path, **content: str) -> None:
    (folder / "application_default_credentials.json").write_text(json.dumps(content))


def test_where_all_is_well_nothing_is_to_be_mended(run: Doctor, root: Path) -> None:
    status, out, err = run()
    assert (status, err) == (0, "")
    assert out.splitlines()[-1] == "dev: all set"
    rows = doctor.examine(cases.target(root), MACHINE)
    assert {row.state for row in rows if row.check != "file"} == {State.GOOD}
    assert all(row.fix == "" for row in rows if row.state is State.GOOD)


def test_on_an_empty_machine_every_check_is_made_and_none_is_a_traceback(
    programs: FakePrograms, run: Doctor, root: Path
) -> None:
    for program in ("pulumi", "pulumi-language-python", "aws", "kubectl", "docker"):
        (programs.folder / program).unlink()
    status, out, err = run()
    assert (status, err) == (1, "")
    assert out.splitlines()[-1] == "dev cannot be deployed from here: pulumi, pulumi-language-python, aws"
    said = {row.check: row.state for row in doctor.examine(cases.target(root), MACHINE)}
    unknown = {check for check, state in said.items() if state is State.UNKNOWN}
    assert unknown == {"plugins", "state", "account", "region", "spot role"}
    assert {check for check, state in said.items() if state is State.LATER} == {"kubectl", "builder"}


def test_whatever_a_deployment_needs_comes_with_a_fix(programs: FakePrograms, root: Path) -> None:
    for program in programs.folder.iterdir():
        program.unlink()
    for cloud in ("aws", "gcp"):
        rows = doctor.examine(cases.target(root, cloud), MACHINE)
        assert [row.check for row in rows if row.state in {State.WRONG, State.LATER} and not row.fix] == []


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


def only(check: Check, root: Path, cloud: str = "aws") -> Row:
    [row] = check(MACHINE, cases.target(root, cloud))
    return row


@pytest.mark.parametrize(
    ("answer", "state", "found"),
    [
        (says("version", out="v3.259.0\n"), State.GOOD, "3.259.0"),
        (says("version", out="v3.258.9\n"), State.WRONG, "3.258.9; 3.259.0 is the oldest that was tried"),
        (says("version", out="v3.300.0+dirty\n"), State.GOOD, "3.300.0"),
        (says("version", err="dyld: no\n", status=1), State.UNKNOWN, "dyld: no"),
    ],
)
def test_pulumi_has_a_floor(
    programs: FakePrograms, root: Path, answer: dict[str, object], state: State, found: str
) -> None:
    cases.pulumi(programs, answer)
    row = only(engine.command_line, root)
    assert (row.state, row.found) == (state, found)


def test_the_language_host_may_lie_beside_what_pulumi_links_to(
    programs: FakePrograms, root: Path, tmp_path: Path
) -> None:
    real = tmp_path / "real"
    real.mkdir()
    for name in ("pulumi", "pulumi-language-python"):
        (programs.folder / name).rename(real / name)
    assert only(engine.language_host, root).state is State.WRONG
    (programs.folder / "pulumi").symlink_to(real / "pulumi")
    assert only(engine.language_host, root).found == str(real / "pulumi-language-python")


def test_a_virtual_environment_that_the_project_names_has_to_be_there(root: Path) -> None:
    assert only(engine.language_host, root).state is State.GOOD
    (root / "Pulumi.yaml").write_text("name: x\nruntime: {name: python, options: {virtualenv: .venv}}\n")
    assert only(engine.language_host, root).state is State.WRONG
    (root / ".venv" / "bin").mkdir(parents=True)
    (root / ".venv" / "bin" / "python").symlink_to(sys.executable)
    assert only(engine.language_host, root).state is State.GOOD


def test_a_plugin_of_another_version_is_fetched_later(programs: FakePrograms, root: Path) -> None:
    old = [{**item, "version": "6.0.0"} if item["name"] == "aws" else item for item in cases.PLUGINS]
    cases.pulumi(programs, says("plugin", out=old))
    row = only(engine.plugins, root)
    assert row.state is State.LATER
    assert row.fix.endswith(f"pulumi plugin install resource aws v{cases.PLUGINS[0]['version']}")
    assert "kubernetes" not in row.found


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (says("whoami", out={"user": "me", "url": "file://~"}), State.LATER),
        (says("whoami", err="error: PULUMI_ACCESS_TOKEN must be set\n", status=1), State.WRONG),
        (says("whoami", out={"user": "me", "url": "https://api.pulumi.com"}), State.GOOD),
    ],
)
def test_state_lies_where_others_reach_it(
    programs: FakePrograms, root: Path, answer: dict[str, object], state: State
) -> None:
    cases.pulumi(programs, answer)
    assert only(engine.backend, root).state is state


@pytest.mark.parametrize(
    ("check", "answer", "state", "part"),
    [
        (
            aws.account,
            says("sts", out={"Account": "210987654321", "Arn": "a"}),
            State.WRONG,
            "credentials of 210987654321",
        ),
        (aws.account, says("sts", err="ExpiredToken\n", status=255), State.WRONG, "ExpiredToken"),
        (aws.region, says("ec2", out={"Regions": []}), State.WRONG, "AWS knows no region us-east-1"),
        (aws.region, says("ec2", out={"Regions": [{"OptInStatus": "not-opted-in"}]}), State.WRONG, "us-east-1 is off"),
        (aws.region, says("ec2", out={"Regions": [{"OptInStatus": "opted-in"}]}), State.GOOD, "opted-in"),
        (aws.region, says("ec2", err="UnauthorizedOperation\n", status=254), State.UNKNOWN, "UnauthorizedOperation"),
        (aws.spot_role, says("iam", err="(NoSuchEntity) no\n", status=254), State.LATER, "never used spot"),
        (aws.spot_role, says("iam", err="(AccessDenied) no\n", status=254), State.UNKNOWN, "AccessDenied"),
    ],
)
def test_what_aws_answers(  # noqa: PLR0913, PLR0917  a row of the table
    programs: FakePrograms, root: Path, check: Check, answer: dict[str, object], state: State, part: str
) -> None:
    cases.aws(programs, answer)
    row = only(check, root)
    assert row.state is state
    assert part in row.found


def test_the_region_is_asked_for_where_credentials_always_work(programs: FakePrograms, root: Path) -> None:
    only(aws.region, root)
    assert programs.asked == [
        [
            *("aws", "ec2", "describe-regions", "--all-regions", "--filters", "Name=region-name,Values=us-east-1"),
            *("--region", "us-east-1", "--output", "json"),
        ]
    ]


@pytest.mark.parametrize("check", gcp.CHECKS, ids=lambda check: check.__name__)
def test_a_gcp_project_in_which_all_is_well(root: Path, check: Check) -> None:
    row = only(check, root, "gcp")
    assert (row.state, row.fix) == (State.GOOD, "")
    assert "secret-token" not in row.found


@pytest.mark.parametrize(
    ("check", "answer", "state", "part"),
    [
        (gcp.login, says("auth", "list", out=[]), State.WRONG, "gcloud auth login"),
        (
            gcp.application_login,
            says("auth", "application-default", err="ERROR: no credentials\n", status=1),
            State.WRONG,
            "gcloud auth application-default login",
        ),
        (gcp.project, says("projects", err="permission\n", status=1), State.WRONG, "correct `account` in stacks/"),
        (
            gcp.project,
            says("projects", out={"lifecycleState": "DELETE_REQUESTED"}),
            State.WRONG,
            "gcloud projects undelete my-project",
        ),
        (
            gcp.apis,
            says("services", out="cloudresourcemanager.googleapis.com\n"),
            State.WRONG,
            "gcloud services enable serviceusage.googleapis.com --project my-project",
        ),
        (
            gcp.apis,
            says("services", out=cases.ALL_APIS.replace("container.googleapis.com\n", "")),
            State.LATER,
            "gcloud services enable container.googleapis.com --project my-project",
        ),
        (gcp.apis, says("services", err="denied\n", status=1), State.UNKNOWN, "gcloud services enable"),
        (gcp.region, says("compute", out={"status": "DOWN"}), State.WRONG, "choose another `region`"),
        (gcp.region, says("compute", err="API not enabled\n", status=1), State.UNKNOWN, "compute API"),
    ],
)
def test_what_gcp_answers(  # noqa: PLR0913, PLR0917  a row of the table
    programs: FakePrograms, root: Path, check: Check, answer: dict[str, object], state: State, part: str
) -> None:
    cases.gcloud(programs, answer)
    row = only(check, root, "gcp")
    assert row.state is state
    assert part in row.fix


@pytest.mark.parametrize(
    ("content", "state", "found"),
    [
        ({"type": "authorized_user"}, State.LATER, "none"),
        ({"type": "authorized_user", "quota_project_id": "other"}, State.LATER, "other"),
        ({"type": "service_account"}, State.GOOD, "a service_account's own"),
    ],
)
def test_a_users_calls_are_counted_in_the_project(
    root: Path, tmp_path: Path, content: dict[str, str], state: State, found: str
) -> None:
    credentials(tmp_path, **content)
    row = only(gcp.quota_project, root, "gcp")
    assert (row.state, row.found) == (state, found)


def test_without_credentials_nobody_can_tell_what_calls_are_counted_in(root: Path, tmp_path: Path) -> None:
    (tmp_path / "application_default_credentials.json").unlink()
    assert only(gcp.quota_project, root, "gcp").state is State.UNKNOWN


@pytest.mark.parametrize(
    ("client", "state"), [("v1.34.0", State.GOOD), ("v1.36.1", State.GOOD), ("v1.33.9", State.LATER), ("", State.LATER)]
)
def test_kubectl_is_near_the_clusters_version(programs: FakePrograms, root: Path, client: str, state: State) -> None:
    cases.kubectl(programs, client)
    assert only(tools.kubectl, root).state is state


def test_an_answer_that_nobody_expected_takes_no_other_check_down(programs: FakePrograms, root: Path) -> None:
    cases.aws(programs, says("ec2", out={"Regions": 7}))
    cases.pulumi(programs, says("plugin", out=["aws"]))
    rows = {row.check: row for row in doctor.examine(cases.target(root), MACHINE)}
    assert {check for check, row in rows.items() if row.state is State.UNKNOWN} == {"plugins", "region"}
    assert all("does not understand" in rows[check].found for check in ("plugins", "region"))
    assert rows["account"].state is State.GOOD


def test_a_program_that_never_answers_is_not_waited_for(programs: FakePrograms) -> None:
    programs.add("aws", says("sts", seconds=30))
    answer = ThisMachine(limit_seconds=0.5).ask("aws", "sts")
    assert (answer.status, answer.why) == (TOO_LATE, "no answer within 0.5 s")


def test_a_program_that_cannot_be_run_is_as_good_as_absent(programs: FakePrograms) -> None:
    (programs.folder / "aws").write_text("#!/nowhere/at/all\n")
    assert "cannot be run" in MACHINE.ask("aws").why


@pytest.mark.parametrize("cloud", clouds.available())
def test_every_cloud_has_checks(cloud: str) -> None:
    assert doctor._of_cloud(cloud)[0].__module__ == f"springtide.doctor.{cloud}"


def test_a_cloud_without_checks_is_not_passed_over(root: Path) -> None:
    [row] = doctor._of_cloud("mainframe")[0](MACHINE, cases.target(root))
    assert (row.state, row.found) == (State.UNKNOWN, "nothing here can look at an account of mainframe")


def test_the_checks_run_side_by_side(root: Path) -> None:
    """Each waits for the other, which it would for ever if they ran in turn."""
    barrier = Barrier(2, timeout=10)

    def meeting(_machine: object, _target: object) -> list[Row]:
        barrier.wait()
        return [Row(check="met", state=State.GOOD, found="")]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "CHECKS", (meeting, meeting))
        assert [row.check for row in doctor.examine(cases.target(root), MACHINE)].count("met") == 2


@pytest.mark.parametrize(
    ("text", "version"), [("Google Cloud SDK 541.0.0", (541, 0, 0)), ("v1.35", (1, 35)), ("none", ())]
)
def test_a_version_is_found_in_what_a_program_says(text: str, version: tuple[int, ...]) -> None:
    assert version_in(text) == version
