"""The script of comment.yml, run as GitHub runs it, against a GitHub on loopback."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .fake_github import BOT, GitHub, archive, event, pull, serving
from .workflow_files import workflow

pytestmark = pytest.mark.enable_socket

MARKER = "<!-- springtide preview -->"
MEBIBYTE = 1 << 20


@pytest.fixture
def github() -> Iterator[GitHub]:
    with serving(GitHub()) as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def comment(github: GitHub, folder: Path, given: dict[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs the script; its environment holds what GitHub sets, and nothing else that it could read."""
    script, payload = folder / "script.py", folder / "event.json"
    script.write_text(workflow("comment").scripts()[0], encoding="utf-8")
    payload.write_text(json.dumps(event() if given is None else given), encoding="utf-8")
    env = {
        "PATH": os.environ["PATH"],
        "GITHUB_API_URL": github.url,
        "GITHUB_EVENT_PATH": str(payload),
        "GITHUB_TOKEN": "the-token",
    }
    done = subprocess.run([sys.executable, script], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def bodies(github: GitHub) -> list[str]:
    return [item["body"] for item in github.comments]


def test_a_plan_becomes_a_comment_on_the_pull_request_of_a_fork(github: GitHub, folder: Path) -> None:
    assert comment(github, folder).returncode == 0
    (body,) = bodies(github)
    assert body.startswith(MARKER)
    assert body.endswith("\n\nthe plan")
    assert "c0ffee000000" in body
    assert "https://run.example" in body


def test_the_next_plan_edits_the_comment_and_posts_no_second_one(github: GitHub, folder: Path) -> None:
    comment(github, folder)
    github.artifact = archive("another plan")
    comment(github, folder)
    (body,) = bodies(github)
    assert body.endswith("\n\nanother plan")


def test_the_comment_is_found_behind_a_hundred_others(github: GitHub, folder: Path) -> None:
    for _ in range(150):
        github.comment("I agree", author="somebody")
    github.comment(f"{MARKER}\nold")
    comment(github, folder)
    assert len(bodies(github)) == 151
    assert bodies(github)[150].endswith("the plan")


@pytest.mark.parametrize(
    ("body", "author"), [(f"{MARKER}\nmine", "stranger"), (f"see {MARKER}", BOT), ("another report", BOT)]
)
def test_a_comment_that_is_not_ours_is_left_alone(github: GitHub, folder: Path, body: str, author: str) -> None:
    github.comment(body, author=author)
    comment(github, folder)
    assert bodies(github)[0] == body
    assert len(bodies(github)) == 2


@pytest.mark.parametrize(
    "pulls",
    [
        [],
        [pull(7, commit="d" * 40)],
        [pull(7, fork=3)],
        [pull(7, fork=None)],
        [pull(7, base=4)],
        [pull(7), pull(8)],
    ],
    ids=["closed", "moved on", "another fork", "deleted fork", "another base", "two"],
)
def test_a_run_that_is_not_the_head_of_exactly_one_pull_request_is_not_posted(
    github: GitHub, folder: Path, pulls: list[dict[str, Any]]
) -> None:
    github.pulls = pulls
    assert comment(github, folder).returncode == 0
    assert bodies(github) == []


def test_of_several_candidates_the_one_that_matches_is_taken(github: GitHub, folder: Path) -> None:
    github.pulls = [pull(6, commit="d" * 40), pull(7), pull(8, fork=3)]
    comment(github, folder)
    assert "POST /issues/7/comments" in github.asked


def test_a_run_of_a_fork_that_is_gone_is_not_posted(github: GitHub, folder: Path) -> None:
    assert comment(github, folder, event(fork=None)).returncode == 0
    assert bodies(github) == []


def test_a_run_without_an_artifact_is_not_posted(github: GitHub, folder: Path) -> None:
    github.artifact = None
    assert comment(github, folder).returncode == 0
    assert bodies(github) == []


def test_an_artifact_that_says_it_is_large_is_never_downloaded(github: GitHub, folder: Path) -> None:
    github.size = MEBIBYTE + 1
    assert comment(github, folder).returncode == 1
    assert github.seen_by_storage == []
    assert bodies(github) == []


def test_an_artifact_that_is_larger_than_it_says_is_refused(github: GitHub, folder: Path) -> None:
    readable_when_torn = bytes(MEBIBYTE - 1_000) + archive("the plan") + bytes(1_000)
    github.artifact, github.size = readable_when_torn, 1
    assert comment(github, folder).returncode == 1
    assert bodies(github) == []


@pytest.mark.parametrize(
    "content",
    [b"no archive", archive("the plan", member="../plan.markdown"), archive("x" * 9)[:-30]],
    ids=["no archive", "another member", "torn"],
)
def test_an_artifact_of_another_shape_is_refused(github: GitHub, folder: Path, content: bytes) -> None:
    github.artifact = content
    assert comment(github, folder).returncode == 1
    assert bodies(github) == []


@pytest.mark.parametrize(
    "text",
    ["x" * 60_001, "é" * 100_000, "@a" * 50_000, "\0" * (64 * MEBIBYTE)],
    ids=["a little long", "two bytes a character", "mentions", "a bomb"],
)
def test_text_of_any_size_makes_a_comment_that_github_takes(github: GitHub, folder: Path, text: str) -> None:
    github.artifact = archive(text)
    assert comment(github, folder).returncode == 0
    (body,) = bodies(github)
    assert len(body) < 61_000


def test_a_cut_is_said_before_the_text(github: GitHub, folder: Path) -> None:
    github.artifact = archive("x" * 60_001)
    comment(github, folder)
    text = bodies(github)[0].partition("</sub>\n\n")[2]
    assert text == f"> The plan is too long for a comment; the run's summary has the rest.\n\n{'x' * 60_000}"


def test_sixty_thousand_characters_are_not_cut(github: GitHub, folder: Path) -> None:
    github.artifact = archive("é" * 60_000)
    comment(github, folder)
    assert bodies(github)[0].partition("</sub>\n\n")[2] == "é" * 60_000


def test_nobody_is_called_by_name(github: GitHub, folder: Path) -> None:
    github.artifact = archive("@maintainer and @org/team; a@b")
    comment(github, folder)
    text = bodies(github)[0].partition("</sub>\n\n")[2]
    assert text.replace("\N{ZERO WIDTH SPACE}", "") == "@maintainer and @org/team; a@b"
    assert text.count("@\N{ZERO WIDTH SPACE}") == text.count("@") == 3


def test_bytes_that_are_no_text_do_not_stop_the_comment(github: GitHub, folder: Path) -> None:
    github.artifact = archive(b"plan \xff\x00 end")
    comment(github, folder)
    assert bodies(github)[0].endswith("plan \N{REPLACEMENT CHARACTER} end")


def test_the_artifact_never_reaches_the_log_where_it_could_command_the_runner(github: GitHub, folder: Path) -> None:
    github.artifact = archive("::add-mask::x\n::stop-commands::y")
    done = comment(github, folder)
    assert done.stdout == "Pull request 7 has its comment.\n"
    assert done.stderr == ""


def test_the_storage_that_holds_the_artifact_never_sees_the_token(github: GitHub, folder: Path) -> None:
    comment(github, folder)
    assert github.seen_by_storage == [None]
