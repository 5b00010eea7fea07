"""One pure function from a plan to what a local control plane is given, with a list of all that is not as in the cloud.

Each substitution is one rule of a table: what, instead, why, and a small function on one object. A rule that is done
twice is done once, so a rendition may be substituted again. The last rule of all removes what only a cloud knows: no
placeholder and no secret's digest leaves this function.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from springtide.local.cluster.refs import ENVIRONMENT, Object
from springtide.local.render import absent, gateways, karpenter, pods, runs
from springtide.local.render.objects import (
    containers,
    has_unknown,
    is_secret,
    kubernetes_objects,
    pod_template,
    replaced,
)
from springtide.local.render.pools import simulated
from springtide.local.render.substitution import Here, Rule, Substitution
from springtide.offline.plan import Plan

NAMESPACE = "springtide"
"""Namespace of the workloads where a plan makes none."""
CLUSTER_WIDE = frozenset(
    {
        *("Namespace", "Node", "PersistentVolume", "StorageClass", "PriorityClass", "RuntimeClass", "CSIDriver"),
        *("ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "APIService", "IngressClass"),
        *("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "ValidatingAdmissionPolicy"),
        *("NodePool", "NodeClaim", "NodeOverlay", "KWOKNodeClass", "EC2NodeClass", "ClusterTriggerAuthentication"),
    }
)
"""Kinds without a namespace, among those that a plan may hold and a machine may know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendition:
    """What is applied here in place of a plan."""

    objects: tuple[Object, ...]
    substitutions: tuple[Substitution, ...]


def _known(item: Object, _here: Here) -> Object | None:
    """An object without what only a cloud knows; None where its name is that."""
    if not has_unknown(item):
        return item
    found = _without_unknown(item)
    meta, old = found.get("metadata", {}), item["metadata"]
    named = "name" in meta and ("namespace" in meta) == ("namespace" in old)
    return found if named else None


_RULES: tuple[Rule, ...] = (
    Rule(
        what="JobSets",
        instead="Indexed Jobs with the same pods, which replace pods one by one where a JobSet starts all of them anew",
        why="JobSet is published as an image only, and no registry is asked here",
        change=runs.without_jobset,
    ),
    Rule(
        what="EC2NodeClasses and the NodePools that name them",
        instead="KWOKNodeClasses, whose machines join {here.boot_seconds} s after they are asked for",
        why="Karpenter asks its kwok provider for machines here, not EC2",
        change=karpenter.on_kwok,
    ),
    Rule(
        what="Gateways of services that sleep, and where KEDA reads them",
        instead="{here.gateways_are}",
        why="they run on system nodes, and there are none here",
        change=gateways.elsewhere,
    ),
    *absent.RULES,
    Rule(
        what="Queues of runs",
        instead="they start at once",
        why="nothing here admits what waits in a queue",
        change=runs.without_queue,
    ),
    Rule(
        what="Time that idle machines stay",
        instead="{here.idle_seconds} s",
        why="nobody pays for simulated machines, and somebody waits for them to go",
        change=karpenter.hurried,
    ),
    Rule(
        what="Time that a service stays too large",
        instead="{here.idle_seconds} s",
        why="a simulated replica costs nothing to lose",
        change=pods.hurried,
    ),
    Rule(
        what="Fabrics: sidecars, host folders and networks of pods",
        instead="nothing: pods of several nodes talk over plain TCP",
        why="there is no such network card here",
        change=pods.without_devices,
    ),
    Rule(
        what="Buckets and file systems",
        instead="folders below {here.storage_path}",
        why="no cloud is asked",
        change=pods.on_local_storage,
    ),
    Rule(
        what="Conditions and keys of services that are reached from outside",
        instead="servers are ready when they are, and whoever reaches them may ask",
        why="nobody outside this machine reaches them",
        change=pods.unexposed,
    ),
    Rule(
        what="Rights in a cloud",
        instead="none: what pods use is a folder",
        why="there is no cloud here that would honour them",
        change=pods.without_identity,
    ),
    Rule(
        what="Images, GPUs and processes per node",
        instead="this machine's own Python and packages, and one process on the CPU for each pod",
        why="no registry is asked, and a GPU that is simulated computes nothing",
        change=pods.on_this_machine,
    ),
    Rule(
        what="Servers that are not ours (vLLM, SGLang, Triton)",
        instead="simulated pods, which answer nothing",
        why="their images are not on this machine",
        change=pods.foreign_simulated,
    ),
    Rule(
        what="Values that only a cloud knows",
        instead="what they stand in is left out",
        why="no cloud was asked, so there are none",
        change=_known,
    ),
)
"""All substitutions on objects, in order: what becomes a Job is a pod like others for the rules that follow."""


