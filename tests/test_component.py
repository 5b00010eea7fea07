"""What every component does the same way; and each of them refusing arguments that cannot be, before it makes anything."""

from collections.abc import Mapping
from typing import Any

import pulumi
import pytest

import springtide
from springtide import component
from springtide.component import ArgumentsError, checked, intent, refused, tell
from springtide.spec import PoolSpec, ReplicasSpec, SpecError, refuse, warn

from . import environment_files  # noqa: F401  loads the AWS SDK without its own warnings

PLACE = {"name": "dev", "cloud": "aws", "account": "123456789012", "region": "us-east-1"}
CLUSTER = {
    "environment": PLACE, "zones": ["use1-az1", "use1-az2"], "version": "1.35", "name": "c", "node_role": "r",
    "private_subnets": {}, "namespace": "springtide", "mode": "standard", "network_id": "vpc-1", "security_group": "sg-1",
    "controllers": {"karpenter-crd": "1", "karpenter": "1", "jobset": "1"},
}  # fmt: skip
POOL = {
    "name": "train", "gpus_per_node": 1, "capacity": ["spot"], "min_nodes": 0, "max_nodes": 2, "memory_gib": 12,
    "scratch_gib": 100, "selector": {}, "pod": {}, "fabric": "none",
}  # fmt: skip
BUCKET = {"name": "artifacts", "url": "s3://b", "resource": "arn:aws:s3:::b", "claim": "", "mount_path": ""}
JOB = {"name": "gpt", "started": True, "artifacts_url": "s3://b/jobs/gpt/first", "storage": BUCKET}

CANNOT_BE: list[tuple[str, str, Mapping[str, Any], list[str]]] = [
    ("Environment", "Dev", {"cloud": "aws", "account": "12", "region": "mars"}, ["name", "account", "region"]),
    ("Environment", "dev", {"cloud": "mainframe", "account": "12", "region": "mars"}, ["cloud"]),
    ("Network", "network", {"environment": PLACE, "zones": ["use1-az3", "here"], "nat": "no"}, ["nat", "zones[0]", "zones[1]"]),
    (
        "Cluster", "cluster",
        {"environment": PLACE, "network": {}, "version": "1.2", "access": ["x"], "system_machine_types": ["g5.xlarge"]},
        ["access[0]", "version", "systemMachineTypes[0]"],
    ),
    ("GpuPool", "a_b", {"cluster": CLUSTER, "gpu": "A10", "max_nodes": 1, "disk_gib": 5}, ["diskGib", "name", "gpu"]),
    ("GpuPool", "system", {"cluster": CLUSTER, "gpu": "L4", "max_nodes": 1, "capacity": ["reserved"]}, ["name", "reservation"]),
    (
        "GpuPool", "train",
        {"cluster": CLUSTER, "gpu": "L4", "max_node": 1, "min_nodes": True},
        ["maxNodes", "maxNode", "minNodes"],
    ),
    ("Storage", "s" * 60, {"environment": PLACE, "kind": "bucket", "expire_days": 0}, ["expireDays", "name"]),
    (
        "TrainingJob", "gpt",
        {"cluster": CLUSTER, "pool": POOL, "checkpoints": BUCKET, "recipe": "no recipe", "nodes": 3, "run": "a_b"},
        ["run", "recipe", "nodes"],
    ),
    (
        "ModelService", "chat",
        {"cluster": CLUSTER, "pool": POOL, "model": {"job": JOB}, "gpus": 2, "replicas": {"min": 0}, "drain_seconds": 900},
        ["replicas.min", "gpus", "drainSeconds"],
    ),
    ("ModelService", "chat", {"cluster": CLUSTER, "model": {"job": JOB}, "scale_on": {"cpu": 1}}, ["scaleOn.cpu"]),
    ("WorkloadIdentity", "gpt", {"cluster": CLUSTER, "grants": []}, ["grants"]),
    ("WorkloadIdentity", "gpt", {"cluster": CLUSTER, "grants": [{"storage": BUCKET, "prefix": "/jobs/"}]}, ["grants[0].prefix"]),
    ("Controllers", "all", {"cluster": CLUSTER, "install": ["metrics-server", "kedda"]}, ["install[1]"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "name", "args", "properties"), CANNOT_BE, ids=[f"{row[0]}-{'-'.join(row[3])}" for row in CANNOT_BE]
)
def test_a_component_names_every_property_that_cannot_be_and_makes_nothing(
    kind: str, name: str, args: Mapping[str, Any], properties: list[str]
) -> None:
    with pytest.raises(pulumi.InputPropertiesError) as error:
        getattr(springtide, kind)(name, args)
    assert [item["property_path"] for item in error.value.errors or ()] == properties
    assert all(item["reason"] for item in error.value.errors or ())
    assert error.value.message.startswith(f"{len(properties)} mistake")
    assert f"in {kind} {name}" in error.value.message.splitlines()[0]


def test_one_error_is_clean_in_a_program_and_by_property_in_a_host() -> None:
    error = ArgumentsError(SpecError([refuse("a/b", "/machine_types/0", "x", "x is wrong.", "use y")], "GpuPool a"))
    assert isinstance(error, pulumi.RunError)
    assert isinstance(error, pulumi.InputPropertiesError)
    assert str(error) == "1 mistake in GpuPool a\n  machine_types.0: x is wrong.\n    fix: use y"
    assert error.errors == [{"property_path": "machineTypes[0]", "reason": "x is wrong. use y"}]


def test_checked_arguments_are_a_spec_without_the_wiring() -> None:
    spec = checked(PoolSpec, {"gpu": "L4", "max_nodes": 1, "cluster": object()}, "GpuPool a", wiring=["cluster"])
    assert spec == PoolSpec(gpu="L4", max_nodes=1)


def test_rules_are_asked_once_all_values_are_there_and_not_about_a_mistake() -> None:
    def rules(spec: PoolSpec) -> list[Any]:
        return [refuse("a/b", "/gpu", spec.gpu, "no.", "so"), refuse("a/b", "/disk_gib", 1, "again.", "so")]

    with pytest.raises(ArgumentsError) as error:
        checked(PoolSpec, {"gpu": "L4", "max_nodes": 1, "disk_gib": 1}, "GpuPool a", rules=rules)
    assert [found.path for found in error.value.findings] == ["/disk_gib", "/gpu"]


def test_nothing_found_refuses_nothing() -> None:
    refused([], "GpuPool a")


def test_intent_is_the_whole_spec_in_the_names_of_other_languages() -> None:
    assert intent(ReplicasSpec(min=0), grace_seconds=0, kinds=("a",), none=None, nested={"a_b": [{"c_d": 0}]}) == {
        "min": 0,
        "max": 1,
        "graceSeconds": 0,
        "kinds": ["a"],
        "none": None,
        "nested": {"aB": [{"cD": 0}]},
    }


def test_a_warning_is_kept_for_the_plan_and_told_to_the_engine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(component, "told", [])
    found = warn("a/b", "/pools/a", 0, "it sleeps.", "wake it")
    tell([found])
    assert component.told == [found]
    assert "pools.a: it sleeps." in capsys.readouterr().err


def test_the_package_shows_its_components_sorted_and_nothing_else() -> None:
    assert springtide.__all__ == sorted(springtide.__all__)
    assert {issubclass(getattr(springtide, name), pulumi.ComponentResource) for name in springtide.__all__} == {True}
    assert set(springtide.__all__) <= set(dir(springtide))
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = springtide.Nothing
