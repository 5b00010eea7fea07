"""`springtide images push` with builders that only say what they were asked."""

import re
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.environment_files import BASE, edited, project
from tests.fake_programs import FakePrograms, says

from springtide import cli, images
from springtide.images import BUILDERS, repo_digest, tag_of

DIGEST = f"sha256:{'a' * 64}"
PYTHON = f"python@sha256:{'b' * 64}"
HOST = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
REPOSITORY = f"{HOST}/springtide-workloads"
TAG = "20261122t101500"
REFERENCE = f"{REPOSITORY}:{TAG}"
BUILD = [
    *("build", "--platform", "linux/amd64", "--file", "workloads/images/workloads/Containerfile"),
    *("--build-arg", f"BASE={PYTHON}", "--tag", REFERENCE, "."),
]
LINE = f'images: {{ digest: "{DIGEST}" }}\n'
Push = Callable[..., tuple[int, str, str]]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePrograms:
    """A machine with the AWS CLI and uv."""
    made = FakePrograms(tmp_path / "bin")
    made.folder.mkdir()
    made.add("aws", says("ecr", "get-login-password", "--region", "us-east-1", out="secret\n"))
    made.add("uv", says("build", "--wheel"))
    monkeypatch.setenv("PATH", str(made.folder))
    monkeypatch.delenv("BASE_IMAGE", raising=False)
    monkeypatch.setattr(sys, "executable", str(made.folder / "python"))  # whose neighbour `uv` is
    monkeypatch.setattr(images, "datetime", _Clock)
    return made


