"""Who a workload is: nobody in particular. Its storage is a folder of this machine."""

from collections.abc import Sequence

import pulumi

from springtide.clouds import IdentityParts
from springtide.cluster import ClusterRef
from springtide.identity import Grant


def identity(
    name: str, account: str, grants: Sequence[Grant], cluster: ClusterRef, parent: pulumi.Resource  # noqa: ARG001
) -> IdentityParts:  # fmt: skip
    """Nothing: no cloud's rights are needed, and none are kept."""
    return IdentityParts(annotations={}, ready=())
