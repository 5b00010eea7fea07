"""What programs in other languages write for each component: as little as it takes, and everything."""

from dataclasses import dataclass
from typing import Any

from tests.plugin.language_host import PROJECT, STACK, output

PLACES = {
    "aws": {"name": "prod", "cloud": "aws", "account": "123456789012", "region": "us-east-1"},
    "gcp": {"name": "prod", "cloud": "gcp", "account": "team-prod-1", "region": "us-central1"},
}
ZONES = {"aws": ["use1-az1", "use1-az2"], "gcp": ["us-central1-a", "us-central1-b"]}
IMAGE = f"registry.example.com/team/work@sha256:{'ab' * 32}"


@dataclass(frozen=True, kw_only=True)
class Call:
    """One component of a program."""

    component: str
    name: str
    inputs: dict[str, Any]


def urn(kind: str, name: str) -> str:
    return f"urn:pulumi:{STACK}::{PROJECT}::{kind}::{name}"


NETWORK, NAMESPACE = urn("aws:ec2/vpc:Vpc", "network"), urn("kubernetes:core/v1:Namespace", "springtide")
RELEASE, POOL = urn("kubernetes:helm.sh/v3:Release", "charts"), urn("springtide:index:GpuPool", "train")
BUCKET, CLAIM = urn("aws:s3/bucketV2:BucketV2", "artifacts"), urn("kubernetes:core/v1:PersistentVolumeClaim", "corpus")


def network(cloud: str) -> dict[str, Any]:
    subnets = {zone: output(f"subnet-{zone}", NETWORK) for zone in ZONES[cloud]}
    outside = {"publicSubnets": output(["subnet-public"], NETWORK)} if cloud == "aws" else {}
    return {"networkId": output("vpc-1", NETWORK), "zones": ZONES[cloud], "privateSubnets": subnets, **outside}


def cluster(cloud: str, *controllers: str) -> dict[str, Any]:
    return {
        **network(cloud),
        "environment": PLACES[cloud],
        "version": "1.35",
        "mode": "standard",
        "name": output("prod-cluster", NAMESPACE),
        "nodeRole": output("arn:aws:iam::123456789012:role/nodes" if cloud == "aws" else "nodes@example.com"),
        "securityGroup": output("sg-1"),
        "namespace": output("springtide", NAMESPACE),
        "controllers": {name: output("1.0.0", RELEASE) for name in controllers},
    }


def pool(cloud: str, **more: Any) -> dict[str, Any]:
    labels = {"springtide.dev/pool": "train"}
    args = {"cluster": cluster(cloud, "karpenter-crd", "karpenter"), "gpu": "L4", "maxNodes": 4, **more}
    return {"name": "train", "selector": output(labels, POOL), "args": args}


def bucket(name: str = "artifacts") -> dict[str, Any]:
    return {"name": name, "resource": output(f"arn:aws:s3:::{name}", BUCKET)}


FILES = {"name": "corpus", "claim": output("corpus", CLAIM)}
QUEUE = {"name": "research", "label": output("research", RELEASE), "maxGpus": 8, "pools": ["train"]}
JOB = {"name": "gpt", "run": "first", "storage": bucket()}
KEY = {"url": output("awskms:///alias/x"), "resource": output("arn:aws:kms:us-east-1:123456789012:key/1")}
REGISTRY = {
    "host": output("registry.example.com"),
    "resources": [output("arn:aws:ecr:us-east-1:123456789012:repository/w")],
}


