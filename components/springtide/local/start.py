"""A control plane of our own with everything that a plan's objects need to be more than words."""

import json
import sys

import yaml

from springtide.local.builds.background import background, build_in_background
from springtide.local.builds.binaries import Binaries, binaries, ready
from springtide.local.cluster import apply as applied
from springtide.local.cluster.api import Api
from springtide.local.plane import control_plane, event_scaler, kwok
from springtide.local.plane.control_plane import ControlPlane, LocalError
from springtide.local.plane.programs import Tempo
from springtide.local.progress import Progress
from springtide.local.real import node
from springtide.local.render import machines, pools
from springtide.local.render.substitution import Here
from springtide.local.site import Site
from springtide.offline.plan import Plan

CORE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "karpenter")
REAL = ("kubelet", "pause")
"""What real pods need besides."""
KEDA = ("keda-operator", "keda-adapter")
KEDA_GROUP = "keda.sh"
_CONTROLLERS = "springtide-controllers"
"""Owner of what controllers need in the cluster; no plan holds it, so no plan's apply takes it away."""


def start(site: Site, here: Here, progress: Progress, *, optimised: bool = False) -> ControlPlane:
    """Build what is not built, and start what does not run.

    Args:
        site: The environment.
        here: What this machine can do.
        progress: Who is told.
        optimised: Whether the compiler does its best: what a thousand nodes need, and a few do not.

    Raises:
        BuildError: a program cannot be built.
        LocalError: a process does not start.
    """
    built = binaries(site.home, (*CORE, *(REAL if here.real else ())), progress, optimised=optimised)
    nodes = sum(pool.most_nodes for pool in site.plan.pools())
    tempo = Tempo(lease_seconds=kwok.lease_seconds(nodes))
    plane = control_plane.prepare(site.home, {**built.paths, **ready(site.home, KEDA)}, tempo)
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
    begun = background(site.home)
    # what it would ask about was agreed to just now
    again = [sys.executable, "-m", "springtide.cli", "up", site.name, "--yes"]
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
