"""Remake the catalog's data files: `python -m springtide.catalog.refresh [CLOUD] [--live] [--prices FILE]`.

A cloud's own part is `springtide.catalog.<cloud>.refresh`, with one function `tables`; nothing here knows a cloud.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from springtide.catalog import lookup, prices, table
from springtide.catalog.table import RefreshError, Rows, Table

USAGE = 2


class CloudRefresh(Protocol):
    """What the refresh module of a cloud offers."""

    def tables(self, *, live: bool, old: Mapping[str, Rows]) -> dict[str, Table]:
        """The cloud's tables by file name, from its API or from recorded answers of it; those without either left out."""
        ...


def refresh(
    cloud: str, *, live: bool = False, price_list: Path | None = None, folder: Path = lookup.FOLDER
) -> tuple[Path, ...]:
    """Rewrite the data files of `cloud` and return those that changed.

    Files whose data is the same keep their bytes. Looking things up in the same process afterwards may still answer
    from the data read before.

    Args:
        cloud: Name of a cloud folder of the catalog.
        live: Ask the cloud with the environment's credentials; otherwise take recorded answers, which need none.
        price_list: A price list to take list prices from; see `springtide.catalog.prices`.
        folder: Where the cloud folders lie; the installed catalog by default.

    Raises:
        UnknownNameError: the catalog has no such cloud.
        RefreshError: a package or credentials are missing, the cloud refused, the price list cannot be read, or there
            is nothing to refresh from.
    """
    lookup.require_cloud(cloud)
    target = folder / cloud
    module = cast("CloudRefresh", import_module(f"springtide.catalog.{cloud}.refresh"))
    old = {path.name: table.read(path).records() for path in sorted(target.glob("*.json"))}
    remade = module.tables(live=live, old=old)
    if price_list is not None:
        rows = remade[lookup.MACHINE_TYPES].records() if lookup.MACHINE_TYPES in remade else old[lookup.MACHINE_TYPES]
        machines = {row["name"] for row in rows}
        remade[lookup.PRICES] = prices.merge(old.get(lookup.PRICES, ()), prices.read(price_list, cloud), machines)
    if not remade:
        raise RefreshError(f"{cloud}: no recorded answers to refresh from; give --live or --prices FILE")
    return tuple(target / name for name, item in remade.items() if table.write(target / name, item))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status: 0, 1 when nothing could be remade, 2 for a cloud nobody knows."""
    parser = argparse.ArgumentParser(prog="springtide catalog refresh", description="Remake the catalog's data files.")
    parser.add_argument("cloud", nargs="?", default="aws", help="cloud to refresh (default: aws)")
    parser.add_argument("--live", action="store_true", help="ask the cloud with your credentials")
    parser.add_argument("--prices", type=Path, metavar="FILE", help="price list to take list prices from")
    given = parser.parse_args(arguments)
    try:
        changed = refresh(given.cloud, live=given.live, price_list=given.prices)
    except lookup.UnknownNameError as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    except RefreshError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("".join(f"changed {path.name}\n" for path in changed) or "nothing changed\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
