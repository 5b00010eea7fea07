"""Who a workload is to the cloud: a ServiceAccount with just the rights its storage needs."""

from dataclasses import dataclass
from typing import NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as kubernetes

from springtide import clouds
from springtide.cluster import ClusterRef
from springtide.component import child_of, refused
from springtide.k8s.identity import service_account
from springtide.spec import Finding, dns_label, refuse
from springtide.storage import StorageRef


class GrantArgs(TypedDict):
    """A right on a part of some storage."""

    storage: StorageRef
    """Storage it is about; take it from `Storage.ref`."""
    prefix: str
    """Part of the storage, without slashes at its ends: jobs/gpt."""
    write: NotRequired[bool]
    """Whether objects may be made, replaced and removed. Default: read only."""


class WorkloadIdentityArgs(TypedDict):
    """Arguments of `WorkloadIdentity`."""

    cluster: ClusterRef
    """Cluster the workload runs in; take it from `Cluster.ref`."""
    grants: list[GrantArgs]
    """What it may use; nothing else is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A right on a part of some storage, as a cloud's rules see it."""

    resource: pulumi.Input[str]
    prefix: str
    write: bool


class WorkloadIdentity(pulumi.ComponentResource):
    """A Kubernetes ServiceAccount and the cloud identity behind it."""

    service_account: pulumi.Output[str]
    """Name of the ServiceAccount; pods that use it are made after its rights are."""

    def __init__(self, name: str, args: WorkloadIdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        refused([*dns_label("/name", name), *_grants(args["grants"])], f"WorkloadIdentity {name}")
        cluster = args["cluster"]
        place = cluster["environment"]
        said = {
            "cloud": place["cloud"],
            "grants": [{"prefix": g["prefix"], "write": g.get("write", False)} for g in args["grants"]],
        }
        super().__init__("springtide:index:WorkloadIdentity", name, said, opts)
        grants = [
            Grant(resource=g["storage"]["resource"], prefix=g["prefix"], write=g.get("write", False))
            for g in args["grants"]
        ]
        made = clouds.load(place["cloud"]).identity(name, name, grants, cluster, self)
        account = kubernetes.core.v1.ServiceAccount(
            name,
            **service_account(name, cluster["namespace"], made.annotations),
            opts=child_of(self, depends_on=list(made.ready)),
        )
        self.service_account = account.urn.apply(lambda _urn: name)
        self.register_outputs(said)


def _grants(grants: list[GrantArgs]) -> list[Finding]:
    if not grants:
        return [refuse("spec/grants", "/grants", [], "an identity without a right is no use.", "name what it may use")]
    return [found for i, grant in enumerate(grants) for found in _grant(f"/grants/{i}", grant)]


def _grant(path: str, grant: GrantArgs) -> list[Finding]:
    found, prefix = [], grant["prefix"]
    if "resource" not in grant["storage"]:
        message, fix = "the reference does not say what the bucket is called.", "give `resource` of a Storage"
        found.append(refuse("spec/reference", f"{path}/storage", grant["storage"]["name"], message, fix))
    if not prefix or prefix != prefix.strip("/"):
        fix = "write it without slashes at its ends: jobs/gpt"
        found.append(refuse("spec/prefix", f"{path}/prefix", prefix, f"{prefix!r} is no part of a storage.", fix))
    return found
