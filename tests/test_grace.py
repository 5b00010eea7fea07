"""The budget of grace: each step down keeps something for the next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide import clouds, grace
from springtide.spec import CAPACITY

from . import environment_files  # noqa: F401  loads the AWS SDK without its own warnings

KINDS = st.lists(st.sampled_from(CAPACITY), min_size=1, max_size=3)


@pytest.mark.parametrize("cloud", clouds.available())
@given(kinds=KINDS)
def test_each_step_down_ends_before_the_one_above(cloud: str, kinds: list[str]) -> None:
    found = grace.budget(cloud, kinds)
    assert 0 < found.save_deadline_seconds < found.shutdown_seconds < found.grace_seconds
    assert found.notice_seconds == 0 or found.grace_seconds <= found.notice_seconds


@pytest.mark.parametrize("cloud", clouds.available())
@given(kinds=KINDS, more=st.sampled_from(CAPACITY))
def test_another_kind_of_capacity_never_gives_more_time(cloud: str, kinds: list[str], more: str) -> None:
    assert grace.budget(cloud, [*kinds, more]).grace_seconds <= grace.budget(cloud, kinds).grace_seconds


def test_spot_leaves_two_minutes_and_the_rest_is_derived() -> None:
    assert grace.budget("aws", ["on-demand", "spot"]) == grace.Grace(
        notice_seconds=120, grace_seconds=110, shutdown_seconds=100, save_deadline_seconds=90
    )


def test_what_the_cloud_never_takes_back_has_no_notice_and_the_time_of_a_drain() -> None:
    assert grace.budget("aws", ["on-demand"]) == grace.Grace(
        notice_seconds=0, grace_seconds=590, shutdown_seconds=580, save_deadline_seconds=570
    )
