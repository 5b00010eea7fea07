"""`springtide images push`: build an image, push it to the account's own registry, and say its digest.

Environments name images by digest, so the digest is what this is about: each builder has one way of saying it that is
the registry's and not its own.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from springtide import clouds
from springtide.clouds import bootstrap
from springtide.parse import read
from springtide.sections import ImagesSection
from springtide.spec import SpecError, did_you_mean
from springtide.spec import digest as digest_findings
from springtide.target import Target, UsageError, find
from springtide.tools import Machine, ThisMachine

FOLDER = Path("workloads") / "images"
"""Where a project keeps its Containerfiles, each in a folder of its image's name."""
DEFAULT_IMAGE = "workloads"
DEFAULT_PLATFORM = "linux/amd64"
"""What nearly all GPU machines are, and a laptop often is not."""
PREFIX = "springtide-"
"""Before an image's name in a registry."""
_BY_DIGEST = re.compile(r"\S+@sha256:[0-9a-f]{64}")
_WHEELS = "springtide_workloads-*.whl"
_INSTALL = "docs.docker.com/get-docker, podman.io/docs/installation or buildah.io"
_COMMIT_LENGTH = 12


class FailedError(Exception):
    """A program that does a part of the work failed; it said itself why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be pushed, and as what."""

    image: str
    """Name of its folder."""
    reference: str
    """Where it is pushed: host, path, name and tag."""
    base: str
    """Image to build on, by digest."""
    platform: str
    scratch: Path
    """Folder that is gone afterwards: for a login and a digest."""

    @property
    def repository(self) -> str:
        """The reference without its tag."""
        return self.reference.rpartition(":")[0]

    @property
    def host(self) -> str:
        """What a builder logs in to."""
        return self.reference.partition("/")[0]


