"""A place for checkpoints, models and data that outlives every machine."""

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

import pulumi

from springtide import clouds
from springtide.component import checked, intent
from springtide.environment import EnvironmentRef
from springtide.spec import Finding, StorageSpec, below, dns_label, one_of, refuse


class StorageArgs(TypedDict):
    """Arguments of `Storage`."""

    environment: EnvironmentRef
    """Environment it is built in; take it from `Environment.ref`."""
    kind: str
    """What it is: `bucket`, an object store. File systems (`lustre`, `shared`) are the component `FileSystem`."""
    expire_days: NotRequired[int]
    """Days after which superseded versions of an object are removed. Default: they are kept."""
    protect: NotRequired[bool]
    """Whether a destroy is refused. Default: no, for the cloud itself keeps a bucket that is not empty."""


class StorageRef(TypedDict):
    """Storage that a workload reads and writes; take it from `Storage.ref` or `FileSystem.ref`.

    Programs in other languages give the name and one output: `resource` of a `Storage` or `claim` of a `FileSystem`.
    """

    name: str
    """Name of the storage."""
    url: NotRequired[str]
    """Address under which workloads see it, such as s3://bucket; known before it exists. Default: follows from the name."""
    resource: NotRequired[pulumi.Input[str]]
    """Name under which the cloud's access rules know a bucket, such as an ARN; empty for what is mounted."""
    claim: NotRequired[pulumi.Input[str]]
    """PersistentVolumeClaim by which a pod mounts a file system; empty for a bucket."""
    mount_path: NotRequired[str]
    """Where it is mounted; empty for a bucket. Default: follows from the name, where there is a claim."""


class Storage(pulumi.ComponentResource):
    """Encrypted, private, versioned storage.

    Attributes:
        ref: What other components need to know of it.
    """

    url: pulumi.Output[str]
    """Address under which workloads see it."""
    resource: pulumi.Output[str]
    """Name under which the cloud's access rules know it; whoever uses it is made after the storage is safe to use."""

    def __init__(self, name: str, args: StorageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        place = args["environment"]
        cloud = clouds.load(place["cloud"])
        spec = checked(
            StorageSpec,
            args,
            f"Storage {name}",
            wiring=["environment"],
            rules=lambda spec: [
                *dns_label("/name", name),
                *one_of("/kind", spec.kind, ("bucket",)),
                *below("/name", cloud.bucket_findings(place["name"], name, place["account"])),
            ],
        )
        said = intent(spec, cloud=place["cloud"], region=place["region"])
        super().__init__("springtide:index:Storage", name, said, opts)
        made = cloud.bucket(name, spec, place, self)
        self.url, self.resource = pulumi.Output.from_input(made.url), made.resource
        self.ref = StorageRef(name=name, url=made.url, resource=made.resource, claim="", mount_path="")
        self.register_outputs(said | {"url": made.url})


def reference_findings(storage: Mapping[str, Any]) -> list[Finding]:
    """What is wrong with a reference to storage that somebody wrote by hand."""
    if "resource" in storage or "claim" in storage:
        return []
    message = f"storage {storage['name']}: nothing says whether it is a bucket or a file system."
    fix = "give `resource` of a Storage, or `claim` of a FileSystem"
    return [refuse("spec/reference", "/resource", None, message, fix)]
