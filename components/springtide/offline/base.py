"""Plans the base of a comparison: another commit of the same project, in a git worktree that never outlives the call."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from springtide.offline.goyaml import ConfigError
from springtide.offline.plan import Plan
from springtide.offline.planner import environments

LIMIT_SECONDS = 600
"""Time for all of the base's plans together."""
_SOURCES = ("components", "workloads", "policies")
"""Folders of the project that a commit's own code is imported from, where it has them."""
_OUTSIDE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR")
"""What git sets for its hooks; a worktree of ours must not be taken for the one that called us."""
_QUIET = {"GIT_TERMINAL_PROMPT": "0", "GIT_LFS_SKIP_SMUDGE": "1"}


class BaseRefError(ValueError):
    """The reference names no commit that can be had here; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BasePlans:
    """What could be planned at the base."""

    ref: str
    """The reference with its short commit: `main (1a2b3c4)`."""
    plans: Mapping[str, Plan] = field(default_factory=dict)
    """Environment → its plan. One that is missing while `note` is empty does not exist at the base."""
    note: str = ""
    """Why nothing could be planned there; empty when it could."""


def plan_base(root: Path, ref: str, wanted: Sequence[str]) -> BasePlans:
    """Plan these environments as another commit has them, with that commit's own program and packages.

    Args:
        root: Folder of Pulumi.yaml in a git repository.
        ref: Anything that git takes for a commit.
        wanted: Names of environments; those that the commit does not have are left out.

    Raises:
        BaseRefError: git is missing, `root` is in no repository, or `ref` is no commit of it.
    """
    commit = commit_of(root, ref)
    label = f"{ref} ({commit[:7]})"
    with worktree(root, commit) as place:
        names = [name for name in wanted if name in _environments(place)]
        if not names:
            return BasePlans(ref=label)
        try:
            return BasePlans(ref=label, plans=_planned(place, names, root))
        except _UnplannableError as error:
            return BasePlans(ref=label, note=str(error))


def commit_of(root: Path, ref: str) -> str:
    """The commit's full hash.

    Raises:
        BaseRefError: see `plan_base`.
    """
    if shutil.which("git") is None:
        raise BaseRefError("git is not installed; a comparison needs it")
    if _git(root, "rev-parse", "--is-inside-work-tree").returncode != 0:
        raise BaseRefError(f"{root} is in no git repository; a comparison needs one")
    found = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if found.returncode != 0:
        raise BaseRefError(f"{ref!r} is no commit of this repository: fetch it, or name a branch, tag or hash")
    return found.stdout.strip()


@contextmanager
def worktree(root: Path, commit: str) -> Iterator[Path]:
    """The project's folder at another commit, for as long as the context lasts; no hook of the repository runs.

    Raises:
        BaseRefError: git cannot make the worktree.
    """
    inside = _git(root, "rev-parse", "--show-prefix").stdout.strip()
    with tempfile.TemporaryDirectory(prefix="springtide-base-", ignore_cleanup_errors=True) as temporary:
        tree = Path(temporary) / "tree"
        try:
            made = _git(root, "worktree", "add", "--detach", "--quiet", str(tree), commit)
            if made.returncode != 0:
                raise BaseRefError(f"git cannot check out {commit[:7]} beside this: {made.stderr.strip()}")
            yield tree / inside
        finally:
            _git(root, "worktree", "remove", "--force", str(tree))
            shutil.rmtree(tree, ignore_errors=True)
            _git(root, "worktree", "prune")


class _UnplannableError(Exception):
    """The base's own command gave no plans."""


def _environments(place: Path) -> tuple[str, ...]:
    try:
        return environments(place)
    except ConfigError:
        return ()


def _planned(place: Path, names: Sequence[str], root: Path) -> dict[str, Plan]:
    """What the base's own `springtide plan` says.

    Raises:
        _UnplannableError: it said no plans, or plans that this version cannot read.
    """
    command = [sys.executable, "-P", "-m", "springtide.cli", "plan", *names, "--format", "json"]
    try:
        done = subprocess.run(  # noqa: S603  our own interpreter; the names are environments of the base
            command, cwd=place, env=_python_environment(place, root), capture_output=True, text=True,
            encoding="utf-8", timeout=LIMIT_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise _UnplannableError(f"its plan did not end within {LIMIT_SECONDS} s") from None
    try:
        data = json.loads(done.stdout)
        plans = [Plan.from_json(item) for item in (data if isinstance(data, list) else [data])]
    except (ValueError, KeyError, TypeError) as error:
        said = done.stderr.strip().splitlines() or [str(error)]
        raise _UnplannableError(f"its own plan fails (exit status {done.returncode}): {said[-1]}") from error
    return {plan.environment["name"]: plan for plan in plans}


def _python_environment(place: Path, root: Path) -> dict[str, str]:
    """Environment variables under which the base's packages come before any that are installed or inherited."""
    own = [str(place / name) for name in _SOURCES if (place / name).is_dir()]
    found = [Path(entry).resolve() for entry in sys.path if entry]
    foreign = (root.resolve(), Path(sys.prefix), Path(sys.base_prefix))
    inherited = [str(entry) for entry in found if not any(entry.is_relative_to(folder) for folder in foreign)]
    return _outside_git() | {"PYTHONPATH": os.pathsep.join([*own, *inherited]), "PYTHONDONTWRITEBYTECODE": "1"}


def _outside_git() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _OUTSIDE}


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["git", "-c", f"core.hooksPath={os.devnull}", "-C", str(root), *arguments]
    return subprocess.run(  # noqa: S603  git, with arguments of ours and a reference after --end-of-options
        command, env=_outside_git() | _QUIET, capture_output=True, text=True, encoding="utf-8", check=False
    )  # fmt: skip
