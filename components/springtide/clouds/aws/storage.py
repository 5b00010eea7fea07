"""A bucket that is private, encrypted, versioned and tidied, under a name that says whose it is."""

import pulumi
import pulumi_aws as aws

from springtide.clouds import StorageParts
from springtide.clouds.aws.roles import document
from springtide.component import after, child_of
from springtide.environment import EnvironmentRef
from springtide.spec import Finding, StorageSpec, refuse

ABORT_UPLOADS_AFTER_DAYS = 7
LONGEST_NAME = 63
"""Of a bucket (S3's naming rules)."""


def bucket(name: str, spec: StorageSpec, place: EnvironmentRef, parent: pulumi.Resource) -> StorageParts:
    """An S3 bucket.

    The name is ours and known in a preview, so that access rules can be read by a reviewer; the account id makes it
    unique in the world. S3 encrypts it with keys of its own: a key of ours would cost by the request, would have to be
    granted to every workload and to each file system that is linked to it, and would take all data along when it goes. S3
    deletes no bucket with anything in it, superseded versions included: a destroy stops there, and whoever means it
    empties the bucket first.
    """
    inside = child_of(parent)
    bucket_name = _bucket_name(place["name"], name, place["account"])
    arn = f"arn:aws:s3:::{bucket_name}"
    made = aws.s3.Bucket(name, bucket=bucket_name, opts=child_of(parent, protect=spec.protected))
    private = aws.s3.BucketPublicAccessBlock(
        name,
        bucket=made.bucket,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        opts=inside,
    )
    owned = aws.s3.BucketOwnershipControls(
        name, bucket=made.bucket, rule={"object_ownership": "BucketOwnerEnforced"}, opts=inside
    )
    encrypted = aws.s3.BucketServerSideEncryptionConfiguration(
        name,
        bucket=made.bucket,
        rules=[{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}],
        opts=inside,
    )
    versioned = aws.s3.BucketVersioning(
        name, bucket=made.bucket, versioning_configuration={"status": "Enabled"}, opts=inside
    )
    aws.s3.BucketLifecycleConfiguration(
        name,
        bucket=made.bucket,
        rules=[_abandoned_uploads(), *([] if spec.expire_days is None else [_superseded(spec.expire_days)])],
        opts=child_of(parent, depends_on=[versioned]),
    )
    guarded = aws.s3.BucketPolicy(
        name, bucket=made.bucket, policy=_only_encrypted_connections(arn), opts=child_of(parent, depends_on=[private])
    )
    whole = (made, private, owned, encrypted, versioned, guarded)
    return StorageParts(url=bucket_url(place["name"], name, place["account"]), resource=after(arn, *whole))


def bucket_findings(environment: str, name: str, account: str) -> list[Finding]:
    """What is wrong with the name that a bucket would have."""
    bucket_name = _bucket_name(environment, name, account)
    if len(bucket_name) <= LONGEST_NAME:
        return []
    message = f"its bucket would be called {bucket_name!r}, {len(bucket_name)} characters; S3 takes {LONGEST_NAME}."
    fix = f"shorten its name, or the environment's, by {len(bucket_name) - LONGEST_NAME}"
    return [refuse("aws/bucket-name", "", name, message, fix)]


def bucket_url(environment: str, name: str, account: str) -> str:
    """Address of a bucket of an environment."""
    return f"s3://{_bucket_name(environment, name, account)}"


def _bucket_name(environment: str, name: str, account: str) -> str:
    return f"springtide-{environment}-{name}-{account}"


def _abandoned_uploads() -> aws.s3.BucketLifecycleConfigurationRuleArgsDict:
    return {
        "id": "abandoned-uploads",
        "status": "Enabled",
        "filter": {"prefix": ""},
        "abort_incomplete_multipart_upload": {"days_after_initiation": ABORT_UPLOADS_AFTER_DAYS},
    }


def _superseded(days: int) -> aws.s3.BucketLifecycleConfigurationRuleArgsDict:
    return {
        "id": "superseded-versions",
        "status": "Enabled",
        "filter": {"prefix": ""},
        "noncurrent_version_expiration": {"noncurrent_days": days},
    }


def _only_encrypted_connections(arn: str) -> str:
    return document(
        {
            "Sid": "OnlyEncryptedConnections",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [arn, f"{arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    )
