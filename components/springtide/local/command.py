"""`springtide up`, `down`, `status`: an environment of this machine, from its plan to pods that run, and back.

Each of them takes a kubeconfig as well: then the objects are those of the user's own cluster, and nothing is started or
stopped on this machine.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.prompt import Confirm

from springtide.local import site as sites
from springtide.local.builds.background import stop_building
from springtide.local.builds.toolchain import BuildError
from springtide.local.cluster import apply as applied
from springtide.local.cluster import diff
from springtide.local.cluster.api import Api
from springtide.local.cluster.apply import Outcome
from springtide.local.cluster.errors import ApiError
from springtide.local.cluster.refs import Object, Ref
from springtide.local.cluster.wait import Pending, wait
from springtide.local.home import Home
from springtide.local.observe import status_view
from springtide.local.observe.status import Observer, Status, status
from springtide.local.plane import control_plane
from springtide.local.plane.control_plane import LocalError
from springtide.local.progress import Terminal
from springtide.local.real import node
from springtide.local.real.ability import Surroundings, lacking
from springtide.local.render import gateways
from springtide.local.render.substitute import Rendition, namespace_of, substitute
from springtide.local.render.substitution import Here, Substitution
from springtide.local.site import STOPPED, Site, UsageError, complain
from springtide.local.start import KEDA_GROUP, start
from springtide.offline.replacement import Action
from springtide_workloads.contract import COMPLETIONS_PATH, Env

OURS = frozenset({"karpenter.sh", "karpenter.kwok.sh", KEDA_GROUP})
"""Groups of custom resources that a control plane of ours answers for."""
_QUESTION = '{"prompt": "A class is", "max_tokens": 40}'
"""What a newcomer may ask a service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which environment a command is about, and where it is.

    Attributes:
        environment: Its name.
        folder: Folder in its project.
        kubeconfig: The user's own cluster. Default: a control plane of ours, on this machine.
    """

    environment: str
    folder: Path
    kubeconfig: Path | None = None


def up(asked: Asked, console: Console, *, simulate: bool = False, yes: bool = False) -> int:
    """Bring an environment up, or up to date.

    Args:
        asked: Which one.
        console: Where people look.
        simulate: Whether pods are simulated, also where they could really run.
        yes: Whether objects are removed and replaced without a question.

    Raises:
        UsageError: there is no such environment, or it is a cloud's.
    """
    site = sites.of(asked.environment, asked.folder)
    if not sites.sound(site.plan, console):
        return STOPPED
    progress = Terminal(console)
    try:
        with control_plane.only(site.home, lambda: progress.say("another command works on it: waiting for that one")):
            if asked.kubeconfig is not None:
                return _up_there(site, asked.kubeconfig, progress, yes=yes)
            return _up_here(site, progress, simulate=simulate, yes=yes)
    except (LocalError, BuildError, ApiError) as error:
        progress.done()
        complain(error, console)
        return STOPPED
    finally:
        progress.done()


def _up_here(site: Site, progress: Terminal, *, simulate: bool, yes: bool) -> int:
    console = progress.console
    reasons = ("--simulate",) if simulate else lacking(Surroundings())
    here = _here(site, real=not reasons)
    rendition = _rendered(site, here, console)
    if not here.real:
        console.print(f"Pods are simulated: {'; '.join(reasons)}.", highlight=False)
    plane = start(site, here, progress)
    wanted = {
        gateways.port_name(item.service): {
            **item.environment,
            Env.NAMESPACE.value: namespace_of(rendition.objects),
        }
        for item in gateways.of(site.plan)
    }
    plane.start_gateways(wanted, progress)
    with Api.connect(site.home.kubeconfig) as api:
        if not _apply(site, rendition, api, progress, yes=yes):
            return STOPPED
    _tell_addresses(site, console)
    console.print(f"export KUBECONFIG={site.home.kubeconfig}", highlight=False, soft_wrap=True)
    return 0


def _up_there(site: Site, kubeconfig: Path, progress: Terminal, *, yes: bool) -> int:
    with Api.connect(kubeconfig) as api:
        rendition = _rendered(site, _there(api), progress.console)
        return 0 if _apply(site, rendition, api, progress, yes=yes) else STOPPED


def _here(site: Site, *, real: bool) -> Here:
    """What this machine can do."""
    numbers = {item.service: gateways.numbers_name(item.service) for item in gateways.of(site.plan)}
    ports = control_plane.reserved(site.home, [*map(gateways.port_name, numbers), *numbers.values()])
    return Here(real=real, groups=OURS, gateways={service: ports[name] for service, name in numbers.items()})


def _there(api: Api) -> Here:
    """What a cluster of the user's own can do: it says so itself. Gateways are pods there."""
    return Here(groups=api.groups(), gateways=None, own=False)


def _rendered(site: Site, here: Here, console: Console) -> Rendition:
    rendition = substitute(site.plan, here)
    console.print(*status_view.substitutions(rendition.substitutions), sep="\n")
    return rendition


def _apply(site: Site, rendition: Rendition, api: Api, progress: Terminal, *, yes: bool) -> bool:
    """Make the cluster hold the objects, wait for what takes time, and show how it stands; False where it stopped."""
    console = progress.console
    foreseen = applied.apply(rendition.objects, api, site.name, progress, dry_run=True)
    progress.done()
    outcome = foreseen
    if not foreseen.difference.empty:
        if foreseen.unchanged or foreseen.changed or foreseen.pruned:
            console.print(diff.renderable(foreseen.difference))
        if not _agreed(foreseen, console, yes=yes):
            return False
        outcome = applied.apply(rendition.objects, api, site.name, progress)
        progress.done()
    if outcome.refused:
        for finding in outcome.findings:
            console.print(f"  {finding.message} {finding.fix}", highlight=False, markup=False)
        return False
    console.print(diff.summary(outcome.difference), highlight=False)
    waiting = wait(_awaited(rendition.objects), api, progress)
    progress.done()
    _tell(waiting, console)
    console.print(status_view.renderable(_look(site, api, rendition.substitutions[:0])))
    return True


