"""What every cloud keeps to; a folder that appears under `springtide.clouds` is tested by being there."""

import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests import environment_files  # noqa: F401  loads the AWS SDK without its own warnings
from tests.recordings import Recorded, of_text

from springtide import catalog, charts, clouds, imitation, selection
from springtide.clouds import (
    Cloud,
    SupportsEfa,
    SupportsFlexStart,
    SupportsGpuDirect,
    SupportsLadder,
    SupportsLustre,
    SupportsQueuedCapacity,
    SupportsQueues,
    SupportsReservations,
    SupportsShared,
    SupportsSharing,
)
from springtide.clouds.capabilities import WISHES_OF_POOLS, WISHES_OF_STORAGE
from springtide.spec import CAPACITY, Finding, PoolSpec, QueueSpec, SharingSpec, StorageSpec

FOLDER = Path(clouds.__file__).parent
NOUNS = ("network", "cluster", "pool", "storage", "registry", "identity")
METHODS = [name for name, item in vars(Cloud).items() if inspect.isfunction(item) and not name.startswith("_")]
TABLES = {"notice"}
"""Methods that may be a look-up in a table, which has no names of its own for what it is asked."""

VERSION = "1.35"
ASKS: dict[type, dict[str, Any]] = {
    SupportsLadder: {"capacity": ("spot", "on-demand")},
    SupportsReservations: {"capacity": ("reserved",)},
    SupportsQueuedCapacity: {"capacity": ("queued",)},
    SupportsFlexStart: {"capacity": ("flex-start",)},
    SupportsEfa: {"fabric": "efa"},
    SupportsGpuDirect: {"fabric": "gpudirect"},
    SupportsSharing: {"sharing": SharingSpec(strategy="time-sharing", clients=2)},
}
"""What a pool says to ask for each capability."""
KINDS = {SupportsLustre: "lustre", SupportsShared: "shared"}
"""The kind of storage that asks for each capability."""
PLACES = {
    "aws": {"account": "123456789012", "region": "us-east-1"},
    "gcp": {"account": "ml-platform-dev", "region": "us-central1"},
    "local": {"account": imitation.ACCOUNT, "region": "us-east-1"},
}
"""An account and a region of each cloud, or what stands in their place."""
SOMEWHERE = """\
  account: "{account}"
  region: {region}
  cluster: {{version: "1.35", access: [203.0.113.0/24]}}
  images: {{digest: "sha256:{digest}"}}
"""
"""All that a file has to say in a cloud's own words; one of this machine says none of it."""
FILE = """\
config:
  cloud: {cloud}
{somewhere}\
  storage:
    artifacts: {{kind: bucket, expire_days: 30}}
  pools:
    serve: {{gpu: L4, capacity: [spot], max_nodes: 2, purpose: serving}}
  jobs:
    gpt: {{recipe: gpt_small, pool: serve, checkpoints: artifacts, run: first}}
  services:
    chat: {{model: {{job: gpt}}, pool: serve}}
"""
OURS = "springtide:index:"
RUNS = ("kubernetes:batch/v1:Job", "kubernetes:jobset.x-k8s.io/v1alpha2:JobSet")

OWN = [name for name in clouds.available() if name in catalog.clouds()]
"""Clouds with machines of their own; the others imitate some."""
every_cloud = pytest.mark.parametrize("name", clouds.available())
every_own = pytest.mark.parametrize("name", OWN)
every_imitation = pytest.mark.parametrize("name", sorted({*clouds.available()} - {*OWN}))


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
    notice = clouds.load(name).notice(capacity, VERSION)
    assert notice.source
    assert notice.seconds is None or notice.seconds > 0


@every_cloud
def test_a_cloud_needs_only_charts_that_are_in_the_table(name: str) -> None:
    assert set(clouds.load(name).charts) <= set(charts.CHARTS)


@every_cloud
def test_a_catalog_describes_the_machines_of_a_cloud(name: str) -> None:
    machines = clouds.load(name).machines
    assert machines == (name,) if name in OWN else set(machines) <= set(OWN)
    assert all(catalog.regions(each) for each in machines)


