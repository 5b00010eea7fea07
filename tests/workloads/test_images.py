import re
from pathlib import Path

import pytest

from springtide.k8s.pod import USER_ID
from springtide_workloads.contract import HTTP_PORT, METRICS_PORT, SERVE_COMMAND, TRAIN_COMMAND

IMAGES = Path(__file__).resolve().parents[2] / "workloads" / "images"


def lines(name: str) -> list[str]:
    text = (IMAGES / name / "Containerfile").read_text()
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize(("name", "command"), [("train", TRAIN_COMMAND), ("serve", SERVE_COMMAND)])
def test_an_image_runs_its_entry_in_exec_form_as_the_pods_user(name: str, command: tuple[str, ...]) -> None:
    words = ", ".join(f'"{word}"' for word in command)
    assert lines(name)[-1] == f"ENTRYPOINT [{words}]"
    assert f"USER {USER_ID}" in lines(name)


@pytest.mark.parametrize("name", ["train", "serve"])
def test_an_image_is_built_on_what_its_builder_names_and_installs_hashed_requirements(name: str) -> None:
    assert lines(name)[:2] == ["ARG BASE", "FROM ${BASE}"]
    installs = [line for line in lines(name) if line.startswith("RUN pip install")]
    assert "--require-hashes" in installs[0]
    assert "--no-index --no-deps springtide_workloads-" in installs[1]
    assert not re.search(r"index-url|https?://", "\n".join(lines(name)))


def test_the_serving_image_names_the_contracts_ports() -> None:
    assert f"EXPOSE {HTTP_PORT} {METRICS_PORT}" in lines("serve")
