"""How long and how much memory a plan takes, at 25, 200 and 2,000 resources, beside `pulumi preview` of the same program.

Prints one JSON line a size: `row, resources, seconds, peak_mib`, the raw times, and `ratio` (ours ÷ preview's) where the
Pulumi CLI is on the PATH. Both are timed as whole processes, in turn; the medians are compared. The preview uses the stand-in
provider of tests/engine, so it pays for no cloud.

Usage: python bench/plan.py [--repeats 5] [--sizes 25,200,2000]
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from dataclasses import dataclass, field
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
PER_STORAGE = 8
"""Resources of one Storage: the component, the bucket, and what guards it."""
FIXED = 2
"""The Environment and its provider."""

PROGRAM = textwrap.dedent('''
    """As many private buckets as the benchmark asks for."""
    import pulumi
    from springtide import Environment, Storage

    environment = Environment("bench", {"cloud": "aws", "account": "123456789012", "region": "us-east-1"})
    for i in range(pulumi.Config().require_int("storages")):
        Storage(f"s{i:04}", {"environment": environment.ref, "kind": "bucket"}, environment.inside)
''')


@dataclass
class Timings:
    """Seconds of each repeat, and the largest memory of any."""

    seconds: list[float] = field(default_factory=list)
    peak_mib: float = 0.0

    def add(self, seconds: float, peak_kib: int) -> None:
        """Count one repeat."""
        self.seconds.append(round(seconds, 2))
        self.peak_mib = max(self.peak_mib, peak_kib / 1024)

    @property
    def median(self) -> float:
        """The middle of the repeats."""
        return statistics.median(self.seconds)


def main() -> None:
    """Measure each size and print its line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--sizes", default="25,200,2000")
    options = parser.parse_args()
    for size in map(int, options.sizes.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measure(Path(folder), size, options.repeats)), flush=True)


def measure(folder: Path, size: int, repeats: int) -> dict[str, object]:
    """One row: a project with about `size` resources, planned and previewed in turn."""
    storages = max(round((size - FIXED) / PER_STORAGE), 1)
    write_project(folder, storages)
    plan = folder / "plan.json"
    command = [sys.executable, "-m", "springtide.cli", "plan", "bench", "--format", "json", "--out", str(plan)]
    ours, preview = Timings(), Timings()
    stack = prepare_stack(folder) if shutil.which("pulumi") else None
    for _ in range(repeats):
        ours.add(*run(command, folder, dict(os.environ)))
        if stack is not None:
            preview.add(*run(["pulumi", "preview", "--stack", "bench", "--non-interactive"], folder, stack))
    resources = len(json.loads(plan.read_text(encoding="utf-8"))["resources"])
    row: dict[str, object] = {
        "row": "plan",
        "resources": resources,
        "seconds": round(ours.median, 2),
        "peak_mib": round(ours.peak_mib),
        "raw_seconds": ours.seconds,
    }
    if stack is not None:
        row |= {
            "preview_seconds": round(preview.median, 2),
            "raw_preview_seconds": preview.seconds,
            "ratio": round(ours.median / preview.median, 2),
        }
    return row


def write_project(folder: Path, storages: int) -> None:
    """A project like ours, with a program of the wanted size and the provider of the engine tests."""
    stand_in = folder / "standin"
    shutil.copytree(ROOT / "tests" / "engine" / "standin", stand_in)
    (stand_in / "venv").symlink_to(sys.prefix)  # where the engine looks for a plugin's packages
    (folder / ".venv").symlink_to(sys.prefix)
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))
    project["plugins"] = {"providers": [{"name": cloud, "path": str(stand_in)} for cloud in ("aws", "kubernetes")]}
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(project), encoding="utf-8")
    (folder / "stacks").mkdir()
    (folder / "stacks" / "__main__.py").write_text(PROGRAM, encoding="utf-8")
    config = f"config:\n  springtide:storages: {storages}\n"
    (folder / "stacks" / "Pulumi.bench.yaml").write_text(config, encoding="utf-8")


def prepare_stack(folder: Path) -> dict[str, str]:
    """A stack on a file backend in `folder`; the environment that the engine needs for it."""
    state = folder / "state"
    state.mkdir()
    environment = dict(os.environ) | {
        "PULUMI_BACKEND_URL": state.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": "bench",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_HOME": str(folder / "home"),
        "PYTHONPATH": os.pathsep.join(str(ROOT / room) for room in ("components", "workloads", "policies")),
    }
    subprocess.run(["pulumi", "stack", "init", "bench"], cwd=folder, env=environment, check=True, capture_output=True)  # noqa: S607
    return environment


def run(command: list[str], folder: Path, environment: dict[str, str]) -> tuple[float, int]:
    """Seconds of a whole process, and the resident memory in KiB of the largest process in its tree."""
    started = time.monotonic()
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{(folder / 'output.txt').read_text(encoding='utf-8')[-2000:]}")
    return time.monotonic() - started, usage.ru_maxrss


if __name__ == "__main__":
    main()
