"""A machine type, a node and a job as small as they can be, for tests of a control plane that has nothing else."""

from springtide.local.cluster.refs import Object
from springtide.local.plane.kwok import SIMULATED

PLACE = "default"


def machine(name: str) -> Object:
    offering = {
        "Price": 1.0,
        "Available": True,
        "Requirements": [
            {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["on-demand"]},
            {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["zone-a"]},
        ],
    }
    resources = {"cpu": "2", "memory": "8Gi", "pods": "100"}
    return {
        "name": name, "architecture": "amd64", "operatingSystems": ["linux"],
        "resources": resources, "offerings": [offering],
    }  # fmt: skip


def node(name: str) -> Object:
    room = {"cpu": "64", "memory": "256Gi", "pods": "200"}
    return {
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "annotations": SIMULATED},
        "status": {"allocatable": room, "capacity": room},
    }  # fmt: skip


def job(name: str, pods: int, **annotations: str) -> Object:
    notes = {key.replace("_", "-"): value for key, value in annotations.items()}
    return {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": PLACE},
        "spec": {
            "completions": pods, "parallelism": pods, "completionMode": "Indexed",
            "template": {
                "metadata": {"annotations": {f"springtide.dev/{key}": value for key, value in notes.items()}},
                "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "train"}]},
            },
        },
    }  # fmt: skip