def _agreed(foreseen: Outcome, console: Console, *, yes: bool) -> bool:
    """Whether nothing is taken away that was not agreed to; without a terminal nobody can be asked."""
    lost = len(foreseen.difference.of(Action.REPLACE)) + len(foreseen.difference.of(Action.DELETE))
    if not lost or yes:
        return True
    counted = f"{lost} object{'s are' if lost > 1 else ' is'} removed or replaced"
    if not (console.is_terminal and sys.stdin.isatty()):
        console.print(f"{counted}: nothing was changed. Say --yes if that is meant.", highlight=False)
        return False
    return Confirm.ask(f"{counted}. Go on?", console=console, default=False)


def _tell_addresses(site: Site, console: Console) -> None:
    """Where services that sleep are asked; a request wakes them."""
    found = gateways.addresses((item.service for item in gateways.of(site.plan)), control_plane.known_ports(site.home))
    for service, address in found.items():
        console.print(f"{service} answers at {address}, and wakes when it is asked:", highlight=False)
        console.print(f"  curl -s {address}{COMPLETIONS_PATH} -d '{_QUESTION}'", highlight=False, soft_wrap=True)


def _awaited(objects: Sequence[Object]) -> list[Ref]:
    kinds = {"NodePool", "Job"}
    return [Ref.of(item) for item in objects if item["kind"] in kinds]


def _tell(waiting: Sequence[Pending], console: Console) -> None:
    for item in waiting:
        console.print(f"  {item.ref} is not ready: {item.why}", highlight=False, markup=False)
        for line in item.said:
            console.print(f"    {line}", highlight=False, markup=False)


def down(asked: Asked, console: Console) -> int:
    """Take an environment down: its processes, mounts, control groups and files; what runs stored stays.

    From a cluster of the user's own, the environment's objects are removed, and nothing else.

    Raises:
        UsageError: there is no such environment.
    """
    _, here = sites.place(asked.environment, asked.folder)
    progress = Terminal(console)
    try:
        with control_plane.only(here, lambda: progress.say("another command works on it: waiting for that one")):
            if asked.kubeconfig is not None:
                return _down_there(asked.environment, asked.kubeconfig, progress)
            return _down_here(asked.environment, here, progress)
    except ApiError as error:
        progress.done()
        complain(error, console)
        return STOPPED
    finally:
        progress.done()


def _down_here(environment: str, here: Home, progress: Terminal) -> int:
    built = stop_building(here)
    found = control_plane.running(here)
    control_plane.stop(here, progress, clean=lambda: node.clean(here, progress))
    progress.done()
    told = f"{len(found)} processes stopped" if found else "nothing was running"
    progress.console.print(f"{environment} is down: {told}{', and a build' if built else ''}.", highlight=False)
    if here.storage.is_dir():
        progress.console.print(f"What its runs stored stays in {here.storage}", highlight=False, soft_wrap=True)
    return 0


def _down_there(environment: str, kubeconfig: Path, progress: Terminal) -> int:
    with Api.connect(kubeconfig) as api:
        outcome = applied.remove(api, environment, progress)
    progress.done()
    for finding in outcome.findings:
        progress.console.print(f"  {finding.message} {finding.fix}", highlight=False, markup=False)
    progress.console.print(f"{environment} is down: {len(outcome.pruned)} objects removed.", highlight=False)
    return STOPPED if outcome.refused else 0


def show(asked: Asked, console: Console, *, watch: bool = False, form: str = "text") -> int:
    """How an environment stands.

    Args:
        asked: Which one.
        console: Where people look.
        watch: Whether to look again every second.
        form: `text` or `json`.

    Raises:
        UsageError: there is no such environment, or it is not up.
    """
    site, there = sites.of(asked.environment, asked.folder), asked.kubeconfig
    if there is None and not control_plane.running(site.home):
        raise UsageError(f"{site.name} is not up: `springtide up {site.name}`")
    try:
        with Api.connect(site.home.kubeconfig if there is None else there) as api:
            here = _here(site, real=node.present(site.home)) if there is None else _there(api)
            told = substitute(site.plan, here).substitutions
            if watch:
                observer = Observer(api=api, plan=site.plan, artifacts=_artifacts(site), substituted=told)
                status_view.watch(observer.look, console)
                return 0
            found = _look(site, api, told)
    except ApiError as error:
        again = f"springtide up {site.name}{'' if there is None else f' --kubeconfig {there}'}"
        raise UsageError(f"{error}\n  `{again}` starts again what is missing") from error
    if form == "json":
        sys.stdout.write(json.dumps(found.to_json(), indent=2) + "\n")
        return 0
    console.print(status_view.renderable(found))
    if here.own:
        _tell_addresses(site, console)
    return 0


def _look(site: Site, api: Api, told: Sequence[Substitution]) -> Status:
    return status(api, site.plan, artifacts=_artifacts(site), substituted=told)


def _artifacts(site: Site) -> dict[str, Path]:
    return {f"file://{Here().storage_path}": site.home.storage}
