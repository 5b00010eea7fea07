"""`springtide up`, `down`, `status`: an environment of this machine, from its plan to pods that run, and back."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from rich.console import Console

from springtide.local import apply as applied
from springtide.local import diff, gateways, machines, pools, status_view
from springtide.local.api import Api
from springtide.local.background import background, build_in_background, stop_building
from springtide.local.build import Binaries, binaries, ready
from springtide.local.errors import ApiError
from springtide.local.home import Home, home
from springtide.local.plane import control_plane, event_scaler
from springtide.local.plane.control_plane import ControlPlane, LocalError
from springtide.local.progress import Progress, Terminal
from springtide.local.real import node
from springtide.local.real.ability import Surroundings, lacking
from springtide.local.refs import Object, Ref
from springtide.local.status import Observer, Status, status
from springtide.local.substitute import Rendition, namespace_of, substitute
from springtide.local.substitution import Here, Substitution
from springtide.local.toolchain import BuildError
from springtide.local.wait import Pending, wait
from springtide.offline.goyaml import ConfigError
from springtide.offline.plan import Plan
from springtide.offline.planner import environments, plan_environment, project_root
from springtide.spec import did_you_mean
from springtide_workloads.contract import COMPLETIONS_PATH, Env

LOCAL = "local"
"""Name of the cloud that this machine is."""
CORE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "karpenter")
REAL = ("kubelet", "pause")
"""What real pods need besides."""
KEDA = ("keda-operator", "keda-adapter")
KEDA_GROUP = "keda.sh"
_CONTROLLERS = "springtide-controllers"
"""Owner of what controllers need in the cluster; no plan holds it, so no plan's apply takes it away."""
STOPPED = 1
_QUESTION = '{"prompt": "A class is", "max_tokens": 40}'
"""What a newcomer may ask a service."""


class UsageError(Exception):
    """What was asked for cannot be done; the message says what can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """An environment of this machine.

    Attributes:
        plan: What it is to be.
        home: Where its files are.
        root: Folder of its project.
    """

    plan: Plan
    home: Home
    root: Path


def up(
    environment: str, folder: Path, console: Console, *, simulate: bool = False, kubeconfig: Path | None = None
) -> int:
    """Bring an environment up, or up to date.

    Args:
        environment: Its name.
        folder: Folder in its project.
        console: Where people look.
        simulate: Whether pods are simulated, also where they could really run.
        kubeconfig: A cluster of the user's own, in place of a control plane of ours.

    Raises:
        UsageError: there is no such environment, or it is a cloud's.
    """
    site = _site(environment, folder)
    if not sound(site.plan, console):
        return STOPPED
    reasons = ("--simulate",) if simulate else lacking(Surroundings())
    progress = Terminal(console)
    try:
        with control_plane.only(site.home, lambda: progress.say("another command works on it: waiting for that one")):
            here = _here(site, real=not reasons, own=kubeconfig is None)
            rendition = substitute(site.plan, here)
            console.print(*status_view.substitutions(rendition.substitutions), sep="\n")
            if not here.real and kubeconfig is None:
                console.print(f"Pods are simulated: {'; '.join(reasons)}.", highlight=False)
            return _up(site, rendition, here, kubeconfig, progress)
    except (LocalError, BuildError, ApiError) as error:
        progress.done()
        complain(error, console)
        return STOPPED
    finally:
        progress.done()


def _here(site: Site, *, real: bool, own: bool) -> Here:
    """What there is: this machine, or with `own` False a cluster of the user's, where gateways are pods."""
    groups = frozenset({"karpenter.sh", "karpenter.kwok.sh", KEDA_GROUP})
    if not own:
        return Here(groups=groups, gateways=None)
    numbers = {item.service: gateways.numbers_name(item.service) for item in gateways.of(site.plan)}
    ports = control_plane.reserved(site.home, [*map(gateways.port_name, numbers), *numbers.values()])
    return Here(real=real, groups=groups, gateways={service: ports[name] for service, name in numbers.items()})


