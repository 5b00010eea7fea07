"""What only a real account answers, with AWS's answers in AWS's form."""

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.session import get_session
from botocore.stub import Stubber

from springtide.catalog import lookup, table
from springtide.catalog.aws import account
from springtide.catalog.table import Table

PREFIX = "/aws/service/bottlerocket/aws-k8s-"


def client(service: str) -> Any:
    return get_session().create_client(
        service, region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none"
    )


def version(name: str, year: int) -> dict[str, Any]:
    return {
        "clusterVersion": name,
        "endOfStandardSupportDate": datetime(year, 3, 27, 12, tzinfo=UTC),
        "endOfExtendedSupportDate": datetime(year + 1, 3, 27, 12, tzinfo=UTC),
    }


@pytest.fixture
def answered() -> dict[str, Table]:
    eks, ssm = client("eks"), client("ssm")
    with Stubber(eks) as versions, Stubber(ssm) as parameters:
        versions.add_response(
            "describe_cluster_versions", {"clusterVersions": [version("1.10", 2028), version("1.9", 2027)]}
        )
        for name, release in (
            ("1.9/arm64", "1.2.3-aaaaaaaa"), ("1.9/x86_64", "1.2.3-aaaaaaaa"),
            ("1.9-nvidia/arm64", "1.2.3-aaaaaaaa"), ("1.9-nvidia/x86_64", "1.2.4-bbbbbbbb"),
            ("1.10/arm64", ""), ("1.10/x86_64", "1.2.4-bbbbbbbb"),
            ("1.10-nvidia/arm64", ""), ("1.10-nvidia/x86_64", ""),
        ):  # fmt: skip
            asked = {"Name": f"{PREFIX}{name}/latest/image_version"}
            if release:
                parameters.add_response("get_parameter", {"Parameter": {"Value": release}}, asked)
            else:
                parameters.add_client_error("get_parameter", "ParameterNotFound", expected_params=asked)
        clients = {"eks": eks, "ssm": ssm}
        session = type("Session", (), {"client": lambda _, service, region_name: clients[service]})  # noqa: ARG005  boto3's signature
        found = account.tables(session())
        parameters.assert_no_pending_responses()
        return found


def test_versions_are_in_the_order_of_their_minor(answered: dict[str, Table]) -> None:
    assert answered[lookup.KUBERNETES_VERSIONS].rows == (
        ("1.9", "2027-03-27", "2028-03-27"),
        ("1.10", "2028-03-27", "2029-03-27"),
    )


def test_a_variant_has_a_row_for_each_release_and_none_where_it_is_not_published(answered: dict[str, Table]) -> None:
    assert answered[lookup.NODE_IMAGES].rows == (
        ("bottlerocket", "1.2.3-aaaaaaaa", "1.9", False, ["arm64", "x86_64"]),
        ("bottlerocket", "1.2.3-aaaaaaaa", "1.9", True, ["arm64"]),
        ("bottlerocket", "1.2.4-bbbbbbbb", "1.9", True, ["x86_64"]),
        ("bottlerocket", "1.2.4-bbbbbbbb", "1.10", False, ["x86_64"]),
    )


def test_what_an_account_answers_has_the_shape_of_the_shipped_files(answered: dict[str, Table]) -> None:
    for name, found in answered.items():
        shipped = table.read(lookup.FOLDER / "aws" / name)
        assert (found.columns, found.header.about) == (shipped.columns, shipped.header.about)
