"""A machine on which everything is well, for AWS and for GCP; tests take one thing away."""

from importlib.metadata import version
from pathlib import Path

from tests.fake_programs import FakePrograms, says

from springtide.target import Target

BACKEND = {"user": "me", "url": "s3://state?region=us-east-1"}
PLUGINS = [
    {"name": name, "kind": "resource", "version": version(f"pulumi-{name}")} for name in ("aws", "gcp", "kubernetes")
]
CALLER = {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/me"}
ALL_APIS = (
    "artifactregistry.googleapis.com\ncloudkms.googleapis.com\ncloudresourcemanager.googleapis.com\n"
    "compute.googleapis.com\ncontainer.googleapis.com\niam.googleapis.com\nserviceusage.googleapis.com\n"
)


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
        says("compute", "regions", out={"status": "UP"}),
    )


def kubectl(programs: FakePrograms, client: str = "v1.35.2") -> None:
    programs.add("kubectl", says("version", out={"clientVersion": {"gitVersion": client}}))


def target(root: Path, cloud: str = "aws") -> Target:
    account, region = {"aws": ("123456789012", "us-east-1"), "gcp": ("my-project", "us-central1")}[cloud]
    return Target(
        name="dev",
        root=root,
        file=root / "stacks" / "Pulumi.dev.yaml",
        config={"cluster": {"version": "1.35"}},
        platform="dev",
        cloud=cloud,
        account=account,
        region=region,
    )
