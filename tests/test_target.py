"""Which environment a command is about."""

from pathlib import Path

import pytest
from tests.environment_files import BASE, edited, project

from springtide.target import UsageError, find

WORK = "config:\n  'on': dev\n  springtide:jobs: {}\n  services: {chat: {}}\n"


def test_an_environment_is_found_from_a_folder_within(tmp_path: Path) -> None:
    found = find("dev", project(tmp_path, BASE) / "stacks")
    assert (found.cloud, found.account, found.region, found.platform) == ("aws", "123456789012", "us-east-1", "dev")
    assert (found.root, found.shown) == (tmp_path, "stacks/Pulumi.dev.yaml")
    assert set(found.section("services")) == {"chat"}


def test_keys_may_have_the_projects_name_before_them(tmp_path: Path) -> None:
    found = find("dev", project(tmp_path, edited(("  region:", "  springtide:region:"))))
    assert found.region == "us-east-1"
    assert found.config["region"] == "us-east-1"


def test_work_is_where_its_platform_is(tmp_path: Path) -> None:
    root = project(tmp_path, BASE)
    project(root, WORK, "team")
    found = find("team", root)
    assert (found.name, found.platform, found.account) == ("team", "dev", "123456789012")
    assert found.shown == "stacks/Pulumi.team.yaml"


def test_a_section_that_is_none_is_empty(tmp_path: Path) -> None:
    assert find("dev", project(tmp_path, edited(("{budget_usd_per_hour: 50}", "none")))).section("policies") == {}


@pytest.mark.parametrize(
    ("text", "name", "says"),
    [
        (BASE, "dve", "no environment 'dve': did you mean dev? The project has dev"),
        (BASE, "production", "no environment 'production': The project has dev"),
        ("config: [", "dev", "while parsing"),
        (edited(("cloud: aws", "cloud: asw")), "dev", "stacks/Pulumi.dev.yaml:2 cloud: unknown cloud 'asw'."),
        (edited(('"123456789012"', "123456789012")), "dev", "put it in quotes"),
        ("config: {cloud: local}", "dev", "dev is on this machine: it has no account"),
        ("config: {cloud: local}", "dev", "`springtide up dev` starts it, and makes its image"),
        ("config: {'on': prod}", "dev", "no environment 'prod': The project has dev"),
        ("config: {'on': dev}", "dev", "3 mistakes in stacks/Pulumi.dev.yaml"),
    ],
)
def test_what_cannot_be_found_says_what_can(tmp_path: Path, text: str, name: str, says: str) -> None:
    with pytest.raises(UsageError) as error:
        find(name, project(tmp_path, text))
    assert says in str(error.value)


def test_two_files_that_name_each_other_are_a_mistake(tmp_path: Path) -> None:
    root = project(tmp_path, "config: {'on': other}")
    project(root, "config: {'on': dev}", "other")
    with pytest.raises(UsageError, match="dev says `on: other`"):
        find("dev", root)


def test_outside_of_a_project_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="run this inside a project"):
        find("dev", tmp_path)
