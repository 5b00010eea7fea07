"""What every cloud keeps to; a folder that appears under `springtide.clouds` is tested by being there."""

import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests import environment_files  # noqa: F401  loads the AWS SDK without its own warnings

from springtide import catalog, charts, clouds
from springtide.clouds import Cloud, SupportsLadder, SupportsReservations, SupportsWaking
from springtide.spec import CAPACITY, PoolSpec

FOLDER = Path(clouds.__file__).parent
NOUNS = ("network", "cluster", "pool", "storage", "registry", "identity")
METHODS = [name for name, item in vars(Cloud).items() if inspect.isfunction(item) and not name.startswith("_")]
TABLES = {"notice"}
"""Methods that may be a look-up in a table, which has no names of its own for what it is asked."""

every_cloud = pytest.mark.parametrize("name", clouds.available())


def parameters(function: Callable[..., Any]) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name != "self"]


@every_cloud
def test_a_cloud_says_its_folders_name(name: str) -> None:
    assert clouds.load(name).name == name


@every_cloud
@pytest.mark.parametrize("noun", NOUNS)
def test_a_noun_lies_in_the_same_file_of_every_cloud(name: str, noun: str) -> None:
    assert (FOLDER / name / f"{noun}.py").is_file()


@every_cloud
@pytest.mark.parametrize("method", METHODS)
def test_a_cloud_takes_what_the_protocol_gives(name: str, method: str) -> None:
    found = getattr(clouds.load(name), method)
    assert callable(found)
    assert method in TABLES or parameters(found) == parameters(getattr(Cloud, method))


@every_cloud
@pytest.mark.parametrize("capacity", CAPACITY)
def test_every_kind_of_capacity_has_a_notice_with_its_source(name: str, capacity: str) -> None:
    notice = clouds.load(name).notice(capacity, "1.35")
    assert notice.source
    assert notice.seconds is None or notice.seconds > 0


@every_cloud
def test_a_cloud_needs_only_charts_that_are_in_the_table(name: str) -> None:
    assert set(clouds.load(name).charts) <= set(charts.CHARTS)


@every_cloud
def test_a_cloud_has_a_catalog(name: str) -> None:
    assert name in catalog.clouds()
    assert catalog.regions(name)


@every_cloud
def test_an_account_is_judged_by_its_form(name: str) -> None:
    assert [found.path for found in clouds.load(name).account_findings("")] == ["/account"]


@every_cloud
@pytest.mark.parametrize(
    ("capability", "capacity", "rule"),
    [
        (SupportsLadder, ("spot", "on-demand"), "clouds/ladder"),
        (SupportsReservations, ("reserved",), "clouds/reserved"),
    ],
)
def test_what_a_cloud_cannot_do_is_an_absent_protocol(
    name: str, capability: type, capacity: tuple[str, ...], rule: str
) -> None:
    found = clouds.pool_findings(name, PoolSpec(gpu="L4", max_nodes=1, capacity=capacity))
    assert [item.rule for item in found] == ([] if isinstance(clouds.load(name), capability) else [rule])


def test_a_capability_is_computed_and_named_in_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    class Able:
        """A cloud that can do it all."""

        def capacity_ladder(self) -> None: ...
        def reserved_pool(self) -> None: ...
        def waking_pool(self) -> None: ...

    real = clouds.load
    monkeypatch.setattr(clouds, "available", lambda: ("able", "aws"))
    monkeypatch.setattr(clouds, "load", lambda name: Able() if name == "able" else real(name))
    pool = PoolSpec(gpu="L4", max_nodes=1, capacity=("reserved", "spot"))
    assert clouds.pool_findings("able", pool) == []
    assert isinstance(clouds.load("able"), SupportsWaking)
    assert all(item.fix.endswith("; clouds that can: able") for item in clouds.pool_findings("aws", pool))


def test_an_unknown_cloud_names_the_known_ones() -> None:
    with pytest.raises(LookupError, match="unknown cloud 'mainframe': use one of aws"):
        clouds.load("mainframe")


def test_a_clouds_sdk_is_imported_when_the_cloud_is_chosen_and_not_before() -> None:
    program = (
        "import sys, warnings; warnings.simplefilter('ignore'); from springtide import clouds, settings, training, service;"
        "assert 'pulumi_aws' not in sys.modules; clouds.load('aws'); assert 'pulumi_aws' in sys.modules"
    )
    paths = {"PYTHONPATH": ":".join(sys.path), "HOME": "/nonexistent"}
    subprocess.run([sys.executable, "-c", program], check=True, env=paths)
