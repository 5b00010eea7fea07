"""The parts of small stacks in the plan's format, and what a row of the table of cases is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from springtide_policies import Facts, Price

Resource = dict[str, Any]

DIGEST = "registry.example/train@sha256:" + "0" * 64
UNPRICED = "x0.nowhere"
PRICES = {
    ("aws", "us-east-1", "g6.xlarge"): Price(usd_per_hour=0.8048, date="2026-07-20", source="list"),
    ("aws", "us-east-1", "g5.xlarge"): Price(usd_per_hour=1.006, date="2026-07-20", source="list"),
}


def resource(  # noqa: PLR0913  a resource has this many members
    kind: str,
    name: str,
    inputs: Mapping[str, Any],
    *,
    unknown: Sequence[str] = (),
    inside: Resource | None = None,
    uses: Mapping[str, Sequence[Resource]] | None = None,
    protect: bool = False,
) -> Resource:
    """A resource in the plan's format; `inside` is its parent, `uses` what an input is made of."""
    chain = kind if inside is None else f"{inside['urn'].split('::')[2]}${kind}"
    return {
        "urn": f"urn:pulumi:dev::springtide::{chain}::{name}",
        "type": kind,
        "name": name,
        "parent": None if inside is None else inside["urn"],
        "inputs": dict(inputs),
        "unknown": list(unknown),
        "secret": [],
        "options": {"protect": protect},
        "property_depends_on": {path: [item["urn"] for item in items] for path, items in (uses or {}).items()},
    }


def environment(budget: float | None = None, *exempt: str) -> Resource:
    """The component that declares an environment's limits."""
    limits = {"budgetUsdPerHour": budget, "exempt": list(exempt)}
    return resource("springtide:index:Environment", "dev", {"cloud": "aws", "region": "us-east-1", **limits})


def gpu_pool(name: str = "train", *, unknown: Sequence[str] = (), **inputs: Any) -> Resource:
    """A GPU pool of at most ten machines of either of two priced types."""
    defaults = {
        "cloud": "aws", "region": "us-east-1", "machineTypes": ["g6.xlarge", "g5.xlarge"],
        "capacity": ["spot"], "minNodes": 0, "maxNodes": 10,
    }  # fmt: skip
    return resource("springtide:index:GpuPool", name, {**defaults, **inputs}, unknown=unknown)


def node_group(
    name: str = "train",
    *,
    unknown: Sequence[str] = (),
    inside: Resource | None = None,
    template: Resource | None = None,
    protect: bool = False,
    **inputs: Any,
) -> Resource:
    """A managed node group of GPU machines that may sleep at zero."""
    scaling = {"minSize": 0, "maxSize": 4, "desiredSize": 0}
    image = {"amiType": "BOTTLEROCKET_x86_64_NVIDIA", "releaseVersion": "1.64.0-ad9d4847"}
    defaults = {"instanceTypes": ["g6.xlarge"], "scalingConfig": scaling, **image}
    uses = {} if template is None else {"/launchTemplate/id": [template]}
    kind, given = "aws:eks/nodeGroup:NodeGroup", {**defaults, **inputs}
    return resource(kind, name, given, unknown=unknown, inside=inside, uses=uses, protect=protect)


def karpenter_pool(name: str = "train", *, unknown: Sequence[str] = (), **spec: Any) -> Resource:
    """A Karpenter NodePool that buys any machine with a GPU."""
    requirement = {"key": "karpenter.k8s.aws/instance-gpu-count", "operator": "Gt", "values": ["0"]}
    defaults = {"template": {"spec": {"requirements": [requirement]}}}
    return resource("kubernetes:karpenter.sh/v1:NodePool", name, {"spec": {**defaults, **spec}}, unknown=unknown)


def reserved_karpenter_pool(
    *kinds: str, operator: str = "In", protect: bool = False, unknown: Sequence[str] = (), **more: Any
) -> Resource:
    """A Karpenter NodePool that buys these kinds of capacity."""
    requirement = {"key": "karpenter.sh/capacity-type", "operator": operator, "values": list(kinds)}
    spec = {"template": {"spec": {"requirements": [{"key": "kubernetes.io/arch"}, requirement]}}}
    name = str(more.get("name", "train"))
    return resource("kubernetes:karpenter.sh/v1:NodePool", name, {"spec": spec}, unknown=unknown, protect=protect)


def node_class(*terms: Mapping[str, Any], name: str = "train", unknown: Sequence[str] = ()) -> Resource:
    """A Karpenter EC2NodeClass with these selections of an image."""
    return resource(
        "kubernetes:karpenter.k8s.aws/v1:EC2NodeClass",
        name,
        {"spec": {"amiSelectorTerms": list(terms)}},
        unknown=unknown,
    )


def cpu_karpenter_pool(name: str = "general", **spec: Any) -> Resource:
    """A Karpenter NodePool that buys general machines only."""
    requirement = {"key": "karpenter.k8s.aws/instance-category", "operator": "In", "values": ["c", "m"]}
    return karpenter_pool(name, template={"spec": {"requirements": [requirement]}}, **spec)


def gke_pool(name: str = "train", *, protect: bool = False, **inputs: Any) -> Resource:
    """A GKE node pool of L4 machines."""
    defaults = {"nodeConfig": {"machineType": "g2-standard-4"}}
    return resource("gcp:container/nodePool:NodePool", name, {**defaults, **inputs}, protect=protect)


