"""What the README shows is what there is."""

import re
import textwrap
from pathlib import Path

import pytest
import yaml

from springtide.offline.record import record

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def test_the_environment_file_explained_is_the_dev_environments() -> None:
    (shown,) = blocks("yaml")
    assert yaml.safe_load(shown) == yaml.safe_load((ROOT / "stacks" / "Pulumi.dev.yaml").read_text(encoding="utf-8"))


def test_the_program_shown_registers_a_private_bucket(tmp_path: Path) -> None:
    (program,) = blocks("python")
    (tmp_path / "Pulumi.yaml").write_text("name: own\nruntime: python\n", encoding="utf-8")
    (tmp_path / "__main__.py").write_text(textwrap.dedent(program), encoding="utf-8")
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {}\n", encoding="utf-8")
    recording = record(tmp_path, "dev")
    types = {item.type for item in recording.resources}
    assert {"springtide:index:Storage", "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"} <= types
    assert recording.outputs["models"]["value"] == "s3://springtide-ml-models-123456789012"


@pytest.mark.parametrize("target", re.findall(r"(?:^|`)make ([a-z]+)", README, flags=re.MULTILINE))
def test_every_make_target_named_exists(target: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE)


@pytest.mark.parametrize("path", re.findall(r"\]\(([A-Za-z][^)#:]*)\)", README))
def test_every_file_linked_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_the_map_fits_on_two_screens() -> None:
    assert len((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").splitlines()) <= 80


@pytest.mark.parametrize("path", re.findall(r"`((?:components|policies|workloads|tests|stacks)/[\w./-]*\w)`", README))
def test_every_path_named_exists(path: str) -> None:
    assert (ROOT / path).exists()