def _up(site: Site, rendition: Rendition, here: Here, kubeconfig: Path | None, progress: Terminal) -> int:
    console = progress.console
    if kubeconfig is None:
        plane = prepare(site, here, progress)
        _start_gateways(site, plane, namespace_of(rendition.objects), progress)
    with Api.connect(site.home.kubeconfig if kubeconfig is None else kubeconfig) as api:
        foreseen = applied.apply(rendition.objects, api, site.plan.environment["name"], progress, dry_run=True)
        changes = not foreseen.difference.empty
        if changes and (foreseen.unchanged or foreseen.changed or foreseen.pruned):
            progress.done()
            console.print(diff.renderable(foreseen.difference))
        outcome = (
            applied.apply(rendition.objects, api, site.plan.environment["name"], progress) if changes else foreseen
        )
        progress.done()
        if outcome.refused:
            for finding in outcome.findings:
                console.print(f"  {finding.message} {finding.fix}", highlight=False, markup=False)
            return STOPPED
        console.print(diff.summary(outcome.difference), highlight=False)
        waiting = wait(_awaited(rendition.objects), api, progress)
        progress.done()
        _tell(waiting, console)
        console.print(status_view.renderable(_look(site, api, rendition.substitutions[:0])))
    if kubeconfig is None:
        _tell_addresses(site, console)
        console.print(f"export KUBECONFIG={site.home.kubeconfig}", highlight=False, soft_wrap=True)
    return 0


def _start_gateways(site: Site, plane: ControlPlane, namespace: str, progress: Progress) -> None:
    wanted = {
        gateways.port_name(item.service): {**item.environment, Env.NAMESPACE.value: namespace}
        for item in gateways.of(site.plan)
    }
    plane.start_gateways(wanted, progress)


def _tell_addresses(site: Site, console: Console) -> None:
    """Where services that sleep are asked; a request wakes them."""
    found = gateways.addresses((item.service for item in gateways.of(site.plan)), control_plane.known_ports(site.home))
    for service, address in found.items():
        console.print(f"{service} answers at {address}, and wakes when it is asked:", highlight=False)
        console.print(f"  curl -s {address}{COMPLETIONS_PATH} -d '{_QUESTION}'", highlight=False, soft_wrap=True)


def complain(error: Exception, console: Console) -> None:
    """Tell what is in the way."""
    console.print(f"springtide: {error}", style="red", markup=False, highlight=False, soft_wrap=True)


def prepare(site: Site, here: Here, progress: Progress) -> ControlPlane:
    """A control plane with everything that the plan's objects need to be more than words."""
    built = binaries(site.home, (*CORE, *(REAL if here.real else ())), progress)
    plane = control_plane.prepare(site.home, {**built.paths, **ready(site.home, KEDA)})
    plane.start_core(progress)
    with Api.connect(site.home.kubeconfig) as api:
        _controllers(plane, built, api, progress)
    _write_machines(site)
    plane.start_autoscaler(progress)
    if here.real:
        node.start(plane, node.machine(site.home, here.storage_path), progress)
    if (here.real or here.gateways) and _scales_on_events(site.plan):
        _event_scaler(site, plane, progress)
    return plane


def _controllers(plane: ControlPlane, built: Binaries, api: Api, progress: Progress) -> None:
    files = sorted(built.resource_definitions.rglob("*.yaml"))
    definitions = [item for file in files for item in yaml.safe_load_all(file.read_text(encoding="utf-8")) if item]
    outcome = applied.apply([*definitions, *event_scaler.objects(plane.site)], api, _CONTROLLERS, progress)
    if outcome.refused:
        raise LocalError("\n".join(item.message for item in outcome.findings), "run the command again")


def _event_scaler(site: Site, plane: ControlPlane, progress: Progress) -> None:
    """KEDA, at once where it is built, else as soon as it is."""
    if all(name in plane.site.binaries for name in KEDA):
        plane.start_event_scaler(progress)
        return
    name = site.plan.environment["name"]
    begun = background(site.home)
    again = [sys.executable, "-m", "springtide.cli", "up", name]
    build_in_background(site.home, KEDA, then=again)
    if begun is None or begun.process is None:
        progress.say(
            f"KEDA is being built, some minutes; services scale when it has joined ({site.home.logs}/build.log)"
        )


def _scales_on_events(plan: Plan) -> bool:
    return any(item.type.startswith(f"kubernetes:{KEDA_GROUP}/") for item in plan.resources)


def _write_machines(site: Site) -> None:
    """Machine types for Karpenter. Written only where they are others: it would be started anew for them."""
    found = site.plan.pools()
    cloud, region = (found[0].catalog, found[0].region) if found else ("aws", "us-east-1")
    types = machines.instance_types(
        cloud, region, disk_gib=pools.disks(site.plan), shared=pools.shared_machines(site.plan)
    )
    content = json.dumps(types, indent=1)
    file = site.home.instance_types
    if not file.is_file() or file.read_text(encoding="utf-8") != content:
        file.write_text(content, encoding="utf-8")


def _awaited(objects: Sequence[Object]) -> list[Ref]:
    kinds = {"NodePool", "Job"}
    return [Ref.of(item) for item in objects if item["kind"] in kinds]


