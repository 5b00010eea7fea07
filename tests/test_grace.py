"""The budget of grace: each step down keeps something for the next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide import clouds, grace
from springtide.spec import CAPACITY

from . import environment_files  # noqa: F401  loads the AWS SDK without its own warnings

KINDS = st.lists(st.sampled_from(CAPACITY), min_size=1, max_size=3)
VERSIONS = st.sampled_from(["1.33", "1.34", "1.35"])


@pytest.fixture(scope="module", autouse=True)
def clouds_are_there() -> None:
    """An SDK takes seconds to import, which is no law's fault."""
    for name in clouds.available():
        clouds.load(name)


@pytest.mark.parametrize("cloud", clouds.available())
@given(kinds=KINDS, version=VERSIONS)
def test_each_step_down_ends_before_the_one_above(cloud: str, kinds: list[str], version: str) -> None:
    found = grace.budget(cloud, version, kinds)
    assert 0 < found.save_deadline_seconds < found.shutdown_seconds < found.grace_seconds
    assert found.notice_seconds == 0 or found.grace_seconds <= found.notice_seconds


@pytest.mark.parametrize("cloud", clouds.available())
@given(kinds=KINDS, more=st.sampled_from(CAPACITY), version=VERSIONS)
def test_another_kind_of_capacity_never_gives_more_time(cloud: str, kinds: list[str], more: str, version: str) -> None:
    alone = grace.budget(cloud, version, kinds)
    assert grace.budget(cloud, version, [*kinds, more]).grace_seconds <= alone.grace_seconds


def test_spot_leaves_two_minutes_and_the_rest_is_derived() -> None:
    assert grace.budget("aws", "1.35", ["on-demand", "spot"]) == grace.Grace(
        notice_seconds=120, grace_seconds=110, shutdown_seconds=100, save_deadline_seconds=90
    )


def test_what_the_cloud_never_takes_back_has_no_notice_and_the_time_of_a_drain() -> None:
    assert grace.budget("aws", "1.35", ["on-demand"]) == grace.Grace(
        notice_seconds=0, grace_seconds=590, shutdown_seconds=580, save_deadline_seconds=570
    )


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1.34", grace.Grace(notice_seconds=15, grace_seconds=12, shutdown_seconds=9, save_deadline_seconds=6)),
        ("1.35", grace.Grace(notice_seconds=105, grace_seconds=95, shutdown_seconds=85, save_deadline_seconds=75)),
    ],
)
def test_what_gke_leaves_a_spot_pod_is_shared_out_to_the_last_second(version: str, expected: grace.Grace) -> None:
    """15 of Compute Engine's 30 seconds; from 1.35 on, 105 of 120."""
    assert grace.budget("gcp", version, ["spot", "on-demand"]) == expected
