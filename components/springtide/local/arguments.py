"""The arguments of `springtide up`, `down`, `status` and `rehearse`; nothing heavy is imported before one of them runs."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

Run = Callable[[argparse.Namespace], int]
_WHERE = "environment with `cloud: local`"


def add(commands: Any, console: Callable[[], "Console"], refuse: Callable[[str], int]) -> None:
    """Add the commands on environments of this machine.

    Args:
        commands: What `ArgumentParser.add_subparsers` made.
        console: Makes the console that people look at.
        refuse: Says why a command does nothing, and gives its exit status.
    """
    _add_up(commands.add_parser("up", help="bring an environment of this machine up, or up to date"))
    _add_down(commands.add_parser("down", help="take an environment of this machine down"))
    _add_status(commands.add_parser("status", help="show pools, jobs and services of an environment of this machine"))
    _add_rehearse(commands.add_parser("rehearse", help="try any environment's pools and work on simulated machines"))
    runs = {"up": _up, "down": _down, "status": _status, "rehearse": _rehearse}
    for name, run in runs.items():
        commands.choices[name].set_defaults(run=_here(run, console, refuse))


def _add_up(parser: argparse.ArgumentParser) -> None:
    parser.description = "Start a control plane on this machine and apply the environment's plan to it."
    parser.epilog = "Exit status: 0; 1 when the plan or the machine is in the way; 2 for a usage error."
    parser.add_argument("environment", metavar="ENV", help=_WHERE)
    parser.add_argument("--simulate", action="store_true", help="simulate pods also where they could really run")
    parser.add_argument("--yes", action="store_true", help="remove and replace objects without a question")
    _add_kubeconfig(parser)


def _add_down(parser: argparse.ArgumentParser) -> None:
    parser.description = "Stop the environment's processes; with --kubeconfig, remove its objects from that cluster."
    parser.add_argument("environment", metavar="ENV", help=_WHERE)
    _add_kubeconfig(parser)


def _add_status(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("environment", metavar="ENV", help=_WHERE)
    parser.add_argument("--watch", action="store_true", help="look again every second, until Ctrl-C")
    parser.add_argument("--format", choices=("text", "json"), default="text", dest="form", help="default: text")
    _add_kubeconfig(parser)


def _add_rehearse(parser: argparse.ArgumentParser) -> None:
    parser.description = "Apply an environment's pools and workloads to a control plane of this machine, and watch."
    parser.epilog = "Exit status: 0 when every pod ran and every node went; 1 otherwise; 2 for a usage error."
    parser.add_argument("environment", metavar="ENV", help="any environment")
    parser.add_argument("--format", choices=("text", "json"), default="text", dest="form", help="default: text")


def _add_kubeconfig(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kubeconfig", type=Path, metavar="FILE", help="use this cluster instead of one of our own")


def _here(
    run: Callable[[argparse.Namespace, "Console"], int],
    console: Callable[[], "Console"],
    refuse: Callable[[str], int],
) -> Run:
    """A command whose usage errors are told as such."""

    def told(given: argparse.Namespace) -> int:
        from springtide.local.site import UsageError  # noqa: PLC0415  see the module's first line

        try:
            return run(given, console())
        except UsageError as error:
            return refuse(str(error))

    return told


def _up(given: argparse.Namespace, console: "Console") -> int:
    from springtide.local import command  # noqa: PLC0415  see the module's first line

    asked = command.Asked(environment=given.environment, folder=Path.cwd(), kubeconfig=given.kubeconfig)
    return command.up(asked, console, simulate=given.simulate, yes=given.yes)


def _down(given: argparse.Namespace, console: "Console") -> int:
    from springtide.local import command  # noqa: PLC0415  see the module's first line

    asked = command.Asked(environment=given.environment, folder=Path.cwd(), kubeconfig=given.kubeconfig)
    return command.down(asked, console)


def _status(given: argparse.Namespace, console: "Console") -> int:
    from springtide.local import command  # noqa: PLC0415  see the module's first line

    asked = command.Asked(environment=given.environment, folder=Path.cwd(), kubeconfig=given.kubeconfig)
    return command.show(asked, console, watch=given.watch, form=given.form)


def _rehearse(given: argparse.Namespace, console: "Console") -> int:
    from springtide.local.rehearse.rehearse import rehearse  # noqa: PLC0415  see the module's first line

    return rehearse(given.environment, Path.cwd(), console, form=given.form)
