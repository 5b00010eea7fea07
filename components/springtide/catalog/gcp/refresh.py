"""Remake the GCP tables from Compute Engine's own machineTypes and acceleratorTypes answers.

No recorded answers exist for it, so there is no refresh without credentials. What the API does not say (the name people
use for an accelerator, its memory, networks, ways to buy) is in the present rows and stays; a machine type that is new
takes it from one with the same accelerator, or is marked unusable until somebody has looked.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from importlib import import_module
from itertools import groupby
from typing import Any

from springtide.catalog import lookup, table
from springtide.catalog.model import ATTACHED
from springtide.catalog.table import Header, RefreshError, Rows, Table

ACCELERATED = re.compile(r"[ag]\d+x?-[a-z]+-\d+g?$")
"""Machine types with accelerators of their own, but their variants: without disks (-nolssd), of bare metal (-metal)."""

DISK_GB = 375
"""Size of one local SSD, as Google counts it."""
NEW = "is new to the catalog, which does not know what its pools need"

Answer = Mapping[str, Any]
Place = Mapping[str, Answer]
"""Zone → what it answers of one machine type."""


def tables(*, live: bool, old: Mapping[str, Rows]) -> dict[str, Table]:
    """The tables as Compute Engine answers them now, by file name; none without `live`.

    Args:
        live: Ask Compute Engine with the application-default credentials and their project.
        old: Rows of the present files by file name.

    Raises:
        RefreshError: google-api-python-client is missing, no credentials are found, or Compute Engine refused.
    """
    if not live:
        return {}
    machines, accelerators = _answers()
    known = {row["name"]: row for row in old[lookup.MACHINE_TYPES]}
    rows = [_updated(row, machines.get(_base(name), {})) for name, row in known.items()]
    fresh = [_new(name, place, rows) for name, place in machines.items() if name not in known]
    offered = [row for row in (*rows, *fresh) if row is not None]
    offerings = _offerings(offered, machines, accelerators, old[lookup.OFFERINGS])
    zones = sorted({(region(zone), zone) for place in machines.values() for zone in place})
    remade: dict[str, Rows] = {
        lookup.MACHINE_TYPES: sorted(offered, key=lambda row: str(row["name"])),
        lookup.OFFERINGS: offerings,
        lookup.ZONES: [{"region": where, "zone": zone, "refused": ""} for where, zone in zones],
    }
    return {name: _table(name, rows) for name, rows in remade.items()}


def region(zone: str) -> str:
    """The region of a zone: us-central1 of us-central1-a."""
    return zone.rpartition("-")[0]


def _base(name: str) -> str:
    return name.partition(ATTACHED)[0]


def _table(name: str, rows: Rows) -> Table:
    old = lookup.header("gcp", name)
    header = Header(
        about=old.about,
        date=datetime.now(tz=UTC).date().isoformat(),
        source=f"Compute Engine machineTypes and acceleratorTypes. What they do not say: {old.source}",
        licence="facts from the Compute Engine API",
        tool="springtide catalog refresh gcp --live",
    )
    return table.make(header, table.read(lookup.FOLDER / "gcp" / name).columns, rows)


def _answers() -> tuple[dict[str, Place], dict[str, set[str]]]:
    """What each zone says of each machine type of interest, and the zones of each accelerator."""
    compute, project = _client()
    machines: dict[str, dict[str, Answer]] = {}
    accelerators: dict[str, set[str]] = {}
    try:
        for zone, answer in _listed(compute.machineTypes(), project, "machineTypes"):
            machines.setdefault(answer["name"], {})[zone] = answer
        for zone, answer in _listed(compute.acceleratorTypes(), project, "acceleratorTypes"):
            accelerators.setdefault(answer["name"], set()).add(zone)
    except _failures() as error:
        raise RefreshError(f"cannot read Google's answers: {error}") from error
    kept = {_base(row["name"]) for row in lookup.records("gcp", lookup.MACHINE_TYPES)}
    return {name: place for name, place in machines.items() if name in kept or ACCELERATED.match(name)}, accelerators


def _client() -> tuple[Any, str]:
    """Compute Engine, and the project to ask for."""
    auth, discovery = _module("google.auth"), _module("googleapiclient.discovery")
    try:
        credentials, project = auth.default(scopes=["https://www.googleapis.com/auth/compute.readonly"])
    except import_module("google.auth.exceptions").DefaultCredentialsError as error:
        raise RefreshError(
            "no Google credentials found: run `gcloud auth application-default login`, then run it again"
        ) from error
    if not project:
        raise RefreshError("the Google credentials name no project: set GOOGLE_CLOUD_PROJECT")
    return discovery.build("compute", "v1", credentials=credentials, cache_discovery=False), project


def _failures() -> tuple[type[Exception], ...]:
    """What the client raises: refusals, credentials that have run out, a network that is not there."""
    return (
        import_module("googleapiclient.errors").Error,
        import_module("google.auth.exceptions").GoogleAuthError,
        import_module("httplib2.error").HttpLib2Error,
        OSError,
    )


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise RefreshError(f"{name} is not installed; it comes with springtide") from error


def _listed(collection: Any, project: str, key: str) -> Iterator[tuple[str, Answer]]:
    """(zone, item) of every page of an aggregated list."""
    request = collection.aggregatedList(project=project)
    while request is not None:
        page = request.execute()
        for place, found in page["items"].items():
            yield from ((place.removeprefix("zones/"), item) for item in found.get(key, ()))
        request = collection.aggregatedList_next(previous_request=request, previous_response=page)


def _updated(row: Answer, place: Place) -> dict[str, Any]:
    """The row with what the API says of it; as it is where no zone offers it."""
    return {**row, **_described(next(iter(place.values())))} if place else dict(row)


def _described(answer: Answer) -> dict[str, Any]:
    disks = answer.get("bundledLocalSsds", {}).get("partitionCount", 0)
    return {
        "vcpus": answer["guestCpus"],
        "memory_mib": answer["memoryMb"],
        "local_ssds": disks,
        "local_disk_gb": disks * DISK_GB,
    }


def _new(name: str, place: Place, known: Rows) -> dict[str, Any] | None:
    """A row for a machine type that is not in the catalog yet, or None where it has no accelerator."""
    answer = next(iter(place.values()))
    if not answer.get("accelerators"):
        return None
    accelerator, count = (answer["accelerators"][0][key] for key in ("guestAcceleratorType", "guestAcceleratorCount"))
    alike = next((row for row in known if row["accelerator"] == accelerator and row["gpus"]), None)
    blank = {"gpu": accelerator, "gpu_memory_mib": 0, "driver_ceiling": 0, "usage_classes": ["on-demand", "spot"]}
    taken = blank if alike is None else {key: alike[key] for key in blank}
    return {
        **taken,
        **_described(answer),
        "name": name,
        "gpus": count,
        "architecture": str(answer.get("architecture", "x86_64")).lower(),
        "accelerator": accelerator,
        "attachable": False,
        "gpudirect": "",
        "extra_networks": 0,
        "rdma_networks": 0,
        "unusable": NEW if alike is None or name.startswith("a") else "",
    }


def _offerings(
    machines: Iterable[Answer],
    places: Mapping[str, Place],
    accelerators: Mapping[str, set[str]],
    old: Rows,
) -> list[dict[str, Any]]:
    """Zones by machine type and region; those of a machine type that the answer lacks stay as they were."""
    found: list[dict[str, Any]] = []
    for row in machines:
        name = row["name"]
        zones = set(places.get(_base(name), ()))
        if not zones:
            found += (dict(item) for item in old if item["machine_type"] == name)
            continue
        having = zones & accelerators.get(row["accelerator"], set()) if row["attachable"] else zones
        found += (
            {"machine_type": name, "region": where, "zones": list(group)}
            for where, group in groupby(sorted(having, key=lambda zone: (region(zone), zone)), key=region)
        )
    return sorted(found, key=lambda item: (item["machine_type"], item["region"]))
