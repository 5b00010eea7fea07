import re
from pathlib import Path

from springtide.k8s.pod import USER_ID
from springtide_workloads.contract import HTTP_PORT, METRICS_PORT

IMAGE = Path(__file__).resolve().parents[2] / "workloads" / "images" / "workloads" / "Containerfile"


def lines() -> list[str]:
    return [line for line in IMAGE.read_text().splitlines() if line and not line.startswith("#")]


def test_the_image_is_built_on_what_its_builder_names() -> None:
    assert lines()[:2] == ["ARG BASE", "FROM ${BASE}"]


def test_the_image_installs_hashed_requirements_and_our_wheel_only() -> None:
    installs = [line for line in lines() if line.startswith("RUN pip install")]
    assert "--require-hashes" in installs[0]
    assert "--no-index --no-deps springtide_workloads-" in installs[1]
    assert not re.search(r"index-url|https?://", "\n".join(lines()))


def test_the_image_runs_as_the_pods_user_and_wraps_no_command_in_a_shell() -> None:
    assert [line for line in lines() if line.startswith("USER ")] == [f"USER {USER_ID}"]
    assert not [line for line in lines() if line.startswith(("CMD", "ENTRYPOINT"))]


def test_the_image_names_the_contracts_ports() -> None:
    assert f"EXPOSE {HTTP_PORT} {METRICS_PORT}" in lines()
