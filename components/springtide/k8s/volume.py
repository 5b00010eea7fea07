"""A file system as pods see it: a PersistentVolume that is there already, and the claim that names it."""

from collections.abc import Mapping, Sequence
from typing import Any

from springtide.k8s import Manifest


def persistent_volume(
    name: str, namespace: Any, size_gib: int, source: Mapping[str, Any], options: Sequence[str] = ()
) -> Manifest:
    """A volume that is never deleted with its claim: the file system is somebody else's to delete."""
    return {
        "metadata": {"name": volume_name(name)},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "capacity": {"storage": f"{size_gib}Gi"},
            "claimRef": {"name": name, "namespace": namespace},
            "csi": dict(source),
            **({"mountOptions": list(options)} if options else {}),
            "persistentVolumeReclaimPolicy": "Retain",
            # No class: an empty one keeps the default class from making a disk for the claim.
            "storageClassName": "",
            "volumeMode": "Filesystem",
        },
    }


def volume_claim(name: str, namespace: Any, size_gib: int) -> Manifest:
    """The claim by which a pod mounts it."""
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": f"{size_gib}Gi"}},
            "storageClassName": "",
            "volumeName": volume_name(name),
        },
    }


def volume_name(name: str) -> str:
    """Name of the volume: volumes have no namespace, so it says whose it is."""
    return f"springtide-{name}"
