"""What simulated nodes and the pods on them do: kwok's configuration and its stages, as data."""

from typing import Any

import yaml

Document = dict[str, Any]

SIMULATED = {"kwok.x-k8s.io/node": "fake"}
"""Annotation of simulated nodes; Karpenter's kwok provider gives it to what it makes."""
RUNS = "springtide.dev/runs"
"""Annotation of pods that really run elsewhere: who runs them writes their status."""
START_DELAY = "springtide.dev/simulated-start"
"""Annotation: how long a pod pulls its image and starts, as Go writes durations."""
DURATION = "springtide.dev/simulated-seconds"
"""Annotation: how long a pod of a Job computes, as Go writes durations (30s, 2m)."""
LEASE_SECONDS = 40
"""How long a simulated node's lease holds; it is renewed four times as often. Killed and started again, kwok waits as long
for the nodes that it had: each time it calls itself by another name, and cannot be told one."""
_LONGEST_LEASE_SECONDS = 400
"""Renewed every 100 s: the node controller loses patience after 120."""
_RENEWALS_A_SECOND = 25
"""What an API server on two cores bears beside its other work."""
_DEFAULT_DURATION_MS = 5000
_PARALLEL = 8

_NODE_READY = """\
{{ $now := Now }}
conditions:
{{ range NodeConditions }}
- {type: {{ .type | Quote }}, status: {{ .status | Quote }}, reason: {{ .reason | Quote }},
   message: {{ .message | Quote }}, lastHeartbeatTime: {{ $now | Quote }}, lastTransitionTime: {{ $now | Quote }}}
{{ end }}
phase: Running
"""
_RUNNING = """\
{{ $now := Now }}
phase: Running
startTime: {{ $now | Quote }}
conditions:
- {type: Initialized, status: "True", lastTransitionTime: {{ $now | Quote }}}
- {type: Ready, status: "True", lastTransitionTime: {{ $now | Quote }}}
- {type: ContainersReady, status: "True", lastTransitionTime: {{ $now | Quote }}}
containerStatuses:
{{ range .spec.containers }}
- {name: {{ .name | Quote }}, image: {{ .image | Quote }}, ready: true, restartCount: 0, started: true,
   state: {running: {startedAt: {{ $now | Quote }}}}}
{{ end }}
"""
_SUCCEEDED = """\
{{ $now := Now }}
phase: Succeeded
containerStatuses:
{{ range .spec.containers }}
- {name: {{ .name | Quote }}, image: {{ .image | Quote }}, ready: false, restartCount: 0, started: false,
   state: {terminated: {exitCode: 0, reason: Completed, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}}}}
{{ end }}
"""


def lease_seconds(nodes: int) -> int:
    """How long leases hold where there may be so many nodes: those of a thousand are work for an API server."""
    return min(max(LEASE_SECONDS, 4 * nodes // _RENEWALS_A_SECOND), _LONGEST_LEASE_SECONDS)


def config(lease_seconds: int = LEASE_SECONDS) -> str:
    """Kwok's configuration file: its options, and a stage for each thing that happens."""
    return yaml.safe_dump_all([_options(lease_seconds), *stages()], sort_keys=False)


def _options(lease_seconds: int) -> Document:
    parallel = ("nodeLease", "podPlayStage", "nodePlayStage", "podsOnNodeSync")
    return {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokConfiguration",
        "options": {
            "manageAllNodes": False,
            "manageNodesWithAnnotationSelector": ",".join(f"{key}={value}" for key, value in SIMULATED.items()),
            "nodeLeaseDurationSeconds": lease_seconds,
            # A configuration replaces the defaults: with nothing here it would work on nothing, and say so by ending.
            **{f"{name}Parallelism": _PARALLEL for name in parallel},
            "enablePodsOnNodeSyncListPager": False,
            "enablePodsOnNodeSyncStreamWatch": True,
        },
    }


def stages() -> list[Document]:
    """What happens to simulated nodes and pods, and when."""
    here = _is(".metadata.deletionTimestamp", "DoesNotExist")
    simulated = _is(f'.metadata.annotations["{RUNS}"]', "DoesNotExist")
    unready = _is('.status.conditions.[] | select( .type == "Ready" ) | .status', "NotIn", "True")
    running = _is(".status.phase", "In", "Running")
    ready = _is('.status.conditions.[] | select( .type == "Ready" ) | .status', "In", "True")
    of_a_job = _is(".metadata.ownerReferences.[].kind", "In", "Job")
    return [
        _stage("node-up", "Node", [unready], {"statusTemplate": _NODE_READY}),
        _stage(
            "pod-up", "Pod", [here, simulated, _is(".status.phase", "In", "Pending")], {"statusTemplate": _RUNNING},
            delay=_delay(START_DELAY, 0),
        ),
        _stage(
            "pod-done", "Pod", [here, simulated, running, ready, of_a_job],
            {"statusTemplate": _SUCCEEDED}, delay=_delay(DURATION, _DEFAULT_DURATION_MS),
        ),
        # The node controller takes readiness from pods of a node that was silent for a while, and nobody else gives it back.
        _stage(
            "pod-again", "Pod", [here, simulated, running, unready],
            {"statusTemplate": _RUNNING}, delay={"durationMilliseconds": 1000},
        ),
        _stage(
            "pod-gone", "Pod", [_is(".metadata.deletionTimestamp", "Exists"), simulated],
            {"delete": True, "finalizers": {"empty": True}},
        ),
    ]  # fmt: skip


def _stage(name: str, kind: str, when: list[Document], then: Document, delay: Document | None = None) -> Document:
    waiting = {} if delay is None else {"delay": delay}
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": kind},
            "selector": {"matchExpressions": when},
            **waiting,
            "next": then,
        },
    }


def _is(key: str, operator: str, *values: str) -> Document:
    return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}


def _delay(annotation: str, otherwise_ms: int) -> Document:
    return {
        "durationMilliseconds": otherwise_ms,
        "durationFrom": {"expressionFrom": f'.metadata.annotations["{annotation}"]'},
    }
