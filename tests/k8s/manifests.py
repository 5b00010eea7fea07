"""One example of each workload, and the check that an API server of our version would know every field."""

from dataclasses import replace
from typing import Any

import kubernetes_validate

from springtide.k8s import Manifest
from springtide.k8s.backends import BACKENDS, Launch
from springtide.k8s.pod import Place, PodPart
from springtide.k8s.serving import Server
from springtide.k8s.training import Run, rendezvous_host
from springtide_workloads.contract import Device, ServingContract, TrainingContract

KUBERNETES = "1.35"
IMAGE = f"registry.example.com/team/springtide-workloads@sha256:{'a' * 64}"

RUN = Run(
    name="gpt-first",
    job="gpt",
    image=IMAGE,
    contract=TrainingContract(
        run="gpt-first",
        recipe="gpt_tiny",
        artifacts_url="s3://bucket/jobs/gpt/first",
        nodes=3,
        procs_per_node=4,
        master_addr=rendezvous_host("gpt-first"),
        notice_seconds=120,
        grace_seconds=110,
        shutdown_seconds=100,
        save_deadline_seconds=90,
    ),
    place=Place(
        namespace="springtide",
        account="gpt-first",
        selector={"springtide.dev/pool": "train"},
        memory_gib=160,
        scratch_gib=100,
    ),
)
SERVING = ServingContract(
    model_url="s3://bucket/jobs/gpt/first", grace_seconds=75, propagation_seconds=10, drain_seconds=60
)
LAUNCH = Launch(name="chat", model="s3://bucket/jobs/gpt/first", gpus=1, drain_seconds=60)
SERVER = Server(
    name="chat",
    image=IMAGE,
    backend=BACKENDS["springtide"],
    launch=LAUNCH,
    env=SERVING.to_env(),
    propagation_seconds=10,
    grace_seconds=75,
    replicas=2,
    spare_replica=True,
    startup_seconds=600,
    place=Place(
        namespace="springtide",
        account="chat",
        selector={"springtide.dev/pool": "serve"},
        memory_gib=12,
        scratch_gib=50,
    ),
)
ON_CPU = replace(
    SERVER,
    launch=replace(LAUNCH, gpus=0),
    env=replace(SERVING, device=Device.CPU).to_env(),
    place=replace(SERVER.place, selector={"springtide.dev/pool": "system"}),
)


FABRIC = PodPart(
    resources={"vpc.amazonaws.com/efa": "32", "hugepages-2Mi": "5120Mi"},
    env={"NCCL_NET": "fabric", "PET_MASTER_PORT": "1"},
    annotations={"networking.gke.io/interfaces": "[]"},
    labels={"rung": "reserved"},
    host_paths={"/home/kubernetes/bin/fabric": "/usr/local/fabric"},
    sidecars=[
        {
            "name": "receiver",
            "image": IMAGE,
            "command": ["/receive"],
            "env": {"LEVEL": "info"},
            "host_paths": {"/dev/fabric": "/dev/fabric", "/home/kubernetes/bin/fabric": "/usr/local/fabric"},
            "capabilities": ["NET_ADMIN"],
        }
    ],
    tolerations=[{"key": "rung", "operator": "Exists", "effect": "NoSchedule"}],
    together="springtide.dev/rung",
)
"""A pool that asks for everything a pool can ask for."""


def known_to_kubernetes(api_version: str, kind: str, manifest: Manifest) -> None:
    """Pass if every field is one that Kubernetes has, of its type; unknown fields are mistakes."""
    kubernetes_validate.validate({"apiVersion": api_version, "kind": kind, **manifest}, KUBERNETES, strict=True)


def job_of(manifest: Manifest) -> Manifest:
    """The Job of a JobSet, as an API server would see it."""
    [replicated] = manifest["spec"]["replicatedJobs"]
    metadata = {"name": f"{manifest['metadata']['name']}-{replicated['name']}-0"}
    return {"metadata": metadata, **replicated["template"]}


def pod_of(manifest: Manifest) -> dict[str, Any]:
    """The pod that a Job or a Deployment makes."""
    pod: dict[str, Any] = manifest["spec"]["template"]["spec"]
    return pod


def container_of(manifest: Manifest) -> dict[str, Any]:
    """The one container of that pod."""
    [container] = pod_of(manifest)["containers"]
    found: dict[str, Any] = container
    return found


def variables_of(manifest: Manifest) -> dict[str, Any]:
    """The container's variables: text, or the reference that supplies it."""
    return {item["name"]: item.get("value", item.get("valueFrom")) for item in container_of(manifest)["env"]}
