"""The command `springtide`. Parsing is here; what a command needs is imported when it runs, so that help comes at once."""

import argparse
import errno
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from springtide.local import arguments as local
from springtide.simulate import arguments as simulation

if TYPE_CHECKING:
    from rich.console import Console

USAGE = 2
"""Exit status of a command that was not given what it needs."""
_INTERRUPTED = 130
_CANNOT_WRITE = {errno.ENOSPC, errno.EDQUOT, errno.EIO}
_TABLE_COLUMNS = 150
"""Width of the catalog's table where it goes to no terminal."""
_LEAST_COLUMNS = 130
"""A narrower table would cut names and prices; a narrow window folds its lines instead."""
_FORMS = ("text", "markdown", "html", "json")
_BUILDERS = ("docker", "podman", "buildah")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: Words after `springtide`; those of this process by default.

    Returns:
        The exit status: 0, 1 when a finding stops a plan, 2 for a usage error.
    """
    _open_closed_streams()
    given = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = given.run
    try:
        status = run(given)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:  # whoever read our output has enough
        _close_output()
        return 1
    except OSError as error:
        if error.errno not in _CANNOT_WRITE:
            raise
        _close_output()
        return _refuse(f"the output cannot be written: {error.strerror}")
    return status


def _open_closed_streams() -> None:
    """Put something in the place of standard streams that our caller closed: we and our children write to them."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            lowest = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(lowest, True)
            setattr(sys, name, os.fdopen(lowest, "r" if name == "stdin" else "w"))


