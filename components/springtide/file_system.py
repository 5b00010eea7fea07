"""A file system that many pods mount at once."""

from typing import NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as kubernetes

from springtide import clouds
from springtide.cluster import ClusterRef
from springtide.component import after, checked, child_of, intent
from springtide.controllers import absent
from springtide.environment import EnvironmentRef
from springtide.k8s.volume import persistent_volume, volume_claim
from springtide.place import controlled
from springtide.spec import Finding, StorageSpec, dns_label, one_of
from springtide.storage import StorageRef

KINDS = ("lustre", "shared")
MOUNTS = "/mnt"
"""Where file systems are mounted in a container, each under its own name."""
NOMINAL_GIB = 1024
"""Size that a volume claims of a file system that grows by itself; Kubernetes wants a figure and nothing holds it to it."""


class FileSystemArgs(TypedDict):
    """Arguments of `FileSystem`."""

    cluster: ClusterRef
    """Cluster whose pods mount it; take it from `Controllers.ref`."""
    kind: str
    """What it is: `lustre`, a parallel file system in the cluster's first zone; `shared`, a file system over NFS."""
    size_gib: NotRequired[int]
    """Size in GiB; in which steps it is sold is the cloud's to say. Default: it grows, where the cloud has such."""
    mbps_per_tib: NotRequired[int]
    """Throughput of a Lustre file system, in MB/s for each TiB. Default: the cloud's least."""
    linked_bucket: NotRequired[StorageRef]
    """Bucket whose objects are files of a Lustre file system, and which gets what is written; take it from `Storage.ref`."""
    protect: NotRequired[bool]
    """Whether a destroy is refused. Default: yes."""


class FileSystem(pulumi.ComponentResource):
    """A managed file system, and the volume by which pods mount it.

    Attributes:
        ref: What workloads need to know of it.
    """

    claim: pulumi.Output[str]
    """Name of the PersistentVolumeClaim."""
    url: pulumi.Output[str]
    """Address under which workloads see it."""
    mount_path: pulumi.Output[str]
    """Where it is mounted."""

    def __init__(self, name: str, args: FileSystemArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        cluster, linked = args["cluster"], args.get("linked_bucket")
        place = cluster["environment"]
        cloud = clouds.load(place["cloud"])
        linked = None if linked is None else known_storage(linked, place)
        plain = {**args, **({} if linked is None else {"linked_bucket": linked["name"]})}
        spec = checked(
            StorageSpec,
            plain,
            f"FileSystem {name}",
            wiring=["cluster"],
            rules=lambda spec: [
                *dns_label("/name", name),
                *one_of("/kind", spec.kind, KINDS),
                *findings(spec, place["cloud"]),
                *absent(cluster, cloud.storage_controllers(spec), "/kind", spec.kind),
            ],
        )
        said = intent(spec, cloud=place["cloud"], region=place["region"])
        super().__init__("springtide:index:FileSystem", name, said, opts)
        made = _make(name, spec, cluster, linked, self)
        self.claim = self._mounted(name, spec, cluster, made)
        self.ref = mounted(name, self.claim)
        self.url = pulumi.Output.from_input(self.ref["url"])
        self.mount_path = pulumi.Output.from_input(self.ref["mount_path"])
        self.register_outputs(said | {"claim": self.claim})

    def _mounted(
        self, name: str, spec: StorageSpec, cluster: ClusterRef, made: clouds.StorageParts
    ) -> pulumi.Output[str]:
        size = NOMINAL_GIB if spec.size_gib is None else spec.size_gib
        source = {} if made.volume is None else made.volume
        space = _with_drivers(spec, cluster)
        volume = kubernetes.core.v1.PersistentVolume(
            name, **persistent_volume(name, space, size, source, made.mount_options), opts=child_of(self)
        )
        claim = kubernetes.core.v1.PersistentVolumeClaim(
            name, **volume_claim(name, space, size), opts=child_of(self, depends_on=[volume])
        )
        return after(name, claim)


def mounted(name: str, claim: pulumi.Input[str]) -> StorageRef:
    """A file system as a workload sees it."""
    path = f"{MOUNTS}/{name}"
    return StorageRef(name=name, url=f"file://{path}", resource="", claim=claim, mount_path=path)


def known_storage(storage: StorageRef, place: EnvironmentRef) -> StorageRef:
    """Storage with all that a workload must know of it: what a reference leaves out follows from its name.

    Args:
        storage: Storage as the caller refers to it.
        place: Environment of who uses it, and so of a bucket whose address is left out.
    """
    name = storage["name"]
    if "mount_path" in storage and "url" in storage:
        return storage
    if "claim" in storage:
        return mounted(name, storage["claim"])
    url = clouds.load(place["cloud"]).bucket_url(place["name"], name, place["account"])
    return StorageRef(name=name, url=url, resource=storage["resource"], claim="", mount_path="")


def findings(spec: StorageSpec, cloud: str) -> list[Finding]:
    """What a cloud does not sell."""
    return clouds.storage_findings(cloud, spec)


def _with_drivers(spec: StorageSpec, cluster: ClusterRef) -> pulumi.Input[str]:
    """The namespace, for use by volumes: what mounts them is there before them, and still there to unmount them."""
    space = cluster["namespace"]
    for driver in clouds.load(cluster["environment"]["cloud"]).storage_controllers(spec):
        space = controlled(cluster, driver, space)
    return space


def _make(
    name: str, spec: StorageSpec, cluster: ClusterRef, linked: StorageRef | None, parent: pulumi.Resource
) -> clouds.StorageParts:
    cloud = clouds.load(cluster["environment"]["cloud"])
    if spec.kind == "lustre" and isinstance(cloud, clouds.SupportsLustre):
        return cloud.lustre(name, spec, cluster, linked, parent)
    if spec.kind == "shared" and isinstance(cloud, clouds.SupportsShared):
        return cloud.shared(name, spec, cluster, parent)
    message = f"{cloud.name} has no {spec.kind} file systems; `findings` says so before it comes to this"
    raise LookupError(message)