Words = Callable[[Order], Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Builder:
    """How one container tool says what all of them do."""

    login: Words
    """Words after `login` and the user."""
    push: Words
    """Words after `push`, before the reference."""
    digest: Callable[[Order, Machine], str]
    """The digest of what was pushed, as the registry has it; empty where it cannot be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What `springtide images push` was asked for."""

    environment: str
    image: str = DEFAULT_IMAGE
    builder: str | None = None
    """One of `BUILDERS`. Default: the first that is there."""
    base: str | None = None
    """Image to build on, by digest. Default: BASE_IMAGE of the process' environment."""
    platform: str = DEFAULT_PLATFORM


def push(request: Request, folder: Path, machine: Machine | None = None) -> int:
    """Build, push, and print the line for the environment file.

    Credentials come after the build: what a Containerfile downloads and runs never sees them.

    Args:
        request: What was asked for.
        folder: Folder in the project.
        machine: What is asked for short answers. Default: this machine.

    Returns:
        1 when a part of the work failed, else 0.

    Raises:
        UsageError: nothing was built, for the reason that the message gives.
    """
    machine = ThisMachine() if machine is None else machine
    target = find(request.environment, folder)
    builder = _builder(request.builder, machine)
    _known_image(request.image, target.root)
    base, registry = _base(request.base), _registry(target)
    reference = f"{registry}/{PREFIX}{request.image}:{_tag(target.root, machine)}"
    password = _password(target, registry, machine)
    with TemporaryDirectory(prefix="springtide-") as scratch:
        order = Order(
            image=request.image, reference=reference, base=base, platform=request.platform, scratch=Path(scratch)
        )
        try:
            digest = _pushed(order, builder, target, password, machine)
        except FailedError as error:
            _say(str(error))
            return 1
    _say(f"pushed {order.repository}@{digest}", f"put this into {target.shown}, under config:")
    sys.stdout.write(f"{_line(target, order, digest)}\n")
    return 0


def tag_of(commit: str, *, changed: bool, now: datetime) -> str:
    """A tag that was never used before: tags are immutable, and only keep what they name from being tidied away."""
    parts = [now.strftime("%Y%m%dt%H%M%S"), commit[:_COMMIT_LENGTH], "changed" if changed else ""]
    return "-".join(part for part in parts if part)


def repo_digest(listed: str, repository: str) -> str:
    """The digest under which a registry has an image, of the list that docker keeps; empty where it has none."""
    try:
        references = json.loads(listed)
    except json.JSONDecodeError:
        return ""
    found = (str(each).rpartition("@") for each in (references if isinstance(references, list) else ()))
    return next((digest for name, _, digest in found if name == repository), "")


def _pushed(order: Order, builder: str, target: Target, password: str | None, machine: Machine) -> str:
    """Do the work, part by part; the digest of what is in the registry.

    Raises:
        FailedError: a part failed.
    """
    tool, root = BUILDERS[builder], target.root
    _say(f"▸ 1/3 build {order.image} with {builder}, for {order.platform}")
    _build_wheel(root, machine)
    _work(_build_words(builder, order), root)
    _say(f"▸ 2/3 log in to {order.host}")
    if password is None:
        _say(f"  left to you: it is not the registry of {target.account} in {target.region}")
    else:
        user = bootstrap.load(target.cloud).registry_login(target.region).user
        words = [builder, "login", "--username", user, "--password-stdin", *tool.login(order), order.host]
        _work(words, root, given=password)
    _say(f"▸ 3/3 push {order.reference}")
    _work([builder, "push", *tool.push(order), order.reference], root)
    digest = tool.digest(order, machine)
    if digest_findings("", digest):
        raise FailedError(f"{builder} pushed {order.reference} and does not say its digest: look it up in the registry")
    return digest


def _build_words(builder: str, order: Order) -> list[str]:
    file = FOLDER / order.image / "Containerfile"
    return [
        *(builder, "build", "--platform", order.platform, "--file", file.as_posix()),
        *("--build-arg", f"BASE={order.base}", "--tag", order.reference, "."),
    ]


def _docker_digest(order: Order, machine: Machine) -> str:
    """Docker keeps a local id of its own, and beside it the digest of every registry that it pushed to."""
    answer = machine.ask("docker", "image", "inspect", "--format", "{{json .RepoDigests}}", order.reference)
    return repo_digest(answer.out, order.repository) if answer.good else ""


def _digest_file(order: Order, _machine: Machine) -> str:
    """What the tool wrote of its own push."""
    file = _digest_at(order)
    return file.read_text(encoding="utf-8").strip() if file.is_file() else ""


def _digest_at(order: Order) -> Path:
    return order.scratch / "digest"


def _own_login(order: Order) -> Sequence[str]:
    """A login that ends with the command; docker has none but the user's own."""
    return "--authfile", str(order.scratch / "login.json")


def _own_login_and_digest(order: Order) -> Sequence[str]:
    return *_own_login(order), "--digestfile", str(_digest_at(order))


_LIBPOD = Builder(login=_own_login, push=_own_login_and_digest, digest=_digest_file)
BUILDERS: Mapping[str, Builder] = {
    "docker": Builder(login=lambda _order: (), push=lambda _order: (), digest=_docker_digest),
    "podman": _LIBPOD,
    "buildah": _LIBPOD,
}
"""The tools that can build and push, the one most have first."""


def _builder(wanted: str | None, machine: Machine) -> str:
    names = tuple(BUILDERS) if wanted is None else (wanted,)
    found = next((name for name in names if machine.find(name)), None)
    if found is None:
        missing = f"none of {', '.join(names)} is" if wanted is None else f"--builder {wanted}: it is not"
        others = [name for name in BUILDERS if wanted is not None and machine.find(name)]
        fix = f"use --builder {others[0]}" if others else f"install one, as {_INSTALL} say"
        raise UsageError(f"{missing} on the PATH: {fix}; or let the images workflow build on merge")
    return found


def _known_image(image: str, root: Path) -> None:
    known = sorted(file.parent.name for file in (root / FOLDER).glob("*/Containerfile"))
    if image in known:
        return
    if not known:
        raise UsageError(f"--image {image}: this project has no {FOLDER.as_posix()}/*/Containerfile to build")
    hint = did_you_mean(image, known, "")
    raise UsageError(f"--image {image}: {f'{hint} ' if hint else ''}The project has {', '.join(known)}")


def _base(given: str | None) -> str:
    base = os.environ.get("BASE_IMAGE", "") if given is None else given
    if _BY_DIGEST.fullmatch(base):
        return base
    wrong = f"{base!r} is no image by digest" if base else "no image to build on was named"
    fix = "give --base NAME@sha256:…, or set BASE_IMAGE: a Python 3.11 or newer image on glibc"
    raise UsageError(f"{wrong}: {fix}. `docker buildx imagetools inspect python:3.11-slim` says a digest")


def _registry(target: Target) -> str:
    """The registry that the file names, else the account's own.

    Raises:
        UsageError: what the file names is none.
    """
    section = target.section("images")
    wrong = [found for found in read(ImagesSection, dict(section), "/images")[1] if found.path == "/images/registry"]
    if wrong:
        raise UsageError(str(SpecError(wrong, target.shown)))
    named = section.get("registry")
    return clouds.load(target.cloud).registry(target.account, target.region) if named is None else str(named)


def _password(target: Target, registry: str, machine: Machine) -> str | None:
    """The password of the account's own registry; None for another one, whose login is not ours to know.

    It is asked for before the build, which takes minutes, and used after it.

    Raises:
        UsageError: the cloud's command line gives none.
    """
    if registry != clouds.load(target.cloud).registry(target.account, target.region):
        return None
    command = bootstrap.load(target.cloud).registry_login(target.region).command
    answer = machine.ask(*command)
    if not answer.good or not answer.out.strip():
        raise UsageError(f"`{' '.join(command)}`: {answer.why}. `springtide doctor {target.name}` says what is missing")
    return answer.out.strip()


def _tag(root: Path, machine: Machine) -> str:
    commit = machine.ask("git", "rev-parse", "HEAD", folder=root)
    changes = machine.ask("git", "status", "--porcelain", folder=root)
    name = commit.out.strip() if commit.good else ""
    return tag_of(name, changed=changes.good and bool(changes.out.strip()), now=datetime.now(UTC))


def _build_wheel(root: Path, machine: Machine) -> None:
    """The wheel that a Containerfile copies, alone: pip would be given two that contradict each other."""
    package = root / "workloads"
    if not (package / "pyproject.toml").is_file():
        return
    for old in (root / "dist").glob(_WHEELS):
        old.unlink()
    _work([*_wheel_words(root, machine), "workloads"], root)


def _wheel_words(root: Path, machine: Machine) -> list[str]:
    """The project's own uv with its locked build tools, or whatever builds wheels here."""
    own = Path(sys.executable).parent / "uv"
    uv = str(own) if own.is_file() else machine.find("uv")
    if uv is None:
        return [sys.executable, "-m", "build", "--wheel", "--outdir", "dist"]
    lock = root / "requirements" / "dev.txt"
    locked = ["--require-hashes", "--build-constraints", "requirements/dev.txt"] if lock.is_file() else []
    return [uv, "build", "--wheel", *locked, "--out-dir", "dist"]


def _work(command: Sequence[str], root: Path, given: str | None = None) -> None:
    """Run a part of the work where people can watch it. Our own output stays the result alone.

    Raises:
        FailedError: it failed.
    """
    path = shutil.which(command[0])
    if path is None:
        raise FailedError(f"{command[0]} is not on the PATH any more")
    sys.stderr.flush()
    done = subprocess.run(  # noqa: S603  a list of words, no shell
        [path, *command[1:]], cwd=root, input=given or "", stdout=sys.stderr.fileno(), encoding="utf-8", check=False
    )
    if done.returncode != 0:
        said = " ".join([Path(command[0]).name, *command[1:3]])
        raise FailedError(f"`{said} …` ended with exit status {done.returncode}; what it said stands above")


def _line(target: Target, order: Order, digest: str) -> str:
    """What the environment file says of the image from now on."""
    if order.image != DEFAULT_IMAGE:
        return f'image: "{order.repository}@{digest}"'
    named = target.section("images").get("registry")
    registry = f", registry: {named}" if named else ""
    return f'images: {{ digest: "{digest}"{registry} }}'


def _say(*lines: str) -> None:
    for line in lines:
        sys.stderr.write(f"{line}\n")
