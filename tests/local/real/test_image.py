"""The image of real pods as an archive: what containerd needs to find in it."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from springtide.local.real.image import archive


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    program = tmp_path / "pause"
    program.write_bytes(b"\x7fELF")
    return unpacked(archive(program, "springtide.local/machine:1", "arm64"))


def unpacked(content: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {item.name: reader.read() for item in tar if (reader := tar.extractfile(item)) is not None}


def blob(files: dict[str, bytes], digest: str) -> bytes:
    return files[f"blobs/{digest.replace(':', '/')}"]


def test_every_blob_is_what_its_name_says(files: dict[str, bytes]) -> None:
    blobs = {name: content for name, content in files.items() if name.startswith("blobs/")}
    assert len(blobs) == 3
    assert all(name == f"blobs/sha256/{hashlib.sha256(content).hexdigest()}" for name, content in blobs.items())


def test_the_index_names_the_image_and_leads_to_its_platform(files: dict[str, bytes]) -> None:
    [listed] = json.loads(files["index.json"])["manifests"]
    assert listed["annotations"]["io.containerd.image.name"] == "springtide.local/machine:1"
    manifest = json.loads(blob(files, listed["digest"]))
    config = json.loads(blob(files, manifest["config"]["digest"]))
    assert (config["os"], config["architecture"], config["config"]["Entrypoint"]) == ("linux", "arm64", ["/pause"])
    [layer] = manifest["layers"]
    assert config["rootfs"]["diff_ids"] == [layer["digest"]]


def test_old_paths_lead_to_the_machines_own_libraries(files: dict[str, bytes]) -> None:
    [listed] = json.loads(files["index.json"])["manifests"]
    [layer] = json.loads(blob(files, listed["digest"]))["layers"]
    with tarfile.open(fileobj=io.BytesIO(blob(files, layer["digest"]))) as tar:
        links = {item.name: item.linkname for item in tar if item.issym()}
        modes = {item.name: item.mode for item in tar}
    assert links == {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
    assert (modes["pause"], modes["tmp"]) == (0o755, 0o1777)


def test_the_same_program_makes_the_same_bytes(tmp_path: Path) -> None:
    program = tmp_path / "pause"
    program.write_bytes(b"\x7fELF")
    assert archive(program, "a:1", "amd64") == archive(program, "a:1", "amd64")