@every_cloud
def test_an_account_is_judged_by_its_form(name: str) -> None:
    assert [found.path for found in clouds.load(name).account_findings("")] == ["/account"]


def asked(name: str, spec: PoolSpec) -> list[Finding]:
    """What a cloud says of a pool in the first of its regions that has the machines."""
    machines = clouds.load(name).machines[0]
    regions = (region for region in catalog.regions(machines) if catalog.candidates(machines, spec.gpu, 1, region))
    region = next(regions)
    choice = selection.choose(spec, machines, region, selection.usable_zones(machines, region))
    return clouds.pool_findings(name, spec, choice, version=VERSION, mode="standard")


def absent(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(found.path, found.fix) for found in findings if found.rule == "clouds/absent"]


def test_every_wish_is_asked_for_here() -> None:
    assert {wish.protocol for wish in WISHES_OF_POOLS} == ASKS.keys()
    assert {wish.protocol for wish in WISHES_OF_STORAGE} == KINDS.keys()


@every_cloud
@pytest.mark.parametrize("wish", WISHES_OF_POOLS, ids=lambda wish: wish.protocol.__name__)
def test_what_pools_of_a_cloud_cannot_do_is_an_absent_protocol(name: str, wish: Any) -> None:
    found = absent(asked(name, PoolSpec(gpu="L4", max_nodes=1, **ASKS[wish.protocol])))
    able = isinstance(clouds.load(name), wish.protocol)
    assert [path for path, _ in found] == ([] if able else [wish.path])


@every_cloud
@pytest.mark.parametrize("wish", WISHES_OF_STORAGE, ids=lambda wish: wish.protocol.__name__)
def test_what_storage_of_a_cloud_cannot_do_is_an_absent_protocol(name: str, wish: Any) -> None:
    found = absent(clouds.storage_findings(name, StorageSpec(kind=KINDS[wish.protocol])))
    able = isinstance(clouds.load(name), wish.protocol)
    assert [path for path, _ in found] == ([] if able else [wish.path])


@every_cloud
def test_a_cloud_without_queues_says_so_and_one_with_them_says_what_holds_runs_back(name: str) -> None:
    cloud = clouds.load(name)
    found = absent(clouds.queue_findings(name, QueueSpec(max_gpus=8)))
    assert [path for path, _ in found] == ([] if isinstance(cloud, SupportsQueues) else ["/max_gpus"])
    assert not isinstance(cloud, SupportsQueues) or set(cloud.queue_controllers()) <= set(charts.CHARTS)


@every_cloud
def test_what_cannot_run_in_its_clusters_a_cloud_asks_for_nowhere(name: str) -> None:
    cloud = clouds.load(name)
    pool, storage = PoolSpec(gpu="L4", max_nodes=1), StorageSpec(kind="bucket")
    asked = (*cloud.charts, *cloud.pool_controllers(pool, "standard"), *cloud.storage_controllers(storage))
    assert set(cloud.without) <= set(charts.CHARTS) - set(asked)


def test_the_remedy_names_the_clouds_that_can(monkeypatch: pytest.MonkeyPatch) -> None:
    class Able:
        """A cloud with file systems over NFS."""

        def shared(self) -> None: ...
        def shared_findings(self, _spec: StorageSpec) -> list[Finding]:
            return []

    nobody: Any = object()
    known = {"able": Able(), "unable": nobody}
    monkeypatch.setattr(clouds, "available", lambda: tuple(known))
    monkeypatch.setattr(clouds, "load", known.__getitem__)
    spec = StorageSpec(kind="shared")
    assert clouds.storage_findings("able", spec) == []
    assert absent(clouds.storage_findings("unable", spec)) == [("/kind", "use a bucket; clouds that can: able")]
    monkeypatch.setattr(clouds, "available", lambda: ("unable",))
    assert absent(clouds.storage_findings("unable", spec)) == [("/kind", "use a bucket")]


