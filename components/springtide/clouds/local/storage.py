"""A bucket is a folder of this machine, which containers find at the same place everywhere."""

import pulumi

from springtide.clouds import StorageParts
from springtide.environment import EnvironmentRef
from springtide.spec import Finding, StorageSpec

FOLDER = "/storage"
"""Where containers find the folder of all buckets; `springtide up` mounts it there."""


def bucket(name: str, spec: StorageSpec, place: EnvironmentRef, parent: pulumi.Resource) -> StorageParts:  # noqa: ARG001
    """Nothing is made: a folder is there when the first file is written. What is overwritten in it is gone at once."""
    return StorageParts(url=f"file://{_path(name)}", resource=pulumi.Output.from_input(_path(name)))


def bucket_findings(environment: str, name: str, account: str) -> list[Finding]:  # noqa: ARG001
    """What is wrong with the name that a bucket would have; every name of storage is one of a folder."""
    return []


def bucket_url(environment: str, name: str, account: str) -> str:  # noqa: ARG001
    """Address of a bucket as containers see it."""
    return f"file://{_path(name)}"


def _path(name: str) -> str:
    return f"{FOLDER}/{name}"
