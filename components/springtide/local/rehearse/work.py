"""What a pool is tried with: the work of another file on its platform, or pods that do nothing where there is no work."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from springtide.local.cluster.refs import POOL, Object
from springtide.local.render.objects import pod_template
from springtide.local.render.placement import Place, places_of
from springtide.local.render.pods import GPU
from springtide.local.render.substitute import namespace_of
from springtide.local.render.substitute import replace as replaced
from springtide.local.render.substitution import Here
from springtide.offline.plan import Plan
from springtide.offline.views import PoolView

TRIAL = "springtide.dev/trial"
"""Label of pods that only try a pool, with the pool's name."""
_NODES = 2
"""Nodes that a trial asks for: a second one shows that they come to lie together."""


def joined(platform: Plan, work: Plan) -> Plan:
    """Work and the platform that it runs on as one plan, under the work's name."""
    environment = {**platform.environment, "name": work.environment["name"]}
    return replace(work, environment=environment, resources=(*platform.resources, *work.resources))


def trials(plan: Plan, objects: Sequence[Object], here: Here) -> tuple[Object, ...]:
    """A Job for each pool of the plan that no pod of `objects` asks for: pods that take whole nodes and do nothing.

    Args:
        plan: The environment's plan.
        objects: What is applied for it, pools and pods.
        here: What this machine can do. Trials are simulated, whatever else runs.
    """
    places = list(places_of(objects))
    found = ((pool, [it for it in places if pool.name in it.labels.get(POOL, ())]) for pool in plan.pools())
    asked = set(_asked(objects, places))
    jobs = [_trial(pool, its, namespace_of(objects)) for pool, its in found if its and pool.name not in asked]
    return replaced(jobs, replace(here, real=False), plan.environment["name"]).objects


def _asked(objects: Iterable[Object], places: Iterable[Place]) -> Iterator[str]:
    """Pools whose labels some pod selects: by name, or by what only nodes of the pool have."""
    selectors = [pod["spec"].get("nodeSelector", {}) for item in objects if (pod := pod_template(item)) is not None]
    for place in places:
        if any(its and all(value in place.labels.get(key, ()) for key, value in its.items()) for its in selectors):
            yield from place.labels.get(POOL, ())


def _trial(pool: PoolView, places: Sequence[Place], namespace: str) -> Object:
    nodes = max(min(_NODES, pool.max_nodes), 1)
    name = f"trial-{pool.name}"
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace, "labels": {TRIAL: pool.name}},
        "spec": {
            "completionMode": "Indexed",
            "completions": nodes,
            "parallelism": nodes,
            "backoffLimit": 0,
            "template": {"metadata": {"labels": {TRIAL: pool.name}}, "spec": _pod(pool, places)},
        },
    }


def _pod(pool: PoolView, places: Sequence[Place]) -> dict[str, Any]:
    devices = {GPU: str(pool.gpus_per_node)}
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "nodeSelector": {POOL: pool.name},
        "tolerations": list(_tolerations(places)),
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65534, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "trial",
                "image": "registry.k8s.io/pause:3.10",
                "resources": {"limits": devices, "requests": {**devices, "cpu": "1", "memory": "1Gi"}},
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }
        ],
    }


def _tolerations(places: Sequence[Place]) -> Iterator[Mapping[str, str]]:
    """What lets a pod onto every node of the pool."""
    taints = {(taint["key"], taint["effect"]) for place in places for taint in place.taints}
    for key, effect in sorted(taints):
        yield {"key": key, "operator": "Exists", "effect": effect}
