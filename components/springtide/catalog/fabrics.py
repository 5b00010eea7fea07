"""What has to be in an image or on a node for GPUs of several machines to reach each other fast."""

from functools import cache

from springtide.catalog import lookup
from springtide.catalog.model import FabricPart


@cache
def fabric_parts(cloud: str, fabric: str) -> tuple[FabricPart, ...]:
    """Parts of a fabric in the order they are needed; none for a fabric that the cloud does not have.

    Args:
        cloud: Name of a cloud.
        fabric: `efa` on AWS; on GCP a machine type's `gpudirect`: `tcpx`, `tcpxo`, `rdma`.

    Raises:
        UnknownNameError: the catalog has no data on `cloud`.
    """
    rows = [row for row in lookup.records(cloud, lookup.FABRICS) if row["fabric"] == fabric]
    return tuple(
        FabricPart(**{**row, "source": lookup.header(cloud, lookup.FABRICS).sources[row["source"]]}) for row in rows
    )
