"""GPU pools on a GKE cluster that is only named: what `GpuPool` registers, without network and control plane around it."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.recordings import Recorded

from springtide.offline.record import record

ZONES = ("us-central1-a", "us-central1-b", "us-central1-c")
PROGRAM = """\
import json
from pathlib import Path

import pulumi
import pulumi_gcp as gcp
import pulumi_kubernetes as kubernetes

from springtide import GpuPool

asked = json.loads(Path(__file__).with_name("pools.json").read_text(encoding="utf-8"))
inside = pulumi.ResourceOptions(
    providers=[gcp.Provider("gcp", project="acme-ml-prod"), kubernetes.Provider("inside", kubeconfig="{}")]
)
cluster = {
    "environment": {"name": "prod", "cloud": "gcp", "account": "acme-ml-prod", "region": "us-central1"},
    "zones": asked["zones"],
    "version": asked["version"],
    "mode": asked["mode"],
    "network_id": "projects/acme-ml-prod/global/networks/springtide-prod",
    "security_group": "",
    "name": "springtide-prod",
    "node_role": "nodes@acme-ml-prod.iam.gserviceaccount.com",
    "private_subnets": {},
    "namespace": "springtide",
    "controllers": {name: "existing" for name in asked["controllers"]},
}
made = {name: GpuPool(name, {**args, "cluster": cluster}, inside) for name, args in asked["pools"].items()}
for name, pool in made.items():
    kubernetes.core.v1.ConfigMap(f"{name}-user", data=pool.selector, opts=inside)
pulumi.export("refs", {name: pool.ref for name, pool in made.items()})
"""


def pools(asked: Mapping[str, Any], *, version: str = "1.35", mode: str = "standard") -> Recorded:
    """What these pools register in a cluster of that version and mode."""
    return _recorded(json.dumps({"version": version, "mode": mode, "zones": ZONES, "pools": asked}))


@cache
def _recorded(asked: str) -> Recorded:
    known = ("kueue", "jobset", "device-plugin")
    with TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "stacks").mkdir()
        (root / "Pulumi.yaml").write_text(
            "name: springtide\nmain: stacks\nstackConfigDir: stacks\nruntime: python\n", encoding="utf-8"
        )
        (root / "stacks" / "__main__.py").write_text(PROGRAM, encoding="utf-8")
        (root / "stacks" / "Pulumi.prod.yaml").write_text("config: {}\n", encoding="utf-8")
        (root / "stacks" / "pools.json").write_text(
            json.dumps({**json.loads(asked), "controllers": known}), encoding="utf-8"
        )
        found = record(root, "prod")
    return Recorded(found.resources, found.warnings, found.outputs)
