"""Single checks of the doctor: Pulumi, AWS, and the programs that single commands need."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.doctor import doctor_cases as cases
from tests.environment_files import edited, project
from tests.fake_programs import FakePrograms, says

from springtide.doctor import aws, engine, tools
from springtide.doctor.model import Check, State, version_in
from springtide.target import find


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
    row = cases.only(engine.command_line, root)
    assert (row.state, row.found) == (state, found)


def test_the_language_host_may_lie_beside_what_pulumi_links_to(
    programs: FakePrograms, root: Path, tmp_path: Path
) -> None:
    real = tmp_path / "real"
    real.mkdir()
    for name in ("pulumi", "pulumi-language-python"):
        (programs.folder / name).rename(real / name)
    assert cases.only(engine.language_host, root).state is State.WRONG
    (programs.folder / "pulumi").symlink_to(real / "pulumi")
    assert cases.only(engine.language_host, root).found == str(real / "pulumi-language-python")


def test_a_virtual_environment_that_the_project_names_has_to_be_there(root: Path) -> None:
    assert cases.only(engine.language_host, root).state is State.GOOD
    (root / "Pulumi.yaml").write_text("name: x\nruntime: {name: python, options: {virtualenv: .venv}}\n")
    assert cases.only(engine.language_host, root).state is State.WRONG
    (root / ".venv" / "bin").mkdir(parents=True)
    (root / ".venv" / "bin" / "python").symlink_to(sys.executable)
    assert cases.only(engine.language_host, root).state is State.GOOD


def test_a_plugin_of_another_version_is_fetched_later(programs: FakePrograms, root: Path) -> None:
    old = [{**item, "version": "6.0.0"} if item["name"] == "aws" else item for item in cases.PLUGINS]
    cases.pulumi(programs, says("plugin", out=old))
    row = cases.only(engine.plugins, root)
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
    assert cases.only(engine.backend, root).state is state


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
    row = cases.only(check, root)
    assert row.state is state
    assert part in row.found


ROLE = "arn:aws:iam::123456789012:role/teams/ops"


@pytest.mark.parametrize(
    ("caller", "admins", "state", "found"),
    [
        ("arn:aws:sts::123456789012:assumed-role/ops/me", [ROLE], State.UNKNOWN, f"whether {ROLE} makes the cluster"),
        ("arn:aws:iam::123456789012:user/a/me", ["arn:aws:iam::123456789012:user/me"], State.UNKNOWN, "user/me makes"),
        ("arn:aws:sts::123456789012:assumed-role/dev/me", [ROLE], State.GOOD, "1 under cluster.admins"),
        ("arn:aws:iam::123456789012:user/ops", [ROLE], State.GOOD, "besides whoever makes the cluster"),
        ("arn:aws:iam::123456789012:role/ops", ["arn:aws:iam::210987654321:role/ops"], State.GOOD, "1 under"),
    ],
)
def test_who_deploys_is_not_to_be_listed_for_a_cluster_that_it_makes(  # noqa: PLR0913, PLR0917  a row of the table
    programs: FakePrograms, root: Path, caller: str, admins: list[str], state: State, found: str
) -> None:
    cases.aws(programs, says("sts", out={"Account": "123456789012", "Arn": caller}))
    listing = replace(cases.target(root), config={"cluster": {"admins": admins}})
    [row] = aws.administrators(cases.MACHINE, listing)
    assert row.state is state
    assert found in row.found
    assert state is State.GOOD or "409" in row.fix


@pytest.mark.parametrize("cluster", [{}, {"admins": []}, {"admins": [ROLE], "existing": "shared"}])
def test_nobody_is_asked_about_where_nobody_is_listed_or_the_cluster_is_there(
    programs: FakePrograms, root: Path, cluster: dict[str, object]
) -> None:
    assert list(aws.administrators(cases.MACHINE, replace(cases.target(root), config={"cluster": cluster}))) == []
    assert programs.asked == []


def test_without_an_answer_nothing_is_said_of_administrators(programs: FakePrograms, root: Path) -> None:
    cases.aws(programs, says("sts", err="ExpiredToken\n", status=254))
    [row] = aws.administrators(cases.MACHINE, replace(cases.target(root), config={"cluster": {"admins": [ROLE]}}))
    assert (row.state, row.fix) == (State.UNKNOWN, "as for account, above")


def test_the_region_is_asked_for_where_credentials_always_work(programs: FakePrograms, root: Path) -> None:
    cases.only(aws.region, root)
    assert programs.asked == [
        [
            *("aws", "ec2", "describe-regions", "--all-regions", "--filters", "Name=region-name,Values=us-east-1"),
            *("--region", "us-east-1", "--output", "json"),
        ]
    ]


@pytest.mark.parametrize(
    ("version", "state"),
    [
        ("1.27.160", State.GOOD),
        ("1.27.159", State.WRONG),
        ("2.12.3", State.GOOD),
        ("2.12.2", State.WRONG),
        ("3.0.0", State.GOOD),
        ("", State.UNKNOWN),
    ],
)
def test_the_aws_command_line_gives_tokens_that_eks_takes(
    programs: FakePrograms, root: Path, version: str, state: State
) -> None:
    cases.aws(programs, says("--version", out=f"aws-cli/{version} Python\n" if version else "?"))
    assert cases.only(aws.command_line, root).state is state


@pytest.mark.parametrize(
    ("client", "state"), [("v1.34.0", State.GOOD), ("v1.36.1", State.GOOD), ("v1.33.9", State.LATER), ("", State.LATER)]
)
def test_kubectl_is_near_the_clusters_version(programs: FakePrograms, root: Path, client: str, state: State) -> None:
    cases.kubectl(programs, client)
    assert cases.only(tools.kubectl, root).state is state


WORK = "config:\n  on: dev\n  jobs: {gpt: {recipe: gpt_small, pool: train, nodes: 1, checkpoints: artifacts, run: first}}\n"


@pytest.mark.parametrize(("client", "state"), [("v1.35.2", State.GOOD), ("v1.32.4", State.LATER)])
def test_the_cluster_of_work_is_its_platforms(programs: FakePrograms, root: Path, client: str, state: State) -> None:
    (root / "stacks" / "Pulumi.work.yaml").write_text(WORK)
    cases.kubectl(programs, client)
    [row] = tools.kubectl(cases.MACHINE, find("work", root))
    assert row.state is state
    assert "1.35" in row.found


def test_a_cluster_whose_version_nobody_can_read_is_not_passed_over(root: Path) -> None:
    project(root, edited(('    version: "1.35"', "    version: {secure: v1:abc}")))
    [row] = tools.kubectl(cases.MACHINE, find("dev", root))
    assert row.state is State.UNKNOWN
    assert "cluster.version" in row.fix


@pytest.mark.parametrize(
    ("text", "version"), [("Google Cloud SDK 541.0.0", (541, 0, 0)), ("v1.35", (1, 35)), ("none", ())]
)
def test_a_version_is_found_in_what_a_program_says(text: str, version: tuple[int, ...]) -> None:
    assert version_in(text) == version
