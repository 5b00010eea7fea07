import shutil
from pathlib import Path

import pytest

from springtide.offline import base
from springtide.offline.base import BaseRefError, commit_of, plan_base, worktree

from .sample_project import BROKEN, commit, git, write_project

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A committed project whose folder has gone on to another maximum."""
    project = write_project(tmp_path / "repository" / "project", dev=2)
    commit(project.parent)
    return write_project(project, dev=8)


def trees(root: Path) -> int:
    return git(root, "worktree", "list").count("\n") + 1


def test_the_base_is_planned_as_it_was(root: Path) -> None:
    planned = plan_base(root, "main", ["dev"])
    assert planned.note == ""
    assert planned.plans["dev"].pools()[0].max_nodes == 2
    assert planned.ref == f"main ({git(root, 'rev-parse', 'HEAD')[:7]})"


def test_the_working_folder_stays_as_it_is_and_no_worktree_is_left(root: Path) -> None:
    before = git(root, "status", "--short")
    plan_base(root, "HEAD", ["dev"])
    assert (git(root, "status", "--short"), trees(root)) == (before, 1)


def test_an_environment_that_the_base_lacks_has_no_plan(root: Path) -> None:
    write_project(root, new=1)
    planned = plan_base(root, "main", ["new"])
    assert (planned.plans, planned.note) == ({}, "")


def test_a_base_without_the_project_has_no_environments(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("nothing yet")
    commit(tmp_path)
    assert plan_base(write_project(tmp_path / "project", dev=1), "main", ["dev"]).plans == {}


def test_a_base_whose_program_crashes_is_a_plan_that_says_so(root: Path) -> None:
    write_project(root, BROKEN)
    commit(root)
    assert plan_base(root, "main", ["dev"]).plans["dev"].resources == ()


def test_a_base_with_packages_that_cannot_plan_is_noted(root: Path) -> None:
    package = root / "components" / "springtide"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('too old to plan')\n")
    commit(root)
    planned = plan_base(root, "main", ["dev"])
    assert planned.plans == {}
    assert "too old to plan" in planned.note


def test_a_base_that_never_ends_is_noted(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "LIMIT_SECONDS", 0.01)
    assert plan_base(root, "main", ["dev"]).note == "its plan did not end within 0.01 s"


def test_what_git_cannot_check_out_is_refused(root: Path) -> None:
    with pytest.raises(BaseRefError, match="git cannot check out"), worktree(root, "nonsense"):
        pytest.fail("there is no such commit")
    assert trees(root) == 1


def test_a_base_in_another_format_is_noted(root: Path) -> None:
    package = root / "components" / "springtide"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "cli.py").write_text("print('{\"version\": 99}')\n")
    commit(root)
    assert "its own plan fails" in plan_base(root, "main", ["dev"]).note


@pytest.mark.parametrize("ref", ["nonsense", "--help", "HEAD~99", ""])
def test_a_reference_that_is_no_commit_is_refused(root: Path, ref: str) -> None:
    with pytest.raises(BaseRefError, match="is no commit of this repository"):
        commit_of(root, ref)


def test_outside_of_git_there_is_no_base(tmp_path: Path) -> None:
    with pytest.raises(BaseRefError, match="is in no git repository"):
        commit_of(tmp_path, "main")


def test_without_git_the_message_says_so(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BaseRefError, match="git is not installed"):
        commit_of(root, "main")


def test_a_worktree_goes_when_its_user_fails(root: Path) -> None:
    seen: list[Path] = []

    def fail() -> None:
        with worktree(root, "HEAD") as place:
            seen.append(place)
            assert (place / "Pulumi.yaml").is_file()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (trees(root), seen[0].exists()) == (1, False)


def test_no_hook_of_the_repository_runs(root: Path) -> None:
    hook = root.parent / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {root}/hooked\n")
    hook.chmod(0o755)
    with worktree(root, "HEAD"):
        pass
    assert not (root / "hooked").exists()


def test_inside_a_hook_of_git_the_repository_is_still_ours(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", str(root / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(root / "index"))
    assert len(commit_of(root, "main")) == 40
