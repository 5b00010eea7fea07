"""Programs of one component each, recorded offline: components as somebody uses them without our stack."""

import textwrap
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from springtide.offline.record import record

from .recordings import Recorded

REFERENCES = """\
from springtide import ModelService, Queue, TrainingJob

PLACE = {"name": "dev", "cloud": "aws", "account": "123456789012", "region": "us-east-1"}
CLUSTER = {
    "environment": PLACE, "zones": ["use1-az1", "use1-az2"], "version": "1.35", "mode": "standard", "network_id": "n",
    "security_group": "", "name": "c", "node_role": "r", "private_subnets": {}, "namespace": "springtide",
    "controllers": {},
}
POOL = {
    "name": "train", "gpus_per_node": 8, "capacity": ["on-demand"], "min_nodes": 0, "max_nodes": 4, "memory_gib": 1800,
    "scratch_gib": 400, "selector": {"springtide.dev/pool": "train"}, "pod": {},
}
BUCKET = {"name": "artifacts", "url": "s3://b", "resource": "arn:aws:s3:::b", "claim": "", "mount_path": ""}
DISK = {"name": "corpus", "url": "file:///mnt/corpus", "resource": "", "claim": "corpus", "mount_path": "/mnt/corpus"}
IMAGE = "registry.example.com/train@sha256:" + "a" * 64
RUN = {"cluster": CLUSTER, "pool": POOL, "checkpoints": BUCKET, "recipe": "gpt_small", "run": "first", "image": IMAGE}


def with_controllers(*names):
    return {**CLUSTER, "controllers": {name: "1" for name in names}}


"""
"""What every program begins with: references as they would come from other components, all of them plain."""


@cache
def recorded(program: str) -> Recorded:
    """What a program registers that goes on from `REFERENCES`.

    Raises:
        springtide.offline.record.ProgramError: the program was refused.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "Pulumi.yaml").write_text("name: own\nruntime: python\n", encoding="utf-8")
        (folder / "Pulumi.dev.yaml").write_text("config: {}\n", encoding="utf-8")
        (folder / "__main__.py").write_text(REFERENCES + textwrap.dedent(program), encoding="utf-8")
        found = record(folder, "dev")
        return Recorded(found.resources, found.warnings, found.outputs)
