"""What the tests of the workloads share: processes that are cleaned up, one finished run, a world of one rank."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.workloads.processes import STEADY, Launcher, Process

from springtide_workloads.contract import Device


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launcher]:
    launcher = Launcher(tmp_path)
    yield launcher
    launcher.close()


@pytest.fixture(scope="session")
def local_training(tmp_path_factory: pytest.TempPathFactory) -> tuple[Process, Path]:
    """`local train` of the steady recipe, ended, and the folder that its runs lie in: nothing disturbed it."""
    place = tmp_path_factory.mktemp("undisturbed")
    launcher = Launcher(place)
    process = launcher.module(
        "springtide_workloads.local", "train", "--recipe", STEADY, "--run", "tiny", "--dir", str(place / "runs")
    )
    try:
        process.wait()
    finally:
        launcher.close()
    return process, place / "runs"


@pytest.fixture(scope="session")
def finished(local_training: tuple[Process, Path]) -> Path:
    """Artifacts of a finished run."""
    process, runs = local_training
    assert process.popen.returncode == 0, process.text()
    return runs / "tiny"


@pytest.fixture(scope="session")
def alone() -> Iterator[Any]:
    """This process as the only rank of a run."""
    import torch.distributed as dist  # noqa: PLC0415  only tests that need torch should wait for its import

    from springtide_workloads.train.ranks import joined  # noqa: PLC0415

    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)  # type: ignore[attr-defined]
    names = {
        "RANK": "0",
        "LOCAL_RANK": "0",
        "WORLD_SIZE": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(store.port),
        "TORCHELASTIC_RUN_ID": "tests/1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in names.items():
            patch.setenv(name, value)
        with joined(Device.CPU) as ranks:
            yield ranks
    del store
