"""What only a real account answers: the newest Bottlerocket release (SSM) and the Kubernetes versions of EKS."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby, product
from typing import Any

from springtide.catalog import lookup
from springtide.catalog.table import Header, Table, make

REGION = "us-east-1"
ARCHITECTURES = ("arm64", "x86_64")
IMAGE_COLUMNS = ("os", "release", "kubernetes", "gpu", "architectures")
VERSION_COLUMNS = ("version", "standard_support_ends", "extended_support_ends")
IMAGES_ABOUT = (
    "Pinned node images. release is EKS's releaseVersion: Bottlerocket's version and the first 8 digits of its commit."
    " One release has every variant, so the string is the same for all Kubernetes versions and architectures."
)
VERSIONS_ABOUT = (
    "Kubernetes versions of EKS with the ends of standard and extended support."
    " A version that is not listed is unknown, not unsupported."
)


def tables(session: Any) -> dict[str, Table]:
    """Node images and Kubernetes versions, by file name, as the account behind a boto3 session sees them."""
    versions = sorted(_versions(session.client("eks", region_name=REGION)), key=_by_minor)
    images = list(_images(session.client("ssm", region_name=REGION), [row["version"] for row in versions]))
    return {
        lookup.NODE_IMAGES: make(_header(IMAGES_ABOUT, "SSM /aws/service/bottlerocket"), IMAGE_COLUMNS, images),
        lookup.KUBERNETES_VERSIONS: make(
            _header(VERSIONS_ABOUT, "EKS DescribeClusterVersions"), VERSION_COLUMNS, versions
        ),
    }


def _header(about: str, source: str) -> Header:
    return Header(
        about=about,
        date=datetime.now(tz=UTC).date().isoformat(),
        source=source,
        licence="facts from the AWS API",
        tool="springtide catalog refresh --live",
    )


def _versions(eks: Any) -> Iterator[dict[str, Any]]:
    for page in eks.get_paginator("describe_cluster_versions").paginate():
        for answer in page["clusterVersions"]:
            yield {
                "version": answer["clusterVersion"],
                "standard_support_ends": answer["endOfStandardSupportDate"].astimezone(UTC).date().isoformat(),
                "extended_support_ends": answer["endOfExtendedSupportDate"].astimezone(UTC).date().isoformat(),
            }


def _by_minor(row: dict[str, Any]) -> list[int]:
    return [int(part) for part in row["version"].split(".")]


def _images(ssm: Any, versions: list[str]) -> Iterator[dict[str, Any]]:
    """A row for each variant and release; a variant that Bottlerocket does not publish has none."""
    for version, gpu in product(versions, (False, True)):
        variant = f"aws-k8s-{version}{'-nvidia' if gpu else ''}"
        found = sorted((release, name) for name in ARCHITECTURES if (release := _release(ssm, variant, name)))
        for release, group in groupby(found, key=lambda pair: pair[0]):
            names = [name for _, name in group]
            yield {"os": "bottlerocket", "release": release, "kubernetes": version, "gpu": gpu, "architectures": names}


def _release(ssm: Any, variant: str, architecture: str) -> str:
    name = f"/aws/service/bottlerocket/{variant}/{architecture}/latest/image_version"
    try:
        return str(ssm.get_parameter(Name=name)["Parameter"]["Value"])
    except ssm.exceptions.ParameterNotFound:
        return ""
