"""Names that Google takes."""

import re

from hypothesis import given
from hypothesis import strategies as st

from springtide.clouds.gcp.names import LONGEST_ACCOUNT_ID, LONGEST_CLUSTER_NAME, fitted, label, workload_account_id

names = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", fullmatch=True)
"""As long as the names of an environment file may be (`naming.LONGEST_NAME`)."""
limits = st.integers(min_value=LONGEST_ACCOUNT_ID, max_value=63)


@given(names, limits)
def test_a_fitted_name_fits_and_keeps_the_form_of_a_name(name: str, longest: int) -> None:
    found = fitted(label(name), longest)
    assert len(found) <= longest
    assert re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", found)


@given(names)
def test_a_name_that_fits_is_left_alone(name: str) -> None:
    assert fitted(name, LONGEST_CLUSTER_NAME) == name


@given(names, names)
def test_two_names_that_are_cut_stay_two(one: str, other: str) -> None:
    cut = fitted(label(one), LONGEST_ACCOUNT_ID), fitted(label(other), LONGEST_ACCOUNT_ID)
    assert (cut[0] == cut[1]) == (one == other)


def test_what_tells_two_long_names_apart_may_be_their_end() -> None:
    assert fitted("a" * 40 + "b", 30) != fitted("a" * 40 + "c", 30)


@given(names, names)
def test_an_account_id_has_the_form_that_iam_takes(environment: str, workload: str) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9-]{4,28}[a-z0-9]", workload_account_id(environment, workload))


def test_workloads_of_two_environments_never_share_an_account() -> None:
    assert workload_account_id("a-b", "c") != workload_account_id("a", "b-c")


def test_no_workload_is_called_as_the_nodes_are() -> None:
    assert not workload_account_id("dev", "nodes").startswith("springtide-")
    assert fitted(label("dev"), LONGEST_ACCOUNT_ID) == "springtide-dev"
