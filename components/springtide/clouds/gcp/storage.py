"""A bucket that is private, versioned and tidied, under a name that says whose it is."""

import pulumi
import pulumi_gcp as gcp

from springtide.clouds import StorageParts
from springtide.clouds.gcp.services import enabled
from springtide.component import after, child_of
from springtide.environment import EnvironmentRef
from springtide.spec import Finding, StorageSpec, refuse

ABORT_UPLOADS_AFTER_DAYS = 7
LONGEST_NAME = 63
"""Of a bucket without dots (Cloud Storage's naming rules)."""
RESERVED = ("google", "g00gle")
"""What no bucket's name may hold (the same rules)."""


def bucket(name: str, spec: StorageSpec, place: EnvironmentRef, parent: pulumi.Resource) -> StorageParts:
    """A Cloud Storage bucket.

    Google encrypts it with keys of its own. Superseded versions are what protects from a slip; soft deletion would be
    paid for on top of them. A hierarchical namespace would rule versions out.
    """
    bucket_name = _bucket_name(place["name"], name, place["account"])
    apis = enabled(["storage"], child_of(parent), f"{name}-")
    superseded = [] if spec.expire_days is None else [_superseded(spec.expire_days)]
    made = gcp.storage.Bucket(
        name,
        name=bucket_name,
        location=place["region"].upper(),
        storage_class="STANDARD",
        uniform_bucket_level_access=True,
        public_access_prevention="enforced",
        versioning={"enabled": True},
        soft_delete_policy={"retention_duration_seconds": 0},
        lifecycle_rules=[_abandoned_uploads(), *superseded],
        force_destroy=False,
        opts=child_of(parent, depends_on=apis, protect=spec.protected),
    )
    return StorageParts(url=bucket_url(place["name"], name, place["account"]), resource=after(bucket_name, made))


def bucket_url(environment: str, name: str, account: str) -> str:
    """Address of a bucket of an environment, known without the bucket."""
    return f"gs://{_bucket_name(environment, name, account)}"


def bucket_findings(environment: str, name: str, account: str) -> list[Finding]:
    """What is wrong with the name that a bucket would have."""
    bucket_name = _bucket_name(environment, name, account)
    return [*_too_long(bucket_name), *_reserved(bucket_name)]


def _bucket_name(environment: str, name: str, account: str) -> str:
    return f"springtide-{environment}-{name}-{account}"


def _too_long(bucket_name: str) -> list[Finding]:
    if len(bucket_name) <= LONGEST_NAME:
        return []
    message = f"its bucket would be called {bucket_name!r}, {len(bucket_name)} characters; Cloud Storage takes {LONGEST_NAME}."
    fix = f"shorten its name, or the environment's, by {len(bucket_name) - LONGEST_NAME}"
    return [refuse("gcp/bucket-name", "", bucket_name, message, fix)]


def _reserved(bucket_name: str) -> list[Finding]:
    return [
        refuse(
            "gcp/bucket-name",
            "",
            bucket_name,
            f"its bucket would be called {bucket_name!r}, and no bucket's name may hold {word!r}.",
            "rename the storage, or the environment",
        )
        for word in RESERVED
        if word in bucket_name
    ]


def _abandoned_uploads() -> gcp.storage.BucketLifecycleRuleArgsDict:
    return {
        "action": {"type": "AbortIncompleteMultipartUpload"},
        "condition": {"age": ABORT_UPLOADS_AFTER_DAYS},
    }


def _superseded(days: int) -> gcp.storage.BucketLifecycleRuleArgsDict:
    return {
        "action": {"type": "Delete"},
        "condition": {"days_since_noncurrent_time": days, "with_state": "ARCHIVED"},
    }