def least(cloud: str) -> list[Call]:
    """Each component with nothing that has a default."""
    place = PLACES[cloud]
    inside = cluster(cloud, "karpenter-crd", "karpenter", "kueue", "aws-efs-csi-driver", "filestore-csi-driver")
    return [
        Call(component="AccountWide", name="account", inputs={"environment": place}),
        Call(component="Cluster", name="cluster", inputs={
            "environment": place, "network": network(cloud), "version": "1.35", "access": ["203.0.113.0/24"],
        }),
        Call(component="CiIdentity", name="ci", inputs={
            "environment": place, "state": bucket("state"), "key": KEY, "registry": REGISTRY,
            "repository": "example/cluster", "environments": ["prod"],
        }),
        Call(component="Controllers", name="controllers", inputs={"cluster": cluster(cloud), "install": ["jobset"]}),
        Call(component="Environment", name="prod", inputs={key: place[key] for key in ("cloud", "account", "region")}),
        Call(component="FileSystem", name="home", inputs={
            "cluster": inside, "kind": "shared", **({"sizeGib": 1024} if cloud == "gcp" else {}),
        }),
        Call(component="GpuPool", name="train", inputs={"cluster": inside, "gpu": "L4", "maxNodes": 4}),
        Call(component="ModelService", name="chat", inputs={
            "cluster": inside, "model": {"job": {"name": "gpt", "storage": bucket()}},
        }),
        Call(component="Network", name="network", inputs={"environment": place, "zones": ZONES[cloud]}),
        Call(component="Queue", name="research", inputs={"cluster": inside, "pools": [pool(cloud)], "maxGpus": 4}),
        Call(component="Registry", name="images", inputs={"environment": place, "images": ["workloads"]}),
        Call(component="SecretsKey", name="secrets", inputs={"environment": place}),
        Call(component="Storage", name="artifacts", inputs={"environment": place, "kind": "bucket"}),
        Call(component="TrainingJob", name="gpt", inputs={
            "cluster": inside, "pool": pool(cloud), "checkpoints": bucket(), "recipe": "gpt_tiny",
        }),
        Call(component="WorkloadIdentity", name="reader", inputs={
            "cluster": inside, "grants": [{"storage": bucket(), "prefix": "jobs/gpt"}],
        }),
    ]  # fmt: skip


def most() -> list[Call]:
    """Each component with all its arguments, none of them its default."""
    place = PLACES["aws"]
    charts = ("karpenter-crd", "karpenter", "jobset", "kueue", "keda")
    inside = cluster("aws", *charts, "aws-fsx-csi-driver", "aws-efa-k8s-device-plugin")
    return [
        Call(component="AccountWide", name="account", inputs={"environment": place, "roles": "existing"}),
        Call(component="Cluster", name="cluster", inputs={
            "environment": place, "network": network("aws"), "version": "1.34", "access": ["203.0.113.0/24"],
            "runner": "inside", "mode": "standard", "admins": ["arn:aws:iam::123456789012:role/ops"],
            "systemMachineTypes": ["m7i.xlarge"], "systemNodes": 3, "podSecurity": "privileged", "logRetentionDays": 90,
        }),
        Call(component="CiIdentity", name="ci", inputs={
            "environment": place, "state": bucket("state"), "key": KEY, "registry": REGISTRY,
            "repository": "example/cluster", "environments": ["prod"], "branch": "trunk",
            "permissions": ["PowerUserAccess"], "trust": "existing",
        }),
        Call(component="Controllers", name="controllers", inputs={
            "cluster": cluster("aws"), "install": ["karpenter", "jobset", "kueue", "keda"],
            "existing": ["keda", "prometheus-operator"], "monitorLabels": {"release": "monitoring"},
            "mirror": "oci://registry.example.com/charts",
        }),
        Call(component="Environment", name="prod", inputs={
            **{key: place[key] for key in ("cloud", "account", "region")},
            "machines": "aws", "budgetUsdPerHour": 12.5, "exempt": ["gpu-idle-floor-zero:train"],
        }),
        Call(component="FileSystem", name="corpus", inputs={
            "cluster": inside, "kind": "lustre", "sizeGib": 4800, "mbpsPerTib": 500, "linkedBucket": bucket("raw"),
            "protect": False,
        }),
        Call(component="GpuPool", name="train", inputs={
            "cluster": inside, "gpu": "H100", "gpusPerNode": 8, "maxNodes": 4, "minNodes": 1,
            "capacity": ["reserved"], "reservation": "cr-0123456789abcdef0", "reservationKind": "standard",
            "machineTypes": ["p5.48xlarge"], "zones": ["use1-az2"], "fabric": "efa", "efaLayout": "legacy",
            "placement": "compact", "localDisks": "none", "labels": {"team": "research"},
            "taints": ["team=research:NoSchedule"], "protect": False, "purpose": "training", "diskGib": 400,
        }),
        Call(component="ModelService", name="chat", inputs={
            "cluster": inside, "pool": pool("aws"), "model": {"job": JOB}, "predictor": "gpt:slots=8", "split": {"other": 10},
            "replicas": {"min": 1, "max": 3},
            "scaleOn": {"inFlightPerReplica": 8}, "gpus": 1, "expose": "none", "image": IMAGE,
            "propagationSeconds": 5, "drainSeconds": 30, "startupSeconds": 900,
        }),
        Call(component="Network", name="network", inputs={
            "environment": place, "zones": ZONES["aws"], "cidr": "10.8.0.0/18", "nat": "per-zone",
            "podsCidr": "100.64.0.0/16", "endpoints": ["storage", "registry", "identity"],
        }),
        Call(component="Queue", name="research", inputs={
            "cluster": inside, "pools": [pool("aws"), {**pool("aws"), "name": "other"}], "maxGpus": 8,
        }),
        Call(component="Registry", name="images", inputs={
            "environment": place, "images": ["workloads", "team/tool"], "untaggedDays": 7,
        }),
        Call(component="SecretsKey", name="secrets", inputs={"environment": place}),
        Call(component="Storage", name="artifacts", inputs={
            "environment": place, "kind": "bucket", "expireDays": 30, "protect": True,
        }),
        Call(component="TrainingJob", name="gpt", inputs={
            "cluster": inside, "pool": pool("aws"), "checkpoints": bucket(), "data": FILES, "queue": QUEUE,
            "recipe": "gpt_small:steps=200", "nodes": 2, "run": "first", "image": IMAGE, "fabrics": ["efa"],
            "checkpointGib": 12.5, "saveSeconds": 20.5, "onNotice": "leave",
        }),
        Call(component="WorkloadIdentity", name="writer", inputs={
            "cluster": inside, "grants": [{"storage": bucket(), "prefix": "jobs/gpt", "write": True}],
        }),
    ]  # fmt: skip


