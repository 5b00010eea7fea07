"""Versions in which a managed Kubernetes has a feature."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide import catalog
from springtide.catalog import UnknownNameError, lookup, versions

NAMES = st.sampled_from(catalog.features("gcp"))
numbers = st.integers(0, 3_000_000)
builds = st.tuples(st.integers(1, 2), st.integers(20, 40), st.integers(0, 20), numbers)


def written(version: tuple[int, ...]) -> str:
    shown = ".".join(str(part) for part in version[:3])
    return f"{shown}-gke.{version[3]}" if len(version) == 4 else shown


@given(builds, st.integers(2, 4))
def test_a_version_is_read_as_it_is_written(version: tuple[int, ...], parts: int) -> None:
    assert versions.parse(written(version[:parts])) == version[:parts]


@pytest.mark.parametrize("text", ["", "1", "latest", "1.34.", "1.34.1-eks.1", "1.34-gke.1", "1.34.1-gke.1 "])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no version such as"):
        versions.parse(text)


@given(NAMES, builds, builds)
def test_within_a_minor_a_feature_never_goes_away(name: str, one: tuple[int, ...], other: tuple[int, ...]) -> None:
    older, newer = sorted((one[2:], other[2:]))
    had = catalog.has_feature("gcp", name, written(one[:2] + older))
    has = catalog.has_feature("gcp", name, written(one[:2] + newer))
    assert not had or has


@given(NAMES)
def test_a_floor_has_its_feature_and_the_build_before_has_not(name: str) -> None:
    for floor in catalog.feature_floors("gcp", name):
        version = versions.parse(floor)
        assert catalog.has_feature("gcp", name, floor) is True
        if len(version) == 4:
            assert catalog.has_feature("gcp", name, written((*version[:3], version[3] - 1))) is False


@given(NAMES, builds)
def test_minors_after_the_newest_floor_have_it_and_those_before_the_oldest_have_not(
    name: str, version: tuple[int, ...]
) -> None:
    floors = [versions.parse(floor)[:2] for floor in catalog.feature_floors("gcp", name)]
    found = catalog.has_feature("gcp", name, written(version))
    if version[:2] > floors[-1]:
        assert found is True
    if version[:2] < floors[0]:
        assert found is False


@pytest.mark.parametrize(
    ("version", "answer"),
    [
        ("1.34", None),
        ("1.34.1", None),
        ("1.34.0", False),
        ("1.34.2", True),
        ("1.34.1-gke.1829001", True),
        ("1.34.1-gke.1829000", False),
        ("1.33.9-gke.9999999", False),
        ("1.35", True),
    ],
)
def test_a_version_that_stops_short_of_its_floor_cannot_be_told(version: str, answer: bool | None) -> None:
    assert catalog.has_feature("gcp", "dranet", version) is answer


def test_a_newer_minor_may_lack_what_an_older_one_was_given_later() -> None:
    assert catalog.has_feature("gcp", "gpudirect-tcpxo", "1.30.14-gke.1922000") is True
    assert catalog.has_feature("gcp", "gpudirect-tcpxo", "1.31.0-gke.1") is False


def test_a_minor_between_two_floors_without_one_of_its_own_cannot_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "feature_floors", lambda *_: ("1.30.1-gke.1", "1.32.1-gke.1"))
    assert versions.has_feature("gcp", "any", "1.31.5-gke.1") is None


def test_an_unknown_feature_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="gcp has no feature 'warp': it has dra, dranet"):
        catalog.has_feature("gcp", "warp", "1.34")


def test_a_cloud_without_such_a_file_has_no_features() -> None:
    assert not lookup.has("aws", lookup.FEATURES)
    assert catalog.features("aws") == ()
