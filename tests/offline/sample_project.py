"""A small project on disk, planned in about a second: its program needs no provider SDK."""

import subprocess
from pathlib import Path

PROGRAM = """
import pulumi

config = pulumi.Config()


class Part(pulumi.ComponentResource):
    def __init__(self, kind, name, **said):
        super().__init__(f"springtide:index:{kind}", name, said)
        self.register_outputs(said)


place = {"cloud": "aws", "region": "us-east-1"}
Part("Environment", "env", **place, account="123456789012")
Part(
    "GpuPool", "train", **place, gpu="L4", gpusPerNode=1, machineTypes=["g6.xlarge"], capacity=["on-demand"],
    minNodes=0, maxNodes=config.require_int("max"), purpose="training", diskGib=200, zones=["use1-az1"],
)
"""
BROKEN = "import pulumi\nraise RuntimeError('the program is broken')\n"
REFUSING = "import pulumi\nraise pulumi.RunError('max is too large')\n"


def write_project(root: Path, program: str = PROGRAM, **environments: int) -> Path:
    """A project with an environment for each name, each with its `max`."""
    stacks = root / "stacks"
    stacks.mkdir(parents=True, exist_ok=True)
    (root / "Pulumi.yaml").write_text("name: sample\nruntime: python\nmain: stacks\nstackConfigDir: stacks\n")
    (stacks / "__main__.py").write_text(program)
    for name, most in environments.items():
        (stacks / f"Pulumi.{name}.yaml").write_text(f"config:\n  max: {most}\n")
    return root


def git(root: Path, *arguments: str) -> str:
    """Run git in `root`, as somebody."""
    who = ["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *who, "-C", str(root), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(root: Path) -> str:
    """Commit everything, in a repository made where there is none; the commit's hash."""
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message=state")
    return git(root, "rev-parse", "HEAD")
