"""A place for checkpoints, models and data that outlives every machine."""

from typing import NotRequired, TypedDict

import pulumi

from springtide import clouds
from springtide.component import checked, intent
from springtide.environment import EnvironmentRef
from springtide.spec import StorageSpec, below, dns_label, one_of


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
    """Storage that a workload reads and writes; take it from `Storage.ref`."""

    name: str
    """Name of the storage."""
    url: str
    """Address under which workloads see it, such as s3://bucket or file:///mnt/corpus; known before the storage exists."""
    resource: pulumi.Input[str]
    """Name under which the cloud's access rules know it, such as an ARN; empty for what is mounted."""
    claim: pulumi.Input[str]
    """PersistentVolumeClaim by which a pod mounts it; empty for a bucket."""
    mount_path: str
    """Where it is mounted; empty for a bucket."""


class Storage(pulumi.ComponentResource):
    """Encrypted, private, versioned storage.

    Attributes:
        ref: What other components need to know of it.
    """

    url: pulumi.Output[str]
    """Address under which workloads see it."""

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
        self.url = pulumi.Output.from_input(made.url)
        self.ref = StorageRef(name=name, url=made.url, resource=made.resource, claim="", mount_path="")
        self.register_outputs(said | {"url": made.url})