def planned(name: str) -> Recorded:
    somewhere = SOMEWHERE.format(digest="ab" * 32, **PLACES[name]) if name in OWN else ""
    return of_text(FILE.format(cloud=name, somewhere=somewhere))


def test_every_cloud_has_a_place_in_these_tests() -> None:
    assert PLACES.keys() == set(clouds.available())


def test_one_file_makes_the_same_components_on_every_cloud() -> None:
    made = {
        name: tuple(item.urn.partition("::")[2] for item in planned(name).resources if item.type.startswith(OURS))
        for name in clouds.available()
    }
    assert len(set(made.values())) == 1
    assert len(made[clouds.available()[0]]) > 1


@every_own
def test_everything_in_a_cloud_is_made_through_the_guarded_provider(name: str) -> None:
    plan = planned(name)
    guard = plan.one(name, "dev")
    mine = [item for item in plan.resources if item.type.startswith(f"{name}:")]
    assert {item.provider for item in mine} == {guard.urn}
    assert PLACES[name]["account"] in json.dumps(guard.inputs)


@every_imitation
def test_an_imitation_makes_nothing_outside_the_cluster_of_its_own_name(name: str) -> None:
    plan = planned(name)
    [provider] = [item for item in plan.resources if item.type.startswith("pulumi:providers:")]
    assert provider.type == "pulumi:providers:kubernetes"
    assert "kubeconfig" not in provider.inputs
    assert provider.inputs["context"] == "springtide-dev"
    assert {item.provider for item in plan.resources if item.custom and item != provider} == {provider.urn}


@every_own
def test_the_kubeconfig_holds_no_token_and_asks_for_one_at_each_use(name: str) -> None:
    config = json.loads(planned(name).one("kubernetes", "cluster").inputs["kubeconfig"])
    [user] = config["users"]
    assert user["user"].keys() == {"exec"}


@every_cloud
def test_a_run_is_deleted_while_its_rights_its_nodes_and_its_network_are_there(name: str) -> None:
    plan = planned(name)
    [run] = [item for item in plan.resources if item.type in RUNS]
    needed = plan.before(run.urn)
    # Where a bucket is a folder, nothing is made for it.
    buckets = ["springtide:index:Storage$"] if name in OWN else []
    owners = ("$springtide:index:WorkloadIdentity$", "springtide:index:GpuPool$", *buckets)
    assert all(any(owner in urn for urn in needed) for owner in owners)


@every_cloud
def test_where_images_and_buckets_lie_is_known_without_the_cloud(name: str) -> None:
    cloud, place = clouds.load(name), PLACES[name]
    account = place["account"]
    plan = planned(name)
    assert cloud.bucket_url("dev", "artifacts", account) == plan.outputs["storage"]["value"]["artifacts"]
    assert cloud.registry(account, place["region"]) in json.dumps([item.inputs for item in plan.all("Deployment")])


def test_an_unknown_cloud_names_the_known_ones() -> None:
    with pytest.raises(LookupError, match="unknown cloud 'mainframe': use one of aws, gcp, local"):
        clouds.load("mainframe")


@every_own
def test_a_clouds_sdk_is_imported_when_the_cloud_is_chosen_and_not_before(name: str) -> None:
    others = [f"pulumi_{other}" for other in OWN if other != name]
    alone(
        "import sys, warnings; warnings.simplefilter('ignore'); from springtide import clouds, settings, training, service;"
        f"assert 'pulumi_{name}' not in sys.modules; clouds.load({name!r}); assert 'pulumi_{name}' in sys.modules;"
        f"assert not set({others}) & set(sys.modules)"
    )


@every_imitation
def test_an_imitation_needs_no_clouds_sdk(name: str) -> None:
    sdks = [f"pulumi_{own}" for own in OWN]
    alone(
        f"import sys; from springtide import clouds; clouds.load({name!r}); assert not set({sdks}) & set(sys.modules)"
    )


def alone(program: str) -> None:
    """Run a program in a process that has imported nothing."""
    paths = {"PYTHONPATH": ":".join(sys.path), "HOME": "/nonexistent"}
    subprocess.run([sys.executable, "-c", program], check=True, env=paths)
