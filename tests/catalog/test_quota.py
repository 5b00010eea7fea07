"""Which limits a machine counts against."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide import catalog
from springtide.catalog import MachineType, Quota
from springtide.spec import CAPACITY

MACHINES = [item for cloud in catalog.clouds() for item in catalog.machine_types(cloud)]
POOLS = [item for item in MACHINES if item.gpus and not item.unusable]


def quotas(cloud: str, name: str, capacity: str) -> tuple[Quota, ...]:
    item = catalog.machine_type(cloud, name)
    assert item is not None
    return catalog.quotas(item, capacity)


@pytest.mark.parametrize(
    ("name", "capacity", "code"),
    [
        ("p5.48xlarge", "on-demand", "L-417A185B"),
        ("p5.48xlarge", "spot", "L-C4BD4855"),
        ("p4d.24xlarge", "spot", "L-7212CCBC"),
        ("g6e.xlarge", "on-demand", "L-DB2E81BA"),
        ("gr6.4xlarge", "spot", "L-3819A6DF"),
        ("trn1.32xlarge", "on-demand", "L-2C3B7624"),
        ("t3.large", "on-demand", "L-1216C47A"),
    ],
)
def test_ec2_counts_vcpus_of_a_family_in_a_region(name: str, capacity: str, code: str) -> None:
    (found,) = quotas("aws", name, capacity)
    assert (found.service, found.code, found.unit, found.scope, found.verified) == ("ec2", code, "vCPU", "region", True)


def test_a_quota_on_whose_code_sources_disagree_is_there_without_one() -> None:
    (found,) = quotas("aws", "p6-b200.48xlarge", "spot")
    assert (found.code, found.verified, found.per_machine) == ("", False, 192)


def test_two_p5_need_384_vcpus() -> None:
    (found,) = quotas("aws", "p5.48xlarge", "on-demand")
    assert 2 * found.per_machine == 384


@pytest.mark.parametrize(
    ("name", "capacity", "codes"),
    [
        ("g2-standard-48", "on-demand", ["NVIDIA_L4_GPUS", "GPUS_ALL_REGIONS"]),
        ("g2-standard-48", "flex-start", ["PREEMPTIBLE_NVIDIA_L4_GPUS", "GPUS_ALL_REGIONS"]),
        ("a2-ultragpu-1g", "spot", ["PREEMPTIBLE_NVIDIA_A100_80GB_GPUS", "GPUS_ALL_REGIONS"]),
        ("a3-megagpu-8g", "queued", ["PREEMPTIBLE_NVIDIA_H100_MEGA_GPUS", "GPUS_ALL_REGIONS"]),
        ("n1-standard-8+t4x1", "on-demand", ["CPUS", "NVIDIA_T4_GPUS", "GPUS_ALL_REGIONS"]),
        ("n2-standard-8", "on-demand", ["N2_CPUS"]),
    ],
)
def test_google_counts_accelerators_in_a_region_and_again_in_the_project(
    name: str, capacity: str, codes: list[str]
) -> None:
    assert [found.code for found in quotas("gcp", name, capacity)] == codes


def test_since_h100_one_code_serves_every_family_and_a_dimension_tells_them_apart() -> None:
    h100, b200 = (quotas("gcp", name, "on-demand")[0] for name in ("a3-highgpu-8g", "a4-highgpu-8g"))
    assert h100.code == b200.code == "GPUS-PER-GPU-FAMILY-per-project-region"
    assert (h100.dimensions, b200.dimensions) == ((("gpu_family", "NVIDIA_H100"),), (("gpu_family", "NVIDIA_B200"),))


@given(st.sampled_from(MACHINES))
def test_what_was_reserved_by_name_needs_no_quota(item: MachineType) -> None:
    assert catalog.quotas(item, "reserved") == ()


@given(st.sampled_from(POOLS), st.sampled_from([name for name in CAPACITY if name != "reserved"]))
def test_a_pool_that_can_be_bought_has_a_quota_of_positive_size_in_its_region(item: MachineType, capacity: str) -> None:
    found = catalog.quotas(item, capacity)
    if item.cloud == "aws" and capacity in {"flex-start", "queued"}:
        assert found == ()
        return
    assert found[0].scope == "region"
    assert all(quota.per_machine > 0 and quota.source for quota in found)
    assert [quota.scope for quota in found] == sorted((quota.scope for quota in found), reverse=True)
    assert [quota.unit for quota in found if quota.scope == "project"] == ["GPU"] * (item.cloud == "gcp")
