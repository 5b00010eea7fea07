"""What `policies:` of an environment file may say, for readers that have no parser of their own."""

import pytest
from tests.policies.policy_stacks import PRICES, gpu_pool

from springtide.spec import SpecError
from springtide_policies import Facts, machine_types


@pytest.mark.parametrize(
    ("policies", "budget", "exempt"),
    [
        ({}, None, ()),
        ({"budget_usd_per_hour": 0, "exempt": []}, 0.0, ()),
        ({"budget_usd_per_hour": "600", "exempt": ["gpu-max-required:train"]}, 600.0, ("gpu-max-required:train",)),
        ({"budget_usd_per_hour": None, "exempt": None}, None, ()),
    ],
)
def test_a_declared_limit_is_read(policies: dict[str, object], budget: float | None, exempt: tuple[str, ...]) -> None:
    found = Facts.of(policies, PRICES)
    assert (found.budget_usd_per_hour, found.exempt, found.prices) == (budget, exempt, PRICES)


@pytest.mark.parametrize(
    ("policies", "paths"),
    [
        ({"budget_usd_per_hour": "much", "exempt": "train"}, ["/policies/budget_usd_per_hour", "/policies/exempt"]),
        ({"budget_usd_per_hour": -1}, ["/policies/budget_usd_per_hour"]),
        ({"budget_usd_per_hour": float("nan")}, ["/policies/budget_usd_per_hour"]),
        ({"budget_usd_per_hour": float("inf")}, ["/policies/budget_usd_per_hour"]),
        ({"budget_usd_per_hour": True}, ["/policies/budget_usd_per_hour"]),
        ({"budget_usd_per_hour": [1]}, ["/policies/budget_usd_per_hour"]),
        ({"exempt": [1]}, ["/policies/exempt"]),
        ({"budget": 600}, ["/policies/budget"]),
        (600, ["/policies"]),
    ],
)
def test_mistakes_are_refused_all_at_once(policies: object, paths: list[str]) -> None:
    with pytest.raises(SpecError) as caught:
        Facts.of(policies, {})
    assert [finding.path for finding in caught.value.findings] == paths
    assert all(finding.fix for finding in caught.value.findings)


def test_a_misspelt_key_is_answered_with_those_there_are() -> None:
    with pytest.raises(SpecError, match=r"there is no 'budget'\. Allowed: budget_usd_per_hour, exempt\."):
        Facts.of({"budget": 600}, {})


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
