"""What a bootstrap file may say, and how its mistakes read."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.bootstrap.bootstrap_files import FOLDER, project, recorded, text
from tests.environment_files import edited

from springtide import bootstrap, clouds, settings
from springtide.ci import CiSpec
from springtide.clouds import bootstrap as bootstrapping
from springtide.offline.config import read_environment
from springtide.offline.record import MistakeError, record
from springtide.registry import RegistrySpec
from springtide.sections import LOCAL
from springtide.spec import SpecError

WITH_ACCOUNTS = [name for name in clouds.available() if name != LOCAL]
"""This machine is no account: there is nothing to make ready, and nothing to look at."""


def refused(tmp_path: Path, *changes: tuple[str, str], cloud: str = "aws", name: str = "aws") -> list[tuple[str, str]]:
    """Where and what a file's mistakes are, from the program's own refusal."""
    with pytest.raises(MistakeError) as error:
        record(project(tmp_path, edited(*changes, text=text(cloud)), name), name)
    assert "Traceback" not in str(error.value)
    assert all(found.fix for found in error.value.findings)
    return [(found.where, found.path) for found in error.value.findings]


@pytest.mark.parametrize("cloud", WITH_ACCOUNTS)
def test_every_cloud_has_an_example_that_parses(cloud: str) -> None:
    assert cloud in bootstrapping.available()
    found = bootstrap.parse(cloud, read_environment(FOLDER / f"Pulumi.{cloud}.yaml"))
    assert found.file.registry.images == (settings.IMAGE,)


def test_all_mistakes_come_at_once_with_their_lines(tmp_path: Path) -> None:
    found = refused(
        tmp_path,
        ("your-company/your-fork", "https://github.com/a/b"),
        ("[dev]", "['*']"),
        ("untagged_days: 14", "untagged_days: 0"),
        ('"123456789012"', '"1234"'),
        ("us-east-1", "us-east-9"),
    )
    assert found == [
        ("Pulumi.aws.yaml:3", "/account"),
        ("Pulumi.aws.yaml:4", "/region"),
        ("Pulumi.aws.yaml:6", "/github/repository"),
        ("Pulumi.aws.yaml:7", "/github/environments/0"),
        ("Pulumi.aws.yaml:12", "/registry/untagged_days"),
    ]


def test_a_cloud_that_is_not_known_is_refused_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(MistakeError) as error:
        record(project(tmp_path, edited(("cloud: aws", "cloud: azure"), text=text("aws")), "aws"), "aws")
    [found] = error.value.findings
    assert (found.path, found.value, found.allowed) == ("/cloud", "azure", bootstrapping.available())


def test_a_missing_section_is_one_mistake(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    file = "config: {cloud: aws, account: '123456789012', region: us-east-1}\n"
    with pytest.raises(MistakeError, match="github is required and not given"):
        record(project(tmp_path / "x", file, "aws"), "aws")


def test_a_name_too_long_for_a_role_says_by_how_much() -> None:
    config = read_environment(FOLDER / "Pulumi.aws.yaml")
    with pytest.raises(SpecError) as error:
        bootstrap.parse("a" * 48, config)
    rules = {found.rule: found.fix for found in error.value.findings}
    assert rules["aws/role-name"] == "shorten the stack's name by 2"


@pytest.mark.parametrize(
    ("permission", "good"),
    [
        ("AdministratorAccess", True),
        ("job-function/ViewOnlyAccess", True),
        ("arn:aws:iam::aws:policy/AdministratorAccess", False),
        ("", False),
    ],
)
def test_aws_permissions_are_names_of_managed_policies(permission: str, *, good: bool) -> None:
    spec = CiSpec(repository="a/b", environments=("dev",), permissions=(permission,))
    found = bootstrapping.load("aws").ci_findings(spec, "aws")
    assert [item.path for item in found] == ([] if good else ["/permissions/0"])


names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)


@given(names, names, names)
def test_no_subject_holds_a_wildcard_or_another_claim(owner: str, repository: str, name: str) -> None:
    for sign in ("*", "?", ":", " "):
        for wrong in (
            CiSpec(repository=f"{owner}/{repository}{sign}", environments=(name,)),
            CiSpec(repository="a/b", environments=(f"{name}{sign}",)),
            CiSpec(repository="a/b", environments=(name,), branch=f"{name}{sign}"),
        ):
            assert wrong.findings() != []
    sound = CiSpec(repository="a/b", environments=(name,), branch=name)
    assert sound.findings() == []
    assert sound.deployers == (f"repo:a/b:environment:{name}",)
    assert sound.pusher == f"repo:a/b:ref:refs/heads/{name}"


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"environments": ()}, "/environments"),
        ({"environments": ("dev", "dev")}, "/environments/1"),
        ({"trust": "always"}, "/trust"),
        ({"repository": "owner"}, "/repository"),
        ({"repository": "a/b/c"}, "/repository"),
        ({"branch": ""}, "/branch"),
    ],
)
def test_what_trusts_nobody_or_too_many_is_refused(changed: dict[str, object], path: str) -> None:
    given_values: dict[str, Any] = {"repository": "a/b", "environments": ("dev",), **changed}
    spec = CiSpec(**given_values)
    assert [found.path for found in spec.findings()] == [path]


@pytest.mark.parametrize(
    ("images", "days", "paths"),
    [
        ((), 14, ["/images"]),
        (("Mine",), 14, ["/images/0"]),
        (("a",), 14, ["/images/0"]),
        (("mine", "mine"), 14, ["/images/1"]),
        (("team/mine-2.0",), 14, []),
        (("mine",), 0, ["/untagged_days"]),
    ],
)
def test_what_no_registry_takes_is_refused(images: tuple[str, ...], days: int, paths: list[str]) -> None:
    assert [found.path for found in RegistrySpec(images=images, untagged_days=days).findings()] == paths


def test_the_program_asks_for_no_cloud_by_name() -> None:
    program = (FOLDER / "__main__.py").read_text(encoding="utf-8")
    assert not [name for name in clouds.available() if f'"{name}"' in program]
    assert " if " not in program.partition('"""\n')[2]


@pytest.mark.parametrize("cloud", WITH_ACCOUNTS)
def test_an_environments_images_come_from_the_registry_that_is_made(cloud: str) -> None:
    file = bootstrap.parse(cloud, read_environment(FOLDER / f"Pulumi.{cloud}.yaml")).file
    host = recorded(text(cloud), cloud).outputs["registry"]["value"]
    assert host == clouds.load(cloud).registry(file.account, file.region)
