"""Dated list prices of machines, read from the price lists that people publish.

Two formats: a CSV file with the columns `cloud, region, instance_type, od_usd_h, spot_usd_h, snapshot` and, if it
likes, `source` (an empty figure means unknown; further columns are ignored), and the Go table that
karpenter-provider-aws generates from AWS's own price list, `pkg/providers/pricing/zz_generated.pricing_aws.go`.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from springtide.catalog import table
from springtide.catalog.model import Capacity
from springtide.catalog.table import Header, RefreshError, Table

COLUMNS = ("machine_type", "region", "capacity", "usd_per_hour", "date", "source")
ABOUT = "List price in USD of one machine for one hour, Linux, shared tenancy, before tax. What is absent is unknown."
KARPENTER_AWS = "karpenter-provider-aws"
KARPENTER_GCP = "karpenter-provider-gcp"
CITATIONS = {
    KARPENTER_AWS: "AWS's price list as generated into github.com/aws/karpenter-provider-aws"
    " pkg/providers/pricing/zz_generated.pricing_aws.go (Apache-2.0)",
    KARPENTER_GCP: "Google's price list as generated into github.com/cloudpilot-ai/karpenter-provider-gcp"
    " pkg/providers/pricing/initial-prices.json (Apache-2.0)",
}
"""Where the figures of a source can be looked up; a source without an entry is cited by its own name."""

Row = Mapping[str, Any]


def read(path: Path, cloud: str) -> list[Row]:
    """Prices of `cloud` in the price list, each with its date and source.

    Raises:
        RefreshError: the file is missing, in neither format, or holds no price of `cloud`.
    """
    reader = READERS.get(path.suffix)
    if reader is None:
        raise RefreshError(f"{path.name}: a price list ends in {' or '.join(READERS)}")
    try:
        found = [row for owner, row in reader(path) if owner == cloud]
    except OSError as error:
        raise RefreshError(f"{path}: cannot be read: {error.strerror}") from error
    except (KeyError, ValueError) as error:
        raise RefreshError(f"{path}: not a price list: {error}") from error
    if not found:
        raise RefreshError(f"{path}: holds no price of {cloud}")
    return found


def merge(old: Iterable[Row], fresh: Iterable[Row], machine_types: AbstractSet[str]) -> Table:
    """The price table with `fresh` in it: for known machine types only, newer figures in place of older ones."""
    known = [row for row in (*old, *fresh) if row["machine_type"] in machine_types]
    latest = {(row["machine_type"], row["region"], row["capacity"]): row for row in known}
    rows = [latest[key] for key in sorted(latest)]
    header = Header(
        about=ABOUT,
        date=max((row["date"] for row in rows), default=None),
        source="each row names its own",
        licence="figures are facts; compiled from sources under Apache-2.0",
        tool="springtide catalog refresh --prices",
        sources={name: CITATIONS.get(name, name) for name in sorted({row["source"] for row in rows})},
    )
    return table.make(header, COLUMNS, rows)


def _row(*values: str | float) -> Row:
    return dict(zip(COLUMNS, values, strict=True))


def _csv(path: Path) -> Iterator[tuple[str, Row]]:
    columns = {"od_usd_h": Capacity.ON_DEMAND, "spot_usd_h": Capacity.SPOT}
    with path.open(encoding="utf-8", newline="") as lines:
        for line in csv.DictReader(lines):
            source = line.get("source") or path.name
            for column, capacity in columns.items():
                if line[column]:
                    what = (line["instance_type"], line["region"], capacity.value)
                    yield line["cloud"], _row(*what, float(line[column]), line["snapshot"], source)


def _karpenter(path: Path) -> Iterator[tuple[str, Row]]:
    text = path.read_text(encoding="utf-8")
    generated = re.search(r"generated at (\d{4}-\d\d-\d\d)", text)
    if generated is None:
        raise ValueError("the line `generated at` is missing")
    region = ""
    for name, value in re.findall(r'"([\w.-]+)": (\{|\d[\d.]*)', text):
        if value == "{":
            region = name
        else:
            yield "aws", _row(name, region, Capacity.ON_DEMAND.value, float(value), generated[1], KARPENTER_AWS)


READERS: Mapping[str, Callable[[Path], Iterator[tuple[str, Row]]]] = {".csv": _csv, ".go": _karpenter}
"""File-name ending → reader of (cloud, row) pairs."""