def gke_driver(version: str) -> dict[str, Any]:
    """The part of a GKE node pool that says which driver is installed."""
    accelerator = {"type": "nvidia-l4", "count": 1, "gpuDriverInstallationConfig": {"gpuDriverVersion": version}}
    return {"machineType": "g2-standard-4", "guestAccelerators": [accelerator]}


def gke_reservation(kind: str) -> dict[str, Any]:
    """The part of a GKE node pool that says which reservations it takes from."""
    return {"machineType": "a3-highgpu-8g", "reservationAffinity": {"consumeReservationType": kind}}


def service(name: str = "chat", *, unknown: Sequence[str] = (), **inputs: Any) -> Resource:
    """A model service on one GPU."""
    defaults = {"pool": "serve", "gpus": 1, "minReplicas": 0, "maxReplicas": 3}
    return resource("springtide:index:ModelService", name, {**defaults, **inputs}, unknown=unknown)


def pod(image: str = DIGEST, **more: str) -> dict[str, Any]:
    """A pod with one container, and one more for each keyword: `initContainers=IMAGE`."""
    extra = {kind: [{"name": kind.lower(), "image": given}] for kind, given in more.items()}
    return {"containers": [{"name": "main", "image": image}], **extra}


def workload(kind: str, spec: Mapping[str, Any], *, name: str = "gpt", unknown: Sequence[str] = ()) -> Resource:
    """A Kubernetes object with pods inside."""
    return resource(f"kubernetes:{kind}", name, {"spec": dict(spec)}, unknown=unknown)


def templated(image: str = DIGEST, **more: str) -> dict[str, Any]:
    """The spec of a controller of pods."""
    return {"template": {"spec": pod(image, **more)}}


def job_set(*images: str) -> Resource:
    """A JobSet with one replicated job for each image."""
    jobs = [{"name": f"job-{i}", "template": {"spec": templated(image)}} for i, image in enumerate(images)]
    return workload("jobset.x-k8s.io/v1alpha2:JobSet", {"replicatedJobs": jobs})


def bucket(**inputs: Any) -> Resource:
    """A bucket."""
    return resource("aws:s3/bucket:Bucket", "artifacts", inputs)


def public_access_block(of: Resource | None, *, unknown: Sequence[str] = ("/bucket",), **inputs: Any) -> Resource:
    """A block of all public access; of a bucket made in the same stack, or of one by name."""
    flags = dict.fromkeys(("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"), True)
    kind = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
    uses = {} if of is None else {"/bucket": [of]}
    return resource(kind, "block", {**flags, "bucket": None, **inputs}, unknown=unknown, uses=uses)


def encryption(of: Resource) -> Resource:
    """Encryption of a bucket with the cloud's own key."""
    kind = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    rule = {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}
    return resource(kind, "sse", {"bucket": None, "rules": [rule]}, unknown=["/bucket"], uses={"/bucket": [of]})


def closed_bucket(**inputs: Any) -> list[Resource]:
    """A bucket with everything it should have."""
    made = bucket(**inputs)
    return [made, public_access_block(made), encryption(made)]


def file_system(name: str = "home", *, unknown: Sequence[str] = (), **inputs: Any) -> Resource:
    """A file system over NFS."""
    return resource("aws:efs/fileSystem:FileSystem", name, {"throughputMode": "elastic", **inputs}, unknown=unknown)


def google_bucket(prevention: str | None, *, name: str = "artifacts") -> Resource:
    """A bucket of Cloud Storage, closed to the public or not."""
    said = {} if prevention is None else {"publicAccessPrevention": prevention}
    return resource("gcp:storage/bucket:Bucket", name, {"name": name, **said})


def launch_template(*disks: Mapping[str, Any], unknown: Sequence[str] = ()) -> Resource:
    """A launch template with these disks."""
    mappings = {"blockDeviceMappings": list(disks)} if disks else {}
    return resource("aws:ec2/launchTemplate:LaunchTemplate", "train", mappings, unknown=unknown)


def reserving_template(name: str = "reserving") -> Resource:
    """A launch template whose machines come from one reservation."""
    target = {"capacityReservationTarget": {"capacityReservationId": "cr-1"}}
    return resource("aws:ec2/launchTemplate:LaunchTemplate", name, {"capacityReservationSpecification": target})


def disk(encrypted: str | None = "true") -> dict[str, Any]:
    """One disk of a launch template."""
    return {"deviceName": "/dev/xvdb", "ebs": {"volumeSize": 200, "encrypted": encrypted}}


def cluster(*resources: str, name: str = "dev") -> Resource:
    """An EKS cluster that encrypts these kinds of resources under a key made in the same stack."""
    config = {"encryptionConfig": {"provider": {"keyArn": None}, "resources": list(resources)}} if resources else {}
    key = ["/encryptionConfig/provider/keyArn"] if resources else []
    return resource("aws:eks/cluster:Cluster", name, config, unknown=key)


def facts(budget: float | None = None, *exempt: str) -> Facts:
    """The table's prices, a budget and exceptions."""
    return Facts(prices=PRICES, budget_usd_per_hour=budget, exempt=exempt)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A stack, and all that one rule says of it: outcome, name of the resource, path."""

    claim: str
    rule: str
    resources: Sequence[Resource]
    says: Sequence[tuple[str, str, str]]
    facts: Facts = field(default_factory=facts)


PASS, FAIL, UNKNOWN, NOT_HERE = "pass", "fail", "cannot-tell", "not-applicable"
NO_RESOURCE = ""
ALL_OF_IT = ""
