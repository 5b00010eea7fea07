"""What front ends read out of a stack before they ask the rules."""

import pytest
from tests.policies.policy_stacks import PRICES, Resource, bucket, environment, gpu_pool

from springtide_policies import Facts, machine_types


@pytest.mark.parametrize(
    ("declared", "budget", "exempt"),
    [
        ([], None, ()),
        ([environment()], None, ()),
        ([environment(0)], 0.0, ()),
        ([bucket(), environment(600, "gpu-max-required:train")], 600.0, ("gpu-max-required:train",)),
        ([environment(600, "a:b"), environment(), environment(5, "c:d")], 5.0, ("a:b", "c:d")),
    ],
)
def test_limits_are_those_that_the_environment_declares(
    declared: list[Resource], budget: float | None, exempt: tuple[str, ...]
) -> None:
    assert Facts.declared(declared, PRICES) == Facts(prices=PRICES, budget_usd_per_hour=budget, exempt=exempt)


def test_the_machine_types_to_price_are_those_of_the_pools_as_far_as_known() -> None:
    pools = [gpu_pool(), gpu_pool("eu", region="eu-west-1"), gpu_pool("hidden", unknown=["/region"])]
    more = [gpu_pool("some", machineTypes=["p5.48xlarge", "x"], unknown=["/machineTypes/1"])]
    assert machine_types([*pools, *more]) == (
        ("aws", "eu-west-1", "g5.xlarge"),
        ("aws", "eu-west-1", "g6.xlarge"),
        ("aws", "us-east-1", "g5.xlarge"),
        ("aws", "us-east-1", "g6.xlarge"),
        ("aws", "us-east-1", "p5.48xlarge"),
    )


def test_machines_that_are_imitated_are_priced_as_those_of_whose_they_are() -> None:
    pool = gpu_pool(cloud="local", machines="gcp", machineTypes=["a3-highgpu-8g"], region="us-central1")
    assert machine_types([pool]) == (("gcp", "us-central1", "a3-highgpu-8g"),)
    hidden = gpu_pool(cloud="local", machines="gcp", unknown=["/machines"])
    assert machine_types([hidden]) == ()
