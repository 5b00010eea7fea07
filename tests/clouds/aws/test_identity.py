"""Who may use what: rights on prefixes of buckets, and none on what is mounted; `test_rendering` shows a service's own."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.recordings import Recorded, of_file

from springtide.clouds.aws.identity import identity, statements
from springtide.identity import Grant

ARN = "arn:aws:s3:::bucket"
PREFIXES = st.from_regex(r"[a-z0-9-]{1,8}(/[a-z0-9-]{1,8}){0,3}", fullmatch=True)


@pytest.fixture(scope="module")
def files() -> Recorded:
    return of_file("files")


def test_a_run_on_mounted_storage_alone_has_no_identity_in_the_cloud(files: Recorded) -> None:
    """It reads Lustre and writes EFS, which it may because they are mounted."""
    assert {item.name for item in files.all("WorkloadIdentity")} == {"gpt-first"}
    assert [item.name for item in files.all("Role") if item.name == "notes-first"] == []


def test_a_run_with_data_on_a_file_system_has_rights_on_its_bucket_only(files: Recorded) -> None:
    policy = json.loads(files.one("RolePolicy", "gpt-first").inputs["policy"])["Statement"]
    arn = "arn:aws:s3:::springtide-files-artifacts-123456789012"
    assert {name for statement in policy for name in statement["Resource"]} == {arn, f"{arn}/jobs/gpt/first/*"}


def test_a_grant_on_something_mounted_makes_nothing() -> None:
    mounted: Any = [Grant(resource="", prefix="jobs/gpt", write=True)]
    unused: Any = None
    made = identity("gpt", "gpt", mounted, unused, unused)
    assert (dict(made.annotations), list(made.ready)) == ({}, [])


def allows(policy: list[dict[str, Any]], action: str, resource: str, listed: str | None = None) -> bool:
    """Whether the statements allow an action, as IAM reads them: `*` is any text."""
    return any(
        action in statement["Action"]
        and any(_like(resource, pattern) for pattern in statement["Resource"])
        and (
            "Condition" not in statement
            or any(_like(listed, pattern) for pattern in statement["Condition"]["StringLike"]["s3:prefix"])
        )
        for statement in policy
    )


def _like(value: str | None, pattern: str) -> bool:
    if value is None:
        return False
    return value.startswith(pattern.removesuffix("*")) if pattern.endswith("*") else value == pattern


@given(mine=PREFIXES, other=PREFIXES, name=PREFIXES, write=st.booleans())
def test_a_grant_reaches_all_below_its_prefix_and_nothing_beside_it(
    mine: str, other: str, name: str, *, write: bool
) -> None:
    policy = statements(Grant(resource=ARN, prefix=mine, write=write), ARN)
    assert allows(policy, "s3:GetObject", f"{ARN}/{mine}/{name}")
    assert allows(policy, "s3:PutObject", f"{ARN}/{mine}/{name}") == write
    # S3 compares the name of a missing object with the condition on listing, and says 404 where it fits.
    assert allows(policy, "s3:ListBucket", ARN, listed=f"{mine}/{name}")
    assert allows(policy, "s3:ListBucket", ARN, listed=f"{mine}/")
    inside = f"{other}/".startswith(f"{mine}/")
    assert allows(policy, "s3:GetObject", f"{ARN}/{other}/x") == inside
    assert allows(policy, "s3:ListBucket", ARN, listed=f"{other}/") == inside
    assert not allows(policy, "s3:ListBucket", ARN, listed="")
    assert not allows(policy, "s3:DeleteBucket", ARN)


def test_a_name_that_only_begins_alike_is_another_prefix() -> None:
    policy = statements(Grant(resource=ARN, prefix="jobs/gpt", write=True), ARN)
    assert not allows(policy, "s3:GetObject", f"{ARN}/jobs/gpt-2/secret")
    assert not allows(policy, "s3:ListBucket", ARN, listed="jobs/gpt-2/")