def _close_output() -> None:
    """Let the interpreter's own flush at exit not fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="springtide", description="GPU capacity that rises with demand and falls to zero."
    )
    parser.add_argument("--version", action="version", version=f"springtide {_version()}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_plan(commands.add_parser("plan", help="show what an environment would create, without a cloud account"))
    _add_schema(commands.add_parser("schema", help="write the JSON schema of environment files, for editors"))
    _add_catalog(commands.add_parser("catalog", help="list machine types, accelerators and prices"))
    _add_doctor(commands.add_parser("doctor", help="check this machine and the account before a first `pulumi up`"))
    _add_images(commands.add_parser("images", help="build and push images"))
    local.add(commands, _console, _refuse)
    _add_open(commands.add_parser("open", help="reach a service of a cluster from this machine"))
    simulation.add(commands.add_parser("simulate", help="replay a request trace on a plan's autoscalers"), _simulate)
    return parser


def _add_plan(parser: argparse.ArgumentParser) -> None:
    parser.description = "Run the project's program without engine, cloud or account, and check what it registers."
    parser.epilog = "Exit status: 0; 1 when a finding stops an environment; 2 when nothing could be planned."
    parser.add_argument(
        "environments", nargs="*", metavar="ENV", help="environments; may be left out where there is one"
    )
    parser.add_argument("--all", action="store_true", dest="every", help="every environment of the project")
    parser.add_argument("--format", choices=_FORMS, default="text", dest="form", help="default: text")
    parser.add_argument("--base", metavar="REF", help="commit to compare with, planned in a git worktree")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the plan there, the verdict to standard error")
    parser.set_defaults(run=_plan)


def _add_schema(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, metavar="FILE", help="write it there")
    parser.set_defaults(run=_schema)


def _add_catalog(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cloud", help="default: every cloud that has what is asked for")
    parser.add_argument("--gpu", help="only this accelerator")
    parser.add_argument("--region", help="only what this region offers, with its prices")
    parser.set_defaults(run=_catalog)
    commands = parser.add_subparsers(metavar="refresh")
    refresh = commands.add_parser("refresh", help="remake the catalog's data files")
    refresh.add_argument("refreshed", nargs="?", default="aws", metavar="CLOUD", help="default: aws")
    refresh.add_argument("--live", action="store_true", help="ask the cloud with your credentials")
    refresh.add_argument("--prices", type=Path, metavar="FILE", help="price list to take list prices from")
    refresh.set_defaults(run=_refresh)


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    parser.description = "Look at everything that `pulumi up` and other commands need; each line says what mends it."
    parser.epilog = "Exit status: 0; 1 when something is missing that a deployment needs; 2 for a usage error."
    parser.add_argument("environment", metavar="ENV", help="environment to deploy")
    parser.add_argument("--format", choices=("text", "json"), default="text", dest="form", help="default: text")
    parser.set_defaults(run=_doctor)


def _add_images(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    push = commands.add_parser("push", help="build an image, push it to the account's registry, print its digest")
    push.description = (
        "Build workloads/images/NAME/Containerfile, push it, and print the line for the environment file."
    )
    push.epilog = "Exit status: 0; 1 when a builder failed; 2 when nothing was built."
    push.add_argument("environment", metavar="ENV", help="environment whose registry it goes to")
    push.add_argument("--image", default="workloads", metavar="NAME", help="default: workloads")
    push.add_argument("--builder", choices=_BUILDERS, help="default: the first of them that is there")
    push.add_argument("--base", metavar="IMAGE", help="image to build on, by digest; default: BASE_IMAGE of the shell")
    push.add_argument("--platform", default="linux/amd64", help="default: linux/amd64")
    push.set_defaults(run=_push)


def _add_open(parser: argparse.ArgumentParser) -> None:
    parser.description = "Forward a port of this machine to a service, until Ctrl-C."
    parser.add_argument("environment", metavar="ENV", help="environment that it runs in")
    parser.add_argument("service", metavar="SERVICE", help="one of its services")
    parser.add_argument("--port", type=int, default=8000, help="port of this machine, 0 for any; default: 8000")
    parser.set_defaults(run=_open)


def _simulate(given: argparse.Namespace) -> int:
    from springtide.simulate import command  # noqa: PLC0415  see the module's first line
    from springtide.simulate.mistake import UsageError  # noqa: PLC0415

    try:
        return command.run(given, Path.cwd())
    except UsageError as error:
        return _refuse(str(error))


def _console() -> "Console":
    from rich.console import Console  # noqa: PLC0415  see the module's first line

    return Console(width=shutil.get_terminal_size((_TABLE_COLUMNS, 24)).columns)


def _plan(given: argparse.Namespace) -> int:
    from springtide.offline import command  # noqa: PLC0415  see the module's first line

    request = command.Request(
        environments=tuple(given.environments), every=given.every, form=given.form, base=given.base, out=given.out
    )
    try:
        folder = Path.cwd()
    except OSError as error:
        return _refuse(f"this folder cannot be read: {error.strerror}; change to one that is there")
    try:
        return command.run(request, folder)
    except command.UsageError as error:
        return _refuse(str(error))


def _schema(given: argparse.Namespace) -> int:
    from springtide.settings import schema  # noqa: PLC0415  see the module's first line

    content = json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
    if given.out is None:
        sys.stdout.write(content)
        return 0
    try:
        given.out.write_text(content, encoding="utf-8")
    except OSError as error:
        return _refuse(f"{given.out} cannot be written: {error.strerror}")
    return 0


def _catalog(given: argparse.Namespace) -> int:
    from rich.console import Console  # noqa: PLC0415  see the module's first line

    from springtide.catalog import UnknownNameError  # noqa: PLC0415
    from springtide.catalog.show import overviews  # noqa: PLC0415

    try:
        tables = overviews(given.cloud, gpu=given.gpu, region=given.region)
    except UnknownNameError as error:
        return _refuse(str(error))
    width = max(shutil.get_terminal_size((_TABLE_COLUMNS, 24)).columns, _LEAST_COLUMNS)
    Console(width=width).print(*tables, sep="\n")
    return 0


def _refresh(given: argparse.Namespace) -> int:
    from springtide.catalog import refresh  # noqa: PLC0415  see the module's first line

    live = ["--live"] if given.live else []
    prices = ["--prices", str(given.prices)] if given.prices is not None else []
    return refresh.main([given.refreshed, *live, *prices])


def _doctor(given: argparse.Namespace) -> int:
    from springtide import doctor  # noqa: PLC0415  see the module's first line

    return _in_project(lambda folder: doctor.run(given.environment, folder, _console(), form=given.form))


def _push(given: argparse.Namespace) -> int:
    from springtide import images  # noqa: PLC0415  see the module's first line

    request = images.Request(
        environment=given.environment,
        image=given.image,
        builder=given.builder,
        base=given.base,
        platform=given.platform,
    )
    return _in_project(lambda folder: images.push(request, folder))


def _open(given: argparse.Namespace) -> int:
    from springtide import forward  # noqa: PLC0415  see the module's first line

    return _in_project(lambda folder: forward.run(given.environment, given.service, given.port, folder))


def _in_project(run: Callable[[Path], int]) -> int:
    """Run a command on an environment of the project around this folder."""
    from springtide.target import UsageError  # noqa: PLC0415  see the module's first line

    try:
        folder = Path.cwd()
    except OSError as error:
        return _refuse(f"this folder cannot be read: {error.strerror}; change to one that is there")
    try:
        return run(folder)
    except UsageError as error:
        return _refuse(str(error))


def _refuse(message: str) -> int:
    # Names of files and references are untrusted: nothing in them may steer a terminal.
    shown = "".join(sign if sign.isprintable() or sign == "\n" else "\N{REPLACEMENT CHARACTER}" for sign in message)
    sys.stderr.write(f"springtide: {shown}\n")
    return USAGE


def _version() -> str:
    try:
        return version("springtide")
    except PackageNotFoundError:
        return "unknown"


if __name__ == "__main__":
    sys.exit(main())