class _Clock:
    @staticmethod
    def now(zone: object) -> datetime:
        assert zone is UTC
        return datetime(2026, 11, 22, 10, 15, tzinfo=UTC)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with one image."""
    folder = tmp_path / "project"
    (folder / "workloads" / "images" / "workloads").mkdir(parents=True)
    (folder / "workloads" / "images" / "workloads" / "Containerfile").write_text("ARG BASE\n")
    (folder / "workloads" / "pyproject.toml").write_text("")
    return project(folder, BASE)


@pytest.fixture
def push(root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Push:
    """Run the command in the project: exit status, standard output, standard error."""

    def call(*arguments: str, base: str | None = PYTHON) -> tuple[int, str, str]:
        monkeypatch.chdir(root)
        named = [] if base is None else ["--base", base]
        try:
            status = cli.main(["images", "push", "dev", *named, *arguments])
        except SystemExit as stopped:
            status = int(str(stopped.code))
        said = capfd.readouterr()
        return status, said.out, said.err

    return call


def docker(programs: FakePrograms, *, listed: object = (f"{REPOSITORY}@{DIGEST}",)) -> None:
    answers = [says("build", out="layers\n"), says("login"), says("push"), says("image", "inspect", out=listed)]
    programs.add("docker", *answers)


def test_docker_builds_logs_in_pushes_and_says_the_registrys_digest(programs: FakePrograms, push: Push) -> None:
    docker(programs)
    status, out, err = push()
    assert (status, out) == (0, LINE)
    assert programs.asked == [
        ["aws", "ecr", "get-login-password", "--region", "us-east-1"],
        ["uv", "build", "--wheel", "--out-dir", "dist", "workloads"],
        ["docker", *BUILD],
        ["docker", "login", "--username", "AWS", "--password-stdin", HOST],
        ["docker", "push", REFERENCE],
        ["docker", "image", "inspect", "--format", "{{json .RepoDigests}}", REFERENCE],
    ]
    assert "stacks/Pulumi.dev.yaml, under config:" in err


@pytest.mark.parametrize("name", ["podman", "buildah"])
def test_the_others_keep_the_login_to_themselves_and_write_the_digest(
    programs: FakePrograms, push: Push, name: str
) -> None:
    digest = says("push", files={"--digestfile": f"{DIGEST}\n"})
    programs.add(name, says("build"), says("login"), digest)
    status, out, _ = push()
    assert (status, out) == (0, LINE)
    _, _, build, login, pushed = programs.asked
    scratch = Path(login[login.index("--authfile") + 1]).parent
    assert build == [name, *BUILD]
    assert login == [
        *(name, "login", "--username", "AWS", "--password-stdin", "--authfile", f"{scratch}/login.json", HOST)
    ]
    assert pushed == [
        *(name, "push", "--authfile", f"{scratch}/login.json", "--digestfile", f"{scratch}/digest", REFERENCE)
    ]
    assert not scratch.exists()


@pytest.mark.parametrize("name", BUILDERS)
def test_the_password_goes_over_standard_input_alone(programs: FakePrograms, push: Push, name: str) -> None:
    programs.add(name, says("build"), says("login"), says("push"), says("image", out="[]"))
    _, out, err = push()
    assert programs.given(name, "login") == "secret"
    assert programs.given(name, "build") == ""
    assert "secret" not in out + err + " ".join(word for words in programs.asked for word in words)


def test_what_a_builder_says_is_seen_and_is_no_part_of_the_result(programs: FakePrograms, push: Push) -> None:
    docker(programs)
    _, out, err = push()
    assert "layers" in err
    assert "layers" not in out
    assert [line[:5] for line in err.splitlines() if line.startswith("▸")] == ["▸ 1/3", "▸ 2/3", "▸ 3/3"]


def test_the_first_builder_that_is_there_is_taken(programs: FakePrograms, push: Push) -> None:
    programs.add("buildah", says("build", status=3))
    programs.add("podman", says("build", status=3))
    assert push()[0] == 1
    assert programs.asked[-1][0] == "podman"


def test_another_builder_can_be_chosen(programs: FakePrograms, push: Push) -> None:
    programs.add("buildah", says("build", status=3))
    programs.add("podman", says("build", status=3))
    assert push("--builder", "buildah")[0] == 1
    assert programs.asked[-1][0] == "buildah"


@pytest.mark.parametrize("part", ["build", "login", "push"])
def test_a_part_that_fails_ends_it(programs: FakePrograms, push: Push, part: str) -> None:
    parts = [says(each, status=4 * (each == part)) for each in ("build", "login", "push")]
    programs.add("docker", *parts, says("image", out=[f"{REPOSITORY}@{DIGEST}"]))
    status, out, err = push()
    assert (status, out) == (1, "")
    assert f"`docker {part} " in err
    assert "exit status 4" in err
    assert programs.asked[-1][1] == part


@pytest.mark.parametrize("listed", [[], [f"elsewhere/{REPOSITORY}@{DIGEST}"], "no json", "null"])
def test_a_digest_that_is_not_this_registrys_is_none(programs: FakePrograms, push: Push, listed: object) -> None:
    docker(programs, listed=listed)
    status, out, err = push()
    assert (status, out) == (1, "")
    assert f"docker pushed {REFERENCE} and does not say its digest" in err


def test_a_registry_of_ones_own_is_pushed_to_without_a_login_of_ours(
    programs: FakePrograms, push: Push, root: Path
) -> None:
    named = f"  images: {{digest: '{DIGEST}', registry: registry.example.com/team}}\n  policies:"
    project(root, edited(("  policies:", named)))
    docker(programs, listed=[f"registry.example.com/team/springtide-workloads@{DIGEST}"])
    status, out, err = push()
    assert (status, out) == (0, f'images: {{ digest: "{DIGEST}", registry: registry.example.com/team }}\n')
    assert [words[:2] for words in programs.asked if words[0] != "uv"] == [
        ["docker", "build"],
        ["docker", "push"],
        ["docker", "image"],
    ]
    assert "left to you" in err


def test_a_registry_that_is_none_is_refused(programs: FakePrograms, push: Push, root: Path) -> None:
    project(root, edited(("  policies:", "  images: {registry: 'https://registry.example.com'}\n  policies:")))
    docker(programs)
    status, _, err = push()
    assert (status, programs.asked) == (2, [])
    assert "images.registry: 'https://registry.example.com' is no registry." in err
    assert "fix: write host and path alone" in err


def test_another_image_is_named_whole(programs: FakePrograms, push: Push, root: Path) -> None:
    shutil.copytree(root / "workloads/images/workloads", root / "workloads/images/mine")
    docker(programs, listed=[f"{HOST}/springtide-mine@{DIGEST}"])
    assert push("--image", "mine")[:2] == (0, f'image: "{HOST}/springtide-mine@{DIGEST}"\n')


def test_wheels_of_other_versions_go_first(programs: FakePrograms, push: Push, root: Path) -> None:
    (root / "dist").mkdir()
    for name in ("springtide_workloads-0.0.1-py3-none-any.whl", "springtide-0.0.1-py3-none-any.whl"):
        (root / "dist" / name).write_text("")
    docker(programs)
    push()
    assert [file.name for file in (root / "dist").iterdir()] == ["springtide-0.0.1-py3-none-any.whl"]


def test_the_image_to_build_on_may_come_from_the_shell(
    programs: FakePrograms, push: Push, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker(programs)
    monkeypatch.setenv("BASE_IMAGE", PYTHON)
    assert push(base=None)[0] == 0
    assert f"BASE={PYTHON}" in programs.asked[2]


@pytest.mark.parametrize(
    ("arguments", "base", "says_what"),
    [
        (("--image", "worklods"), PYTHON, "--image worklods: did you mean workloads? The project has workloads"),
        (("--builder", "podman"), PYTHON, "--builder podman: it is not on the PATH: use --builder docker"),
        ((), "python:3.11-slim", "'python:3.11-slim' is no image by digest: give --base NAME@sha256:…"),
        ((), None, "no image to build on was named: give --base NAME@sha256:…"),
        (("--builder", "kaniko"), PYTHON, "invalid choice: 'kaniko'"),
    ],
)
def test_a_mistake_is_refused_before_anything_runs(
    programs: FakePrograms, push: Push, arguments: tuple[str, ...], base: str | None, says_what: str
) -> None:
    docker(programs)
    status, out, err = push(*arguments, base=base)
    assert (status, out, programs.asked) == (2, "", [])
    assert says_what in err


def test_without_a_builder_it_says_how_to_get_one(programs: FakePrograms, push: Push) -> None:
    status, _, err = push()
    assert (status, programs.asked) == (2, [])
    assert "none of docker, podman, buildah is on the PATH: install one" in err


def test_without_credentials_nothing_is_built(programs: FakePrograms, push: Push) -> None:
    docker(programs)
    programs.add("aws", says("ecr", err="Token has expired\n", status=255))
    status, _, err = push()
    assert (status, [words[0] for words in programs.asked]) == (2, ["aws"])
    assert "Token has expired. `springtide doctor dev` says what is missing" in err


def test_the_help_names_the_builders_and_defaults_that_there_are() -> None:
    assert tuple(BUILDERS) == cli._BUILDERS
    given = cli._parser().parse_args(["images", "push", "dev"])
    assert (given.image, given.platform) == (images.DEFAULT_IMAGE, images.DEFAULT_PLATFORM)


@given(st.text("0123456789abcdef", min_size=40, max_size=40), st.booleans(), st.datetimes())
def test_a_tag_is_one_that_registries_take(commit: str, changed: bool, now: datetime) -> None:
    tag = tag_of(commit, changed=changed, now=now)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", tag)
    assert commit[:12] in tag
    assert tag.endswith("-changed") is changed


@given(st.text(), st.from_regex(r"[a-z./:-]+", fullmatch=True))
def test_whatever_docker_lists_no_other_repositorys_digest_is_taken(listed: str, repository: str) -> None:
    assert repo_digest(listed, repository) == ""
    assert repo_digest(f'["x{repository}@{DIGEST}"]', repository) == ""
    assert repo_digest(f'["x@{DIGEST}", "{repository}@{DIGEST}"]', repository) == DIGEST
