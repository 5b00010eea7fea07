import importlib
import warnings
from pathlib import Path

import pytest

from springtide.offline.config import read_environment
from springtide.offline.plan import Resource
from springtide.offline.record import record

ROOT = Path(__file__).parents[3]
_MODULES = (
    ("pulumi_aws.ec2", "Vpc"), ("pulumi_aws.s3", "Bucket"), ("pulumi_gcp.compute", "Network"),
    ("pulumi_gcp.container", "Cluster"), ("pulumi_gcp.storage", "Bucket"),
)  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def _sdk() -> None:
    """Import the SDK's modules once: generated code warns of its own deprecated types while it is imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        for module, name in _MODULES:
            getattr(importlib.import_module(module), name)


@pytest.fixture(scope="session", params=sorted((ROOT / "stacks").glob("Pulumi.*.yaml")), ids=lambda file: file.stem)
def planned(request: pytest.FixtureRequest) -> tuple[Path, tuple[Resource, ...]]:
    """Each environment of this repository, with an image so that its jobs and services become Kubernetes objects."""
    image = {"digest": "sha256:" + "ab" * 32, "fabrics": ["efa"]}
    config = read_environment(request.param)
    # On this machine the image is made; everywhere else somebody pushed it.
    config |= {} if config.get("cloud") == "local" else {"images": image}
    name = request.param.stem.removeprefix("Pulumi.")
    return request.param, record(ROOT, name, config=config).resources
