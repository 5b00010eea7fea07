"""A machine on which everything is well, for AWS and for GCP; tests take one thing away."""

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.fake_programs import FakePrograms, says
from tests.offline.sample_plan import Sample

from springtide.doctor import aws as _aws
from springtide.doctor import gcp as _gcp
from springtide.doctor.model import Check, Row, State
from springtide.offline.plan import Plan
from springtide.target import Target
from springtide.tools import ThisMachine

MACHINE = ThisMachine(limit_seconds=20)
P5 = {"name": "train", "machineTypes": ["p5.48xlarge"], "maxNodes": 8}
MEGA = {"name": "train", "machineTypes": ["a3-megagpu-8g"], "maxNodes": 8}
FAMILY = "GPUS-PER-GPU-FAMILY-per-project-region"
Planned = Callable[[Plan], None]
"""Makes a plan the one that the environment has."""
BACKEND = {"user": "me", "url": "s3://state?region=us-east-1"}
PLUGINS = [
    {"name": name, "kind": "resource", "version": version(f"pulumi-{name}")} for name in ("aws", "gcp", "kubernetes")
]
CALLER = {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/me"}
ALL_APIS = "".join(
    f"{name}.googleapis.com\n"
    for name in (
        *("artifactregistry", "cloudkms", "cloudresourcemanager", "compute", "container", "containerfilesystem"),
        *("iam", "iamcredentials", "logging", "monitoring", "servicenetworking", "serviceusage"),
    )
)
AWS_LIMITS = {"L-417A185B": 1536.0, "L-C4BD4855": 1536.0, "L-DB2E81BA": 384.0, "L-3819A6DF": 384.0, "L-1216C47A": 64.0}
REGION_LIMITS = {"NVIDIA_L4_GPUS": 6.0, "PREEMPTIBLE_NVIDIA_L4_GPUS": 6.0, "CPUS": 72.0}
PROJECT_LIMITS = {"GPUS_ALL_REGIONS": 70.0, "CPUS_ALL_REGIONS": 96.0}


def pulumi(programs: FakePrograms, *changed: dict[str, object]) -> None:
    programs.add("pulumi-language-python")
    programs.add(
        "pulumi",
        *changed,
        says("version", out="v3.272.0\n"),
        says("plugin", "ls", out=PLUGINS),
        says("whoami", out=BACKEND),
    )


def aws(programs: FakePrograms, *changed: dict[str, object]) -> None:
    programs.add(
        "aws",
        *changed,
        says("--version", out="aws-cli/2.31.0 Python/3.13.7\n"),
        says("sts", "get-caller-identity", out=CALLER),
        says("ec2", out={"Regions": [{"RegionName": "us-east-1", "OptInStatus": "opt-in-not-required"}]}),
        says("iam", "get-role", out={"Role": {}}),
        aws_limits(),
    )


def gcloud(programs: FakePrograms, *changed: dict[str, object]) -> None:
    programs.add(
        "gcloud",
        *changed,
        says("version", out="Google Cloud SDK 541.0.0\nbq 2.1.24\n"),
        says("auth", "list", out=[{"account": "me@example.com", "status": "ACTIVE"}]),
        says("auth", "application-default", out="secret-token\n"),
        says("projects", "describe", out={"lifecycleState": "ACTIVE", "projectNumber": "42"}),
        says("services", "list", out=ALL_APIS),
        says("billing", "projects", out={"billingEnabled": True, "billingAccountName": "billingAccounts/0A0A0A"}),
        says("compute", "regions", out={"status": "UP", **gcp_limits(REGION_LIMITS)}),
        says("compute", "project-info", out=gcp_limits(PROJECT_LIMITS)),
    )


def aws_limits(changed: dict[str, float] | None = None, account: str = "123456789012") -> dict[str, Any]:
    """What `aws service-quotas list-service-quotas` prints."""
    quotas = [
        {
            "ServiceCode": "ec2",
            "QuotaArn": f"arn:aws:servicequotas:us-east-1:{account}:ec2/{code}",
            "QuotaCode": code,
            "Value": value,
            "Adjustable": True,
        }
        for code, value in {**AWS_LIMITS, **(changed or {})}.items()
    ]
    return says("service-quotas", "list-service-quotas", out={"Quotas": quotas})


def gcp_limits(limits: dict[str, float]) -> dict[str, Any]:
    """Quotas as Compute Engine lists them in a region or a project."""
    return {"quotas": [{"metric": metric, "limit": limit, "usage": 0.0} for metric, limit in limits.items()]}


def plan(cloud: str, *pools: dict[str, Any]) -> Plan:
    """A plan of pools alone; by default what `PLANS` names for the cloud."""
    made, region = Sample(), {"aws": "us-east-1", "gcp": "us-central1"}[cloud]
    for pool in pools or PLANS[cloud]:
        intent = {
            "cloud": cloud, "region": region, "gpu": "L4", "gpusPerNode": 1, "capacity": ["on-demand"], "minNodes": 0,
            "purpose": "serving", "diskGib": 100, "zones": [], **pool,
        }  # fmt: skip
        made.add("springtide:index:GpuPool", pool["name"], made.stack, intent, custom=False)
    return made.plan(environment={"name": "dev", "cloud": cloud, "region": region})


PLANS: dict[str, list[dict[str, Any]]] = {
    "aws": [{"name": "serve", "machineTypes": ["g6.xlarge"], "capacity": ["spot", "on-demand"], "maxNodes": 2}],
    "gcp": [{"name": "serve", "machineTypes": ["g2-standard-4"], "capacity": ["spot", "on-demand"], "maxNodes": 6}],
}


def kubectl(programs: FakePrograms, client: str = "v1.35.2") -> None:
    programs.add("kubectl", says("version", out={"clientVersion": {"gitVersion": client}}))


def target(root: Path, cloud: str = "aws") -> Target:
    account, region = {"aws": ("123456789012", "us-east-1"), "gcp": ("my-project", "us-central1")}[cloud]
    name = {"aws": "dev", "gcp": "gcp"}[cloud]
    return Target(
        name=name,
        root=root,
        file=root / "stacks" / f"Pulumi.{name}.yaml",
        config={"cluster": {"version": "1.35"}},
        platform=name,
        cloud=cloud,
        account=account,
        region=region,
    )


def only(check: Check, root: Path, cloud: str = "aws") -> Row:
    [row] = check(MACHINE, target(root, cloud))
    return row


def credentials(folder: Path, **content: str) -> None:
    (folder / "application_default_credentials.json").write_text(json.dumps(content))


def rows(root: Path, cloud: str) -> dict[str, Row]:
    """What the doctor says of quotas, by the quota's name."""
    check = {"aws": _aws.quota, "gcp": _gcp.quota}[cloud]
    return {row.check.removeprefix("quota "): row for row in check(MACHINE, target(root, cloud))}


def states(root: Path, cloud: str) -> dict[str, State]:
    """The same in a word each."""
    return {check: row.state for check, row in rows(root, cloud).items()}
