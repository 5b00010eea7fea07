"""Bootstrap files to edit, and what the program in `bootstrap/` makes of them."""

import warnings
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.environment_files import ROOT
from tests.recordings import Recorded

from springtide.clouds import bootstrap
from springtide.offline.record import record

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # the SDKs warn of their own old names when they are imported
    for cloud in bootstrap.available():
        bootstrap.load(cloud)

FOLDER = ROOT / "bootstrap"
PROJECT = "springtide-bootstrap"


def text(cloud: str) -> str:
    """The example that comes with the repository."""
    return (FOLDER / f"Pulumi.{cloud}.yaml").read_text(encoding="utf-8")


def project(folder: Path, file: str, name: str) -> Path:
    """A project in `folder` with one stack, whose program is this repository's."""
    (folder / "Pulumi.yaml").write_text(f"name: {PROJECT}\nmain: {FOLDER}\nruntime: python\nstackConfigDir: .\n")
    (folder / f"Pulumi.{name}.yaml").write_text(file, encoding="utf-8")
    return folder


@cache
def recorded(file: str, name: str) -> Recorded:
    """What the program registers for a file."""
    with TemporaryDirectory() as folder:
        found = record(project(Path(folder), file, name), name)
    return Recorded(found.resources, found.findings, found.outputs)
