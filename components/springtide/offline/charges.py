"""What types of resources are charged for: by the piece or by size, by use, or not at all.

A type that is in none of the tables is charged for as far as anyone knows, and is named as such.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Inputs = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What one resource of a type costs for as long as it is there."""

    what: str
    item: Callable[[Inputs], str]
    """Its name among the catalog's service prices."""
    count: Callable[[Inputs], float | None] = lambda _inputs: 1
    """How much of it there is; None where only the cloud knows."""
    unit: str = ""
    detail: Callable[[Inputs], str] = lambda _inputs: ""
    """What tells it from others of its kind, in words."""


def number(value: Any) -> float | None:
    """A size as a number, however it is written; None for a placeholder."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _always(item: str) -> Callable[[Inputs], str]:
    return lambda _inputs: item


def _size(key: str) -> Callable[[Inputs], float | None]:
    return lambda inputs: number(inputs.get(key))


def _zones_of_endpoint(inputs: Inputs) -> float:
    """An endpoint with interfaces is charged in each zone; one in a route table is free."""
    return 0 if inputs.get("vpcEndpointType", "Gateway") == "Gateway" else len(inputs.get("subnetIds", ()))


def _external(inputs: Inputs) -> float:
    return float(inputs.get("addressType", "EXTERNAL") == "EXTERNAL")


def _addresses_of_nat(inputs: Inputs) -> float:
    """Cloud NAT takes addresses by itself, at least one, unless it is given some."""
    return float(inputs.get("natIpAllocateOption") == "AUTO_ONLY")


def _share_size(inputs: Inputs) -> float | None:
    return number(inputs.get("fileShares", {}).get("capacityGb"))


def _lustre(inputs: Inputs) -> str:
    return f"lustre-{inputs.get('perUnitStorageThroughput', 'default')}"


def _throughput(inputs: Inputs) -> str:
    each = inputs.get("perUnitStorageThroughput")
    return "" if each is None else f"{each} MB/s for each TiB"


def _tier(inputs: Inputs) -> str:
    return str(inputs.get("tier", "")).lower()


def _filestore(inputs: Inputs) -> str:
    return f"filestore-{_tier(inputs)}"


_CONTROL_PLANE = Charge(what="Kubernetes control plane", item=_always("control-plane"))
_KEY = Charge(what="encryption key", item=_always("encryption-key"))
_NAT = Charge(what="NAT gateway", item=_always("nat-gateway"))
_ADDRESS = Charge(what="public IPv4 address", item=_always("public-ipv4"))
_EXTERNAL = Charge(what="public IPv4 address", item=_always("public-ipv4"), count=_external)

CHARGES: Mapping[str, tuple[Charge, ...]] = {
    "aws:ec2/eip:Eip": (_ADDRESS,),
    "aws:ec2/natGateway:NatGateway": (_NAT,),
    "aws:ec2/vpcEndpoint:VpcEndpoint": (
        Charge(what="interface endpoint, in each zone", item=_always("interface-endpoint"), count=_zones_of_endpoint),
    ),
    "aws:eks/cluster:Cluster": (_CONTROL_PLANE,),
    "aws:fsx/lustreFileSystem:LustreFileSystem": (
        Charge(what="Lustre file system", item=_lustre, count=_size("storageCapacity"), unit="GiB", detail=_throughput),
    ),
    "aws:kms/key:Key": (_KEY,),
    "aws:lb/loadBalancer:LoadBalancer": (Charge(what="load balancer", item=_always("load-balancer")),),
    "gcp:compute/address:Address": (_EXTERNAL,),
    "gcp:compute/globalAddress:GlobalAddress": (_EXTERNAL,),
    "gcp:compute/routerNat:RouterNat": (
        _NAT,
        Charge(what="public IPv4 address", item=_always("public-ipv4"), count=_addresses_of_nat),
    ),
    "gcp:container/cluster:Cluster": (_CONTROL_PLANE,),
    "gcp:filestore/instance:Instance": (
        Charge(what="Filestore instance", item=_filestore, count=_share_size, unit="GiB", detail=_tier),
    ),
    "gcp:kms/cryptoKey:CryptoKey": (_KEY,),
    "gcp:lustre/instance:Instance": (
        Charge(what="Lustre file system", item=_lustre, count=_size("capacityGib"), unit="GiB", detail=_throughput),
    ),
}
"""What is paid for by the hour or the month, by type."""

BY_USE: Mapping[str, str] = {
    "aws:cloudwatch/eventTarget:EventTarget": "events that nodes are warned by",
    "aws:cloudwatch/logGroup:LogGroup": "logs: ingestion and storage",
    "aws:ec2/natGateway:NatGateway": "traffic through NAT",
    "aws:ec2/vpcEndpoint:VpcEndpoint": "traffic through interface endpoints",
    "aws:ecr/repository:Repository": "images: storage and scans",
    "aws:efs/backupPolicy:BackupPolicy": "backups of file systems: storage",
    "aws:efs/fileSystem:FileSystem": "file systems that grow: storage and throughput",
    "aws:lb/loadBalancer:LoadBalancer": "traffic through load balancers",
    "aws:route53/record:Record": "queries for names",
    "aws:s3/bucket:Bucket": "buckets: storage and requests",
    "aws:sqs/queue:Queue": "messages of queues",
    "gcp:artifactregistry/repository:Repository": "images: storage and scans",
    "gcp:certificatemanager/certificate:Certificate": "certificates beyond those that are free",
    "gcp:compute/routerNat:RouterNat": "traffic through NAT",
    "gcp:container/cluster:Cluster": "logs and metrics of the cluster: ingestion and storage",
    "gcp:dns/recordSet:RecordSet": "queries for names",
    "gcp:kms/cryptoKey:CryptoKey": "uses of encryption keys",
    "gcp:storage/bucket:Bucket": "buckets: storage and requests",
}
"""What is paid for by what flows through it or lies in it."""

FREE = (
    "aws:acm/", "aws:autoscaling/tag:", "aws:cloudwatch/eventRule:", "aws:ec2/internetGateway:", "aws:ec2/launchTemplate:",
    "aws:ec2/placementGroup:", "aws:ec2/route:", "aws:ec2/routeTable:", "aws:ec2/routeTableAssociation:",
    "aws:ec2/securityGroup:", "aws:ec2/subnet:", "aws:ec2/vpc:", "aws:ec2/vpcIpv4CidrBlockAssociation:",
    "aws:ecr/lifecyclePolicy:", "aws:ecr/repositoryPolicy:", "aws:efs/accessPoint:", "aws:efs/fileSystemPolicy:",
    "aws:efs/mountTarget:", "aws:eks/accessEntry:", "aws:eks/accessPolicyAssociation:", "aws:eks/addon:",
    "aws:eks/podIdentityAssociation:", "aws:fsx/dataRepositoryAssociation:", "aws:iam/", "aws:kms/alias:",
    "aws:lb/listener", "aws:lb/targetGroup",
    "aws:s3/bucket", "aws:sqs/queuePolicy:", "aws:vpc/securityGroup",
    "gcp:certificatemanager/certificateMap", "gcp:certificatemanager/dnsAuthorization:",
    "gcp:artifactregistry/repositoryIamMember:", "gcp:compute/firewall:", "gcp:compute/network:",
    "gcp:compute/networkPeeringRoutesConfig:", "gcp:compute/resourcePolicy:", "gcp:compute/route:",
    "gcp:compute/router:", "gcp:compute/subnetwork:", "gcp:iam/", "gcp:kms/cryptoKeyIAMMember:", "gcp:kms/keyRing:",
    "gcp:projects/", "gcp:serviceaccount/", "gcp:servicenetworking/connection:", "gcp:storage/bucketIAM",
    "kubernetes:", "pulumi:",
)  # fmt: skip
"""Beginnings of types that cost nothing by themselves."""

NODES = frozenset({"aws:eks/nodeGroup:NodeGroup", "gcp:container/nodePool:NodePool"})
"""Types that are charged for as machines and disks."""

BRINGS_MORE: Mapping[str, tuple[str, Callable[[Inputs], bool]]] = {
    "kubernetes:core/v1:Service": (
        "load balancers of services",
        lambda inputs: inputs.get("spec", {}).get("type") == "LoadBalancer",
    ),
    "kubernetes:gateway.networking.k8s.io/v1:Gateway": ("load balancers of gateways", lambda _inputs: True),
    "kubernetes:networking.k8s.io/v1:Ingress": ("load balancers of ingresses", lambda _inputs: True),
}
"""Kubernetes objects for which a controller in the cluster makes something that costs."""


def charged(kind: str, inputs: Inputs) -> bool:
    """Whether this resource costs anything by itself: one that is charged by the piece may be of a free kind."""
    return kind not in CHARGES or any(charge.count(inputs) != 0 for charge in CHARGES[kind])


def understood(kind: str) -> bool:
    """Whether it is known how a type is charged for."""
    return kind in CHARGES or kind in BY_USE or kind in NODES or kind.startswith(FREE)