def _tell(waiting: Sequence[Pending], console: Console) -> None:
    for item in waiting:
        console.print(f"  {item.ref} is not ready: {item.why}", highlight=False, markup=False)
        for line in item.said:
            console.print(f"    {line}", highlight=False, markup=False)


def down(environment: str, folder: Path, console: Console) -> int:
    """Take an environment down: its processes, mounts, control groups and files; what runs stored stays.

    Raises:
        UsageError: there is no such environment.
    """
    root = _root(folder)
    _known(environment, root)
    here = home(environment, root)
    progress = Terminal(console)
    try:
        with control_plane.only(here, lambda: progress.say("another command works on it: waiting for that one")):
            built = stop_building(here)
            found = control_plane.running(here)
            control_plane.stop(here, progress, clean=lambda: node.clean(here, progress))
    finally:
        progress.done()
    told = f"{len(found)} processes stopped" if found else "nothing was running"
    console.print(f"{environment} is down: {told}{', and a build' if built else ''}.", highlight=False)
    if here.storage.is_dir():
        console.print(f"What its runs stored stays in {here.storage}", highlight=False, soft_wrap=True)
    return 0


def show(environment: str, folder: Path, console: Console, *, watch: bool = False, form: str = "text") -> int:
    """How an environment stands.

    Raises:
        UsageError: there is no such environment, or it is not up.
    """
    site = _site(environment, folder)
    if not control_plane.running(site.home):
        raise UsageError(f"{environment} is not up: `springtide up {environment}`")
    here = _here(site, real=node.present(site.home), own=True)
    told = substitute(site.plan, here).substitutions
    try:
        with Api.connect(site.home.kubeconfig) as api:
            if watch:
                observer = _observer(site, api, told)
                status_view.watch(observer.look, console)
            elif form == "json":
                sys.stdout.write(json.dumps(_look(site, api, told).to_json(), indent=2) + "\n")
            else:
                console.print(status_view.renderable(_look(site, api, told)))
                _tell_addresses(site, console)
    except ApiError as error:
        raise UsageError(f"{error}\n  `springtide up {environment}` starts again what is missing") from error
    return 0


def _observer(site: Site, api: Api, told: Sequence[Substitution]) -> Observer:
    return Observer(api=api, plan=site.plan, artifacts=_artifacts(site), substituted=told)


def _look(site: Site, api: Api, told: Sequence[Substitution]) -> Status:
    return status(api, site.plan, artifacts=_artifacts(site), substituted=told)


def _artifacts(site: Site) -> dict[str, Path]:
    return {f"file://{Here().storage_path}": site.home.storage}


def _site(environment: str, folder: Path) -> Site:
    root = _root(folder)
    _known(environment, root)
    plan = plan_environment(root, environment)
    cloud = plan.environment.get("cloud")
    if cloud not in {LOCAL, None, ""}:
        raise UsageError(
            f"{environment} is an environment of {cloud}: `pulumi up -s {environment}` brings it up; "
            f"`springtide rehearse {environment}` tries its pools and workloads on this machine"
        )
    return Site(plan=plan, home=home(environment, root), root=root)


def rehearsed(environment: str, folder: Path, planned: Callable[[Path, str], Plan]) -> Site:
    """A site of its own for a rehearsal: no environment that is up is touched.

    Raises:
        UsageError: there is no such environment.
    """
    root = _root(folder)
    _known(environment, root)
    return Site(plan=planned(root, environment), home=home(f"{environment}-rehearsal", root), root=root)


def _root(folder: Path) -> Path:
    root = project_root(folder.resolve())
    if root is None:
        raise UsageError(f"no Pulumi.yaml in {folder} or above: run this inside a project")
    return root


def _known(environment: str, root: Path) -> None:
    try:
        known = environments(root)
    except ConfigError as error:
        raise UsageError(str(error)) from error
    if environment not in known:
        hint = did_you_mean(environment, known, "")
        raise UsageError(
            f"no environment {environment!r}: {f'{hint} ' if hint else ''}The project has {', '.join(known) or 'none'}"
        )


def sound(plan: Plan, console: Console) -> bool:
    """Whether nothing stops the plan; what does is told."""
    stopping = [finding for finding in plan.findings if finding.stops]
    for finding in stopping:
        console.print(
            f"  {finding.where or finding.path}  {finding.message} {finding.fix}", highlight=False, markup=False
        )
    if stopping:
        console.print(f"springtide plan {plan.environment['name']} says more.", highlight=False)
    return not stopping