def others() -> list[Call]:
    """What goes only without some other argument, or only on the other cloud."""
    place, gcp = PLACES["aws"], cluster("gcp", "kueue")
    inside = cluster("aws", "aws-load-balancer-controller")
    vpc = {
        "existing": "vpc-0a1b2c3d4e5f60718",
        "subnets": {zone: f"subnet-{i}a1b2c3d" for i, zone in enumerate(ZONES["aws"])},
    }
    return [
        Call(component="Cluster", name="found", inputs={
            "environment": place, "network": network("aws"), "version": "1.35", "access": ["203.0.113.0/24"],
            "existing": "prod",
        }),
        Call(component="Cluster", name="channel", inputs={
            "environment": PLACES["gcp"], "network": network("gcp"), "version": "1.35", "access": ["203.0.113.0/24"],
            "releaseChannel": "stable",
        }),
        Call(component="GpuPool", name="shared", inputs={
            "cluster": gcp, "gpu": "L4", "maxNodes": 4, "driver": "latest",
            "sharing": {"strategy": "time-sharing", "clients": 4},
        }),
        Call(component="GpuPool", name="flex", inputs={
            "cluster": gcp, "gpu": "L4", "maxNodes": 4, "capacity": ["flex-start"], "maxRunHours": 24,
        }),
        Call(component="ModelService", name="foreign", inputs={
            "cluster": inside, "pool": pool("aws"), "model": {"storage": bucket(), "path": "models/qwen3-8b"},
            "backend": "vllm", "arguments": ["--max-model-len=8192"], "image": IMAGE, "gatewayImage": IMAGE, "split": {"hub": 5},
        }),
        Call(component="ModelService", name="hub", inputs={
            "cluster": inside, "pool": pool("aws"), "model": {"hub": "Qwen/Qwen3-8B"}, "backend": "sglang", "image": IMAGE,
        }),
        Call(component="ModelService", name="public", inputs={
            "cluster": inside, "model": {"job": JOB}, "image": IMAGE,
            "public": {"host": "chat.example.com", "zone": "Z0123456789ABCDEFGHIJ", "auth": "keys"},
        }),
        Call(component="Network", name="found", inputs={"environment": place, "zones": ZONES["aws"], **vpc}),
    ]  # fmt: skip


CALLS = {
    **{f"{call.component} least {cloud}": call for cloud in PLACES for call in least(cloud)},
    **{f"{call.component} most": call for call in most()},
    **{f"{call.component} {call.name}": call for call in others()},
}
