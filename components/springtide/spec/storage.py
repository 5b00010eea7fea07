"""A place for checkpoints, models and data."""

from springtide.spec.checks import at_least, one_of, spec
from springtide.spec.finding import Finding, refuse

STORAGE_KINDS = ("bucket", "lustre", "shared")
KINDS_OF = {
    "expire_days": ("bucket",),
    "size_gib": ("lustre", "shared"),
    "mbps_per_tib": ("lustre",),
    "linked_bucket": ("lustre",),
}
"""Keys that mean something for some kinds only."""


@spec
class StorageSpec:
    """A place for checkpoints, models and data."""

    kind: str
    expire_days: int | None = None
    size_gib: int | None = None
    mbps_per_tib: int | None = None
    linked_bucket: str | None = None
    """Name of the bucket whose objects are files of a Lustre file system, and which gets what is written there."""
    protect: bool | None = None

    @property
    def protected(self) -> bool:
        """Whether a destroy is refused: as said, else for file systems, whose deletion S3's own refusal does not stop."""
        return self.kind != "bucket" if self.protect is None else self.protect

    def findings(self) -> list[Finding]:
        """What is impossible about this storage on every cloud."""
        given = {key: getattr(self, key) for key in KINDS_OF if getattr(self, key) is not None}
        bounded = [
            found for key, value in given.items() if isinstance(value, int) for found in at_least(f"/{key}", value, 1)
        ]
        return [*one_of("/kind", self.kind, STORAGE_KINDS), *self._meaningless(given), *self._sizeless(), *bounded]

    def _meaningless(self, given: dict[str, object]) -> list[Finding]:
        return [
            refuse(
                "spec/storage-kind", f"/{key}", value, f"{key} means nothing for a {self.kind}.",
                f"remove it, or use kind {' or '.join(KINDS_OF[key])}",
            )
            for key, value in given.items()
            if self.kind in STORAGE_KINDS and self.kind not in KINDS_OF[key]
        ]  # fmt: skip

    def _sizeless(self) -> list[Finding]:
        if self.kind != "lustre" or self.size_gib is not None:
            return []
        message = "no cloud has a Lustre file system that grows by itself."
        return [refuse("spec/storage-size", "/size_gib", None, message, "write how many GiB it holds")]