def substitute(plan: Plan, here: Here) -> Rendition:
    """What a local control plane is given for a plan: the same work on the same pools, without what is not here.

    Args:
        plan: An environment's plan, of any cloud; with work of another file in it, where `joined` put it there.
        here: What this machine can do.
    """
    made, told = simulated(plan, here)
    found = replace((*made, *_namespaced(plan)), here, plan.environment["name"])
    return Rendition(
        objects=found.objects, substitutions=(*told, *found.substitutions, *_standing(found.objects, here))
    )


def replace(objects: Sequence[Object], here: Here, environment: str) -> Rendition:
    """Objects with every rule applied, marked as the environment's. Its own result it leaves as it is."""
    told: list[Substitution] = []
    found = tuple(objects)
    for rule in _RULES:
        found, said = rule.apply(found, here)
        told += said
    space = namespace_of(found)
    marked = (_marked(pods.timed(item, here), environment, space) for item in found)
    return Rendition(objects=tuple(marked), substitutions=tuple(told))


def namespace_of(objects: Sequence[Object]) -> str:
    """Namespace of the work among some objects."""
    return next((str(item["metadata"]["name"]) for item in objects if item["kind"] == "Namespace"), NAMESPACE)


def _namespaced(plan: Plan) -> tuple[Object, ...]:
    """The plan's objects, after the namespace that its work is in where another plan makes it."""
    objects = kubernetes_objects(plan)
    if any(item["kind"] == "Namespace" for item in objects):
        return objects
    spaces = (item["metadata"].get("namespace", "") for item in objects if pod_template(item) is not None)
    name = next((space for space in spaces if space and not has_unknown(space)), NAMESPACE)
    return ({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, *objects)


def _marked(item: Object, environment: str, space: str) -> Object:
    meta = item["metadata"]
    where = {} if item["kind"] in CLUSTER_WIDE else {"namespace": meta.get("namespace", space)}
    return replaced(
        item, ("metadata",), {**meta, **where, "labels": {**meta.get("labels", {}), ENVIRONMENT: environment}}
    )


def _without_unknown(value: Any) -> Any:
    """A value without anything in it that only a cloud knows."""
    if isinstance(value, Mapping):
        known = {key: part for key, part in value.items() if not _lost(key) and not _lost(part)}
        return {key: _without_unknown(part) for key, part in known.items()}
    if isinstance(value, list):
        return [_without_unknown(part) for part in value if not _lost(part) and not _blank(part)]
    return value


def _blank(value: Any) -> bool:
    """Whether an element of a list would mean something else without what it lost: a variable, a mount, a rule."""
    return isinstance(value, Mapping) and any(map(_lost, value.values()))


def _lost(value: Any) -> bool:
    """Whether a value is itself one that only a cloud knows; one that holds such a value is not."""
    return has_unknown(value) if isinstance(value, str) else is_secret(value)


def _standing(objects: Sequence[Object], here: Here) -> Iterator[Substitution]:
    """What is so for every pod, though nothing in an object says it."""
    if any(karpenter.is_node_pool(item) or item["kind"] == "Node" for item in objects):
        yield Substitution(
            what="Machines",
            instead="simulated nodes of the same types, zones, labels and taints, on which nothing computes",
            why="no cloud is asked for any",
        )
    made = [pod for item in objects if (pod := pod_template(item)) is not None]
    if made and not here.real:
        yield Substitution(
            what="Containers",
            instead=f"nothing runs: a pod is ready {here.start_seconds} s after it has a node, "
            f"and a run is done after {here.run_seconds} s",
            why="there is no node here that runs any",
        )
    if any(item.get("ports") for pod in made for item in containers(pod)):
        yield Substitution(
            what="Service addresses and names",
            instead="pods are reached by their own addresses; a run's pods are told the first one's",
            why="no proxy and no name server runs here",
        )
