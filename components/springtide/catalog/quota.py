"""Which quotas a machine counts against: what has to be asked for before the first node can come."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import groupby
from typing import Any

from springtide.catalog import lookup
from springtide.catalog.model import MachineType, Quota

Row = Mapping[str, Any]
_NETWORK = "network"
"""What a row begins with that is no machine's."""


def quotas(machine_type: MachineType, capacity: str) -> tuple[Quota, ...]:
    """The quotas that one more machine of this type takes from, those of a region first.

    None for reserved capacity: what was promised by name needs no quota
    (github.com/skypilot-org/skypilot pull request 3937). None either where the catalog knows of none, as for most
    machines without an accelerator.

    Args:
        machine_type: A machine type of the catalog.
        capacity: How it is bought: `on-demand`, `spot`, `flex-start`, `queued`, `reserved`.
    """
    bought = [row for row in lookup.records(machine_type.cloud, lookup.QUOTAS) if capacity in row["capacity"]]
    names = (machine_type.name, machine_type.accelerator)
    found = [row for name in names for row in _closest(name, bought)]
    return tuple(_quota(machine_type, row) for row in sorted(found, key=lambda row: row["scope"] != "region"))


def network_quota(cloud: str) -> Quota | None:
    """The quota that one more VPC network takes from; None where the catalog knows of none."""
    rows = [row for row in lookup.records(cloud, lookup.QUOTAS) if row["begins"] == _NETWORK]
    return _read(rows[0], cloud, 1) if rows else None


def _closest(name: str, rows: Iterable[Row]) -> Iterator[Row]:
    """In each scope the row with the longest beginning of `name`: p6 before p, one accelerator before all of them."""
    fitting = sorted((row for row in rows if name.startswith(row["begins"])), key=lambda row: row["scope"])
    for _, group in groupby(fitting, key=lambda row: row["scope"]):
        yield max(group, key=lambda row: len(row["begins"]))


def _quota(machine_type: MachineType, row: Row) -> Quota:
    amounts = {"vCPU": machine_type.vcpus, "GPU": machine_type.gpus}
    return _read(row, machine_type.cloud, amounts[row["unit"]])


def _read(row: Row, cloud: str, amount: int) -> Quota:
    return Quota(
        service=row["service"],
        code=row["code"],
        unit=row["unit"],
        per_machine=amount,
        scope=row["scope"],
        dimensions=tuple((key, value) for key, value in row["dimensions"]),
        verified=row["verified"],
        source=_sources(cloud)[row["source"]],
    )


@cache
def _sources(cloud: str) -> Mapping[str, str]:
    return lookup.header(cloud, lookup.QUOTAS).sources
