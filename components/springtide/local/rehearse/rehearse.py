"""`springtide rehearse`: any environment's pools and workloads on a control plane of this machine, watched, and told.

Nothing of it stays: the control plane is one of its own, and goes when the rehearsal is over.
"""

import json
import sys
import time
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from springtide.local import site as sites
from springtide.local.builds.toolchain import BuildError
from springtide.local.cluster import apply as applied
from springtide.local.cluster.api import Api
from springtide.local.cluster.errors import ApiError
from springtide.local.cluster.refs import POOL, Object
from springtide.local.cluster.wait import said_of
from springtide.local.home import Home
from springtide.local.observe.pool_status import list_price
from springtide.local.plane import control_plane
from springtide.local.plane.control_plane import LocalError
from springtide.local.progress import Progress, Terminal
from springtide.local.rehearse import rehearsal_text
from springtide.local.rehearse.rehearsal import PENDING, Node, Pod, Prices, Rehearsal, Snapshot, report
from springtide.local.rehearse.work import joined, trials
from springtide.local.render.karpenter import CAPACITY, MACHINE_TYPE
from springtide.local.render.substitute import Rendition, substitute
from springtide.local.render.substitution import Here
from springtide.local.site import STOPPED, Site, complain
from springtide.local.start import start
from springtide.offline.plan import Plan
from springtide.offline.planner import plan_environment

