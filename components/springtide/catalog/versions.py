"""From which version on a managed Kubernetes has a feature. Every minor version has a floor of its own.

A feature that is carried back to older minors has one floor in each of them: 1.30.14-gke.1922000 has TCPXO and the
newer 1.31.0 has not. Versions are therefore compared within their minor.
"""

import re
from functools import cache

from springtide.catalog import lookup
from springtide.catalog.lookup import UnknownNameError

Version = tuple[int, ...]
"""(major, minor, patch, build of the cloud); shorter where less is said."""

_FORM = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+)(?:-gke\.(\d+))?)?")


def parse(version: str) -> Version:
    """Parts of a version such as `1.34.1-gke.1829001` or `1.34`.

    Raises:
        ValueError: it is written otherwise.
    """
    found = _FORM.fullmatch(version)
    if found is None:
        raise ValueError(f"{version!r} is no version such as 1.34 or 1.34.1-gke.1829001")
    return tuple(int(part) for part in found.groups() if part is not None)


@cache
def features(cloud: str) -> tuple[str, ...]:
    """Names that `feature_floors` knows, ascending."""
    return tuple(sorted({row["feature"] for row in lookup.records(cloud, lookup.FEATURES)}))


@cache
def feature_floors(cloud: str, feature: str) -> tuple[str, ...]:
    """The oldest version with `feature` in each minor that has one, oldest minor first.

    Raises:
        UnknownNameError: the catalog knows no such feature of `cloud`.
    """
    if feature not in features(cloud):
        raise UnknownNameError(f"{cloud} has no feature {feature!r}: it has {', '.join(features(cloud))}")
    found = (row["floor"] for row in lookup.records(cloud, lookup.FEATURES) if row["feature"] == feature)
    return tuple(sorted(found, key=parse))


def has_feature(cloud: str, feature: str, version: str) -> bool | None:
    """Whether `version` has `feature`, or None where that cannot be told.

    It cannot where the version stops short of what its floor says (`1.34` against 1.34.1-gke.1829001), and in a minor
    between two that have floors and without one of its own.

    Raises:
        UnknownNameError: the catalog knows no such feature of `cloud`.
        ValueError: `version` is written otherwise than `parse` takes it.
    """
    asked = parse(version)
    known = [parse(floor) for floor in feature_floors(cloud, feature)]
    oldest, newest = known[0][:2], known[-1][:2]
    if not oldest <= asked[:2] <= newest:
        return asked[:2] > newest
    own = next((floor for floor in known if floor[:2] == asked[:2]), None)
    return None if own is None else _reaches(asked, own)


def _reaches(asked: Version, floor: Version) -> bool | None:
    shared = min(len(asked), len(floor))
    if asked[:shared] != floor[:shared]:
        return asked[:shared] > floor[:shared]
    return True if len(asked) >= len(floor) else None
