"""The policy pack under the real engine: `pulumi preview --policy-pack policies`."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.policies.policy_wire import PACK, UNKNOWN

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(shutil.which("pulumi") is None, reason="`pulumi` is not on the PATH"),
    pytest.mark.skipif(not (PACK.parent / ".venv").is_dir(), reason="the pack runs in .venv, which `make` creates"),
]

PROGRAM = f"""
import pulumi

class Component(pulumi.ComponentResource):
    def __init__(self, kind, name, inputs, *after):
        super().__init__(f"springtide:index:{{kind}}", name, inputs, pulumi.ResourceOptions(depends_on=after))
        self.register_outputs(inputs)

limits = Component("Environment", "dev", {{"budgetUsdPerHour": 5, "exempt": ["gpu-idle-floor-zero:serve"]}})
place = {{"cloud": "aws", "region": "us-east-1", "machineTypes": ["g6.xlarge"], "minNodes": 0}}
hidden = pulumi.Output.from_input({UNKNOWN!r})
Component("GpuPool", "train", {{**place, "maxNodes": 10}}, limits)
Component("GpuPool", "hidden", {{**place, "maxNodes": hidden}}, limits)
Component("GpuPool", "warm", {{**place, "minNodes": 1, "maxNodes": 1}}, limits)
Component("GpuPool", "serve", {{**place, "minNodes": 1, "maxNodes": 1}}, limits)
"""


def test_a_preview_is_stopped_by_what_fails_and_by_what_nobody_can_tell(tmp_path: Path) -> None:
    runtime = {"name": "python", "options": {"toolchain": "pip", "virtualenv": sys.prefix}}
    program = tmp_path / "program"
    program.mkdir()
    (tmp_path / "state").mkdir()
    (program / "Pulumi.yaml").write_text(json.dumps({"name": "springtide", "runtime": runtime}))
    (program / "__main__.py").write_text(PROGRAM)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_BACKEND_URL": (tmp_path / "state").as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }

    def pulumi(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["pulumi", *command, "--non-interactive"],
            cwd=program, env=environment, capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip

    assert pulumi("stack", "init", "dev").returncode == 0
    preview = pulumi("preview", "--policy-pack", str(PACK))
    assert preview.returncode != 0
    said = preview.stdout + preview.stderr
    assert "all pools at their maximum cost 9.66 USD per hour, above 5.00" in said
    assert "cannot tell whether every pool has a maximum: /maxNodes is not known before the deployment" in said
    assert "pool warm keeps 1 GPU nodes running" in said
    assert "pool serve" not in said
    assert "[advisory]" not in said