ZONE = "topology.kubernetes.io/zone"
_LOOK_EVERY_SECONDS = 0.5
_STUCK_SECONDS = 60.0
"""How long nothing may change while a pod waits, before it is said to wait for ever."""
_MOST_SECONDS = 600.0
_RUN_SECONDS = 10
"""How long a simulated run takes: long enough to be seen."""
_IDLE_SECONDS = 10
"""How long an idle node stays: as short as Karpenter can be trusted to notice."""
_OVER = frozenset({"Succeeded", "Failed"})
_MAKERS = (("apps/v1", "ReplicaSet"), ("batch/v1", "Job"))
"""Kinds that make pods."""
_FORBIDDEN = "FailedCreate"
"""What they say where they may not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
    """What is rehearsed, and who looks."""

    plan: Plan
    home: Home
    api: Api
    progress: Progress
    began: float

    def look(self) -> Snapshot:
        """What there is now."""
        nodes = self.api.objects("v1", "Node", labels=POOL)
        pods = self.api.objects("v1", "Pod")
        made = {owner["uid"] for item in pods for owner in item["metadata"].get("ownerReferences", ())}
        return Snapshot(
            seconds=time.monotonic() - self.began,
            nodes=tuple(_node(item) for item in nodes),
            pods=(
                *(self._pod(item) for item in pods if item["spec"].get("nodeSelector")),
                *(pod for maker in _MAKERS for item in self.api.objects(*maker) for pod in self._missing(item, made)),
            ),
        )

    def _missing(self, item: Object, made: Container[str]) -> Iterator[Pod]:
        """In place of the pods of a Job or a ReplicaSet that may not make any: what it says of that."""
        if item["metadata"]["uid"] in made or not item["spec"].get("replicas", 1):
            return
        said = tuple(line for line in said_of(self.api, item) if _FORBIDDEN in line)
        if said:
            name, template = item["metadata"]["name"], item["spec"]["template"]
            pool = template["spec"].get("nodeSelector", {}).get(POOL, "")
            workload = _workload(name, [{**item["metadata"], "kind": item["kind"], "controller": True}])
            yield Pod(name=name, workload=workload, pool=pool, phase=PENDING, made=False, messages=said)

    def _pod(self, item: Object) -> Pod:
        phase = str(item.get("status", {}).get("phase", PENDING))
        meta, spec = item["metadata"], item["spec"]
        owners = meta.get("ownerReferences", [])
        return Pod(
            name=meta["name"],
            workload=_workload(meta["name"], owners),
            pool=spec["nodeSelector"].get(POOL, ""),
            phase=phase,
            node=spec.get("nodeName", ""),
            ends=any(owner["kind"] == "Job" for owner in owners),
            messages=tuple(said_of(self.api, item)) if phase == PENDING else (),
        )


def _workload(name: str, owners: Sequence[Object]) -> str:
    """What made a pod: its Job, or the Deployment whose ReplicaSet is named after it."""
    owner = next((item for item in owners if item.get("controller")), None)
    if owner is None:
        return name
    return str(owner["name"]).rpartition("-")[0] if owner["kind"] == "ReplicaSet" else str(owner["name"])


def _node(item: Object) -> Node:
    meta = item["metadata"]
    labels = meta["labels"]
    return Node(
        name=meta["name"],
        pool=labels[POOL],
        machine_type=labels.get(MACHINE_TYPE, ""),
        capacity=labels.get(CAPACITY, ""),
        zone=labels.get(ZONE, ""),
        always="karpenter.sh/nodepool" not in labels,
    )


def rehearse(environment: str, folder: Path, console: Console, *, form: str = "text") -> int:
    """Put an environment's pools and workloads on simulated machines, and tell what became of them.

    Returns:
        0 when every pod ran and every node went, 1 otherwise.

    Raises:
        UsageError: there is no such environment.
    """
    site = sites.rehearsed(environment, folder, _planned)
    # What is said while it goes on, or instead of a report, is no part of what machines read.
    aside = Console(stderr=True)
    people = aside if form == "json" else console
    if not sites.sound(site.plan, people):
        return STOPPED
    here = Here(run_seconds=_RUN_SECONDS, idle_seconds=_IDLE_SECONDS)
    rendition = substitute(site.plan, here)
    work = trials(site.plan, rendition.objects, here)
    progress = Terminal(aside)
    try:
        with control_plane.only(site.home, lambda: progress.say("another rehearsal goes on: waiting for it")):
            found = _rehearsed(site, replace(rendition, objects=(*rendition.objects, *work)), here, progress)
    except (LocalError, BuildError, ApiError) as error:
        progress.done()
        complain(error, people)
        return STOPPED
    finally:
        progress.done()
    if form == "json":
        sys.stdout.write(json.dumps(found.as_json(), indent=2) + "\n")
    else:
        console.print(rehearsal_text.render(found))
    return 0 if found.passed else STOPPED


def _planned(root: Path, environment: str) -> Plan:
    """The plan of an environment; of work, together with the platform that it runs on."""
    plan = plan_environment(root, environment)
    on = plan.environment.get("on")
    return plan if on is None else joined(plan_environment(root, str(on)), plan)


def _rehearsed(site: Site, rendition: Rendition, here: Here, progress: Progress) -> Rehearsal:
    try:
        start(site, here, progress)
        with Api.connect(site.home.kubeconfig) as api:
            stage = _Stage(plan=site.plan, home=site.home, api=api, progress=progress, began=time.monotonic())
            snapshots = list(_act(stage, rendition))
    finally:
        control_plane.stop(site.home, progress, clean=lambda: None)
    return report(
        site.plan.environment["name"],
        rendition.substitutions,
        [pool.name for pool in site.plan.pools()],
        snapshots,
        _prices(site.plan),
    )


def _act(stage: _Stage, rendition: Rendition) -> Iterator[Snapshot]:
    """Two acts: the work comes and finds its nodes; what does not end by itself is taken away and the nodes go."""
    owner = stage.plan.environment["name"]
    _applied(applied.apply(rendition.objects, stage.api, owner, stage.progress))
    yield from _until(stage, _settled, "pods find their nodes")
    places = [item for item in rendition.objects if item["kind"] not in {"Job", "Deployment", "ScaledObject"}]
    _applied(applied.apply(places, stage.api, owner, stage.progress))
    yield from _until(stage, _empty, "nodes go")


def _applied(outcome: applied.Outcome) -> None:
    if outcome.refused:
        message = "\n".join(item.message for item in outcome.findings)
        raise LocalError(f"the API server refuses what the plan holds:\n{message}", "mend what it names")


def _until(stage: _Stage, done: Callable[[Snapshot], bool], what: str) -> Iterator[Snapshot]:
    """Look again and again, until it is done or nothing changes any more."""
    changed, before = time.monotonic(), None
    end = time.monotonic() + _MOST_SECONDS
    while time.monotonic() < end and time.monotonic() - changed < _STUCK_SECONDS:
        now = stage.look()
        yield now
        state = (now.nodes, tuple((pod.name, pod.phase, pod.node) for pod in now.pods))
        changed = changed if state == before else time.monotonic()
        before = state
        running = sum(pod.phase != PENDING for pod in now.pods)
        stage.progress.doing(f"{what}: {running} of {len(now.pods)} pods, {len(now.nodes)} nodes")
        if done(now):
            return
        _standing(stage.home)
        time.sleep(_LOOK_EVERY_SECONDS)


def _standing(home: Home) -> None:
    """Nothing is to be learned from a control plane that is not whole.

    Raises:
        LocalError: one of its processes ended by itself.
    """
    for name, words in control_plane.fallen(home).items():
        raise LocalError(f"{name} ended in the middle of it; its last words:\n{words}", "run the command again")


def _settled(snapshot: Snapshot) -> bool:
    """Whether every pod has had its node, and every run is over."""
    return bool(snapshot.pods) and all(
        pod.phase in _OVER if pod.ends else pod.phase != PENDING for pod in snapshot.pods
    )


def _empty(snapshot: Snapshot) -> bool:
    return not [node for node in snapshot.nodes if not node.always]


def _prices(plan: Plan) -> Prices:
    """List prices; where spot capacity has none, the on-demand price, which it never exceeds."""
    pools = plan.pools()

    def price(machine_type: str, capacity: str) -> float | None:
        found = list_price(pools[0], machine_type, capacity) if pools else None
        return None if found is None else found.usd_per_hour

    return price
