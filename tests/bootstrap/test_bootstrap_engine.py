"""The bootstrap program on the real Pulumi engine, and the move of its state into another backend.

Needs `pulumi` on the PATH. The clouds are stood in for; the move is the documented one, between two folders and two
keys from one passphrase, because a bucket and a cloud's key would need an account.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.bootstrap.bootstrap_files import FOLDER
from tests.engine import test_engine_parity
from tests.engine.test_engine_parity import ROOTS, Case, Engine, _inputs, _own

from springtide import clouds
from springtide.offline.record import record

pytestmark = [
    pytest.mark.engine,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not shutil.which("pulumi"), reason="no `pulumi` on the PATH: the real engine is not there to ask"
    ),
]


@pytest.fixture(scope="module", params=clouds.available())
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """A stack that is up."""
    cloud = request.param
    folder = tmp_path_factory.mktemp(cloud)
    (folder / ".venv").symlink_to(sys.prefix)  # the project names the repository's, one folder up
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(test_engine_parity, "CLOUDS", (cloud,))
        made = Engine(Case(root=FOLDER, file=FOLDER / f"Pulumi.{cloud}.yaml"), folder)
    made.change("up")
    return made


def test_an_update_makes_what_was_planned(engine: Engine) -> None:
    cloud = engine._stack
    planned = record(FOLDER, cloud, roots=ROOTS)
    state = engine.state()
    assert {item.urn: item.inputs for item in planned.resources} == {
        urn: _inputs(resource) for urn, resource in _own(state).items()
    }
    protected = {urn for urn, resource in _own(state).items() if resource.get("protect")}
    assert protected == {item.urn for item in planned.resources if item.options["protect"]}


def test_state_moves_to_another_backend_and_the_next_update_changes_nothing_but_its_key(
    engine: Engine, tmp_path: Path
) -> None:
    before = engine.state()
    file = tmp_path / "state.json"
    (tmp_path / "bucket").mkdir()
    engine("stack", "export", "--show-secrets", "--stack", engine._stack, "--file", str(file))
    moved = {**engine._variables, "PULUMI_BACKEND_URL": f"file://{tmp_path}/bucket"}
    without_key(engine.file)

    def pulumi(*words: str) -> str:
        return run(engine._folder, moved, *words)

    def exported() -> dict[str, Any]:
        deployment: dict[str, Any] = json.loads(pulumi("stack", "export", "--show-secrets", "--stack", engine._stack))[
            "deployment"
        ]
        return deployment

    pulumi("stack", "init", engine._stack, "--secrets-provider", "passphrase")
    pulumi("stack", "import", "--stack", engine._stack, "--file", str(file))
    assert resources(exported()) == {urn: _inputs(item) for urn, item in _own(before).items()}
    pulumi("up", "--yes", "--skip-preview", "--expect-no-changes", "--stack", engine._stack)
    assert f"encryptionsalt: {exported()['secrets_providers']['state']['salt']}" in engine.file.read_text()


def without_key(file: Path) -> None:
    """Leave the old backend's salt out of the stack's file; a cloud's key takes its place by itself."""
    lines = [line for line in file.read_text().splitlines() if not line.startswith("encryptionsalt:")]
    file.write_text("\n".join([*lines, ""]))


def resources(deployment: dict[str, Any]) -> dict[str, Any]:
    every = {item["urn"]: item for item in deployment["resources"]}
    return {urn: _inputs(item) for urn, item in _own(every).items()}


def run(folder: Path, variables: dict[str, str], *words: str) -> str:
    done = subprocess.run(
        ["pulumi", *words, "--non-interactive", "--color=never"],
        cwd=folder, env=variables, capture_output=True, text=True,
        check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, f"pulumi {' '.join(words)}\n{done.stdout}\n{done.stderr}"
    return done.stdout
