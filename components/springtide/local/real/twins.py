"""The process that keeps pods on simulated nodes and their twins on the real one in step.

It watches pods, and does what `twin.actions` says after each change. It keeps nothing: started again, it goes on.
"""

import argparse
import json
import logging
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast

import lightkube
from httpx2 import HTTPError
from lightkube import ApiError, Client, KubeConfig
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace, Pod, PodStatus
from lightkube.types import PatchType

from springtide.local.real.twin import NAMESPACE, RUNS, TWIN_OF, Action, Create, Machine, Release, Report, Stop, actions

_LOG = logging.getLogger(__name__)
_WATCH_SECONDS = 60
"""A watch that long without an end is begun anew."""
_PAUSE_SECONDS = 1.0
_ACCEPTED = {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}
"""Somebody was quicker: the next change says what is true now."""


class Twins:
    """What is known of the pods, and who does what is to be done."""

    def __init__(self, client: Client, machine: Machine) -> None:
        self._client = client
        self._machine = machine
        self._pods: dict[str, dict[str, Any]] = {}
        self._twins: dict[str, dict[str, Any]] = {}

    def run(self) -> None:
        """Watch until told to stop."""
        while True:
            try:
                for change, pod in self._changes():
                    self._see(change, pod)
            except (ApiError, HTTPError) as error:
                # The API server was stopped or is being started: what is known may be old by now.
                _LOG.warning("the API server does not answer: %s", error)
                self._pods.clear()
                self._twins.clear()
                time.sleep(_PAUSE_SECONDS)

    def _changes(self) -> Iterator[tuple[str, dict[str, Any]]]:
        listed = self._client.list(Pod, namespace="*")
        self._pods.clear()
        self._twins.clear()
        for pod in listed:
            self._remember(pod.to_dict())
        yield "", {}
        watched = self._client.watch(
            Pod, namespace="*", resource_version=listed.resourceVersion, server_timeout=_WATCH_SECONDS
        )
        for change, pod in watched:
            yield change, pod.to_dict()

    def _see(self, change: str, pod: dict[str, Any]) -> None:
        if pod:
            # A twin's last words count: how its container ended is in them.
            self._remember(pod)
            self._act()
        if change == "DELETED":
            self._pods.pop(pod["metadata"]["uid"], None)
            self._twins.pop(pod["metadata"]["uid"], None)
        self._act()

    def _remember(self, pod: dict[str, Any]) -> None:
        meta = pod["metadata"]
        if meta["namespace"] == NAMESPACE:
            self._twins[meta["uid"]] = pod
        elif RUNS in meta.get("annotations", {}):
            self._pods[meta["uid"]] = pod

    def _act(self) -> None:
        for action in actions(self._pods.values(), self._twins.values(), self._machine):
            try:
                self._do(action)
            except ApiError as error:
                self._refused(action, error)

    def _refused(self, action: Action, error: ApiError) -> None:
        if error.status.code in _ACCEPTED:
            return
        _LOG.warning("%s: %s", type(action).__name__, error)
        if isinstance(action, Create) and error.status.code == HTTPStatus.UNPROCESSABLE_ENTITY:
            # No later try would end otherwise: whoever asks about the pod must learn why.
            pod = self._pods[action.twin["metadata"]["labels"][TWIN_OF]]
            self._do(Report(pod=pod, status={"phase": "Failed", "reason": "TwinRefused", "message": str(error)}))

    def _do(self, action: Action) -> None:
        match action:
            case Create(twin=made):
                self._client.create(cast("Pod", Pod.from_dict(made)))
            case Report(pod=pod, status=status):
                meta = pod["metadata"]
                self._client.patch(
                    PodStatus,
                    meta["name"],
                    {"status": dict(status)},
                    namespace=meta["namespace"],
                    patch_type=PatchType.MERGE,
                )
                pod["status"] = {**pod.get("status", {}), **status}
            case Stop(name=name, seconds=seconds):
                self._client.delete(Pod, name, namespace=NAMESPACE, grace_period=seconds)
            case Release(pod=pod):
                meta = pod["metadata"]
                self._client.delete(Pod, meta["name"], namespace=meta["namespace"], grace_period=0)


def command(kubeconfig: Path, machine: Machine) -> list[str]:
    """Command line of the process."""
    return [
        sys.executable,
        "-m",
        "springtide.local.real.twins",
        f"--kubeconfig={kubeconfig}",
        f"--machine={json.dumps(asdict(machine), sort_keys=True)}",
    ]


def main() -> None:
    """Keep pods and twins in step until told to stop."""
    parser = argparse.ArgumentParser(description="Run pods of simulated nodes on this machine.")
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--machine", type=json.loads, required=True, help="what of this machine a pod sees, as JSON")
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    machine = Machine(**{**given.machine, "read_only": tuple(given.machine["read_only"])})
    client = lightkube.Client(config=KubeConfig.from_file(given.kubeconfig), trust_env=False, lazy=False)
    client.apply(_namespace(), field_manager="springtide", force=True)
    Twins(client, machine).run()


def _namespace() -> Namespace:
    labels = {"pod-security.kubernetes.io/enforce": "privileged"}
    return Namespace(metadata=ObjectMeta(name=NAMESPACE, labels=labels))


if __name__ == "__main__":
    main()
