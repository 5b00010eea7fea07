"""Remake the AWS tables from EC2's own DescribeInstanceTypes and DescribeInstanceTypeOfferings answers."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from itertools import groupby
from typing import Any

from springtide.catalog import lookup
from springtide.catalog.aws import account
from springtide.catalog.table import Header, RefreshError, Rows, Table, make

ACCELERATED = re.compile(r"(g([4-9]|\d\d)|gr\d|p([3-9]|\d\d)|inf\d|trn\d)[^.]*\.")
"""Families that carry an accelerator, or may. Older ones (g2, g3, p2) are too old for today's CUDA."""

SYSTEM = re.compile(r"(t3|t4g|m6i|m6g|m7i|m7g)\.(medium|large|xlarge|2xlarge)$")
"""Machines without one that the catalog keeps: enough for a cluster's system nodes, on both architectures."""

GPU_NAMES: Mapping[tuple[str, int], str] = {
    ("A100", 81920): "A100-80GB",
    ("V100", 32768): "V100-32GB",
    ("RTX PRO 4500", 32768): "RTX-PRO-4500",
    ("RTX PRO Server 6000", 98304): "RTX-PRO-6000",
}
"""(EC2's name, MiB of memory) → the name users write, where EC2's own is ambiguous or has spaces."""

FRACTION = "has a fraction of one GPU, and the device plugin counts whole GPUs only"
NEURON = "needs AWS Neuron instead of CUDA, for which Springtide has no images yet"
UNUSABLE_FAMILIES = {
    "g7": "boots with NVIDIA driver 595 only and the pinned Bottlerocket release has 580:"
    " github.com/bottlerocket-os/bottlerocket/issues/4889",
}
DRIVER_FLOORS = {"g7": 595}
DRIVER_CEILINGS = dict.fromkeys(("p3dn", "g6f", "gr6f"), 580)
"""Family → branch of the NVIDIA driver: awslabs/amazon-eks-ami doc/usage/g7-ami.md (595, and what it does not serve)."""

EKS_REFUSES = "EKS takes no subnet in this zone: docs.aws.amazon.com/eks/latest/userguide/network-reqs.html"
REFUSED_ZONES = {"use1-az3": "us-east-1", "usw1-az2": "us-west-1", "cac1-az3": "ca-central-1"}

ABOUT = {
    lookup.MACHINE_TYPES: "One machine type a row. gpu_memory_mib: of one accelerator, or of the fraction."
    " network_cards: runs of equal cards, [cards, interfaces per card, interface types].",
    lookup.OFFERINGS: "Zone ids in which a region offers a machine type, before EKS's own refusals.",
    lookup.ZONES: "Zone ids that offer a machine type of this catalog; refused: why a cluster cannot use one.",
}
COLUMNS: Mapping[str, Sequence[str]] = {
    lookup.MACHINE_TYPES: (
        "name", "gpu", "gpus", "gpu_memory_mib", "vcpus", "memory_mib", "local_disk_gb", "architecture", "efa_max",
        "driver_floor", "driver_ceiling", "usage_classes", "network_cards", "unusable",
    ),
    lookup.OFFERINGS: ("machine_type", "region", "zones"),
    lookup.ZONES: ("region", "zone", "refused"),
}  # fmt: skip


def tables(*, live: bool, old: Mapping[str, Rows]) -> dict[str, Table]:
    """The tables as EC2 answers them now, by file name.

    Args:
        live: Ask EC2 with the environment's credentials; otherwise take moto's recorded answers.
        old: Rows of the present files by file name. Regions that the account has not enabled keep theirs.

    Raises:
        RefreshError: boto3 or moto is missing, no credentials are found, or EC2 refused.
    """
    with _session(live=live) as session:
        offerings = _offerings(session)
        machines = _machines(session, {row["machine_type"]: row["region"] for row in offerings})
        others = account.tables(session) if live else {}
    known = {row["name"]: row for row in (*old.get(lookup.MACHINE_TYPES, ()), *machines)}
    everywhere = _with_unseen_regions(offerings, old.get(lookup.OFFERINGS, ()))
    kept = [row for row in everywhere if row["machine_type"] in known]
    rows: dict[str, Rows] = {
        lookup.MACHINE_TYPES: [known[name] for name in sorted({row["machine_type"] for row in kept})],
        lookup.OFFERINGS: kept,
        lookup.ZONES: _zones(kept),
    }
    return others | {name: make(_header(ABOUT[name], live=live), COLUMNS[name], rows[name]) for name in rows}


def _header(about: str, *, live: bool) -> Header:
    calls = "EC2 DescribeInstanceTypes and DescribeInstanceTypeOfferings"
    return Header(
        about=about,
        date=datetime.now(tz=UTC).date().isoformat() if live else None,
        source=calls if live else f"{calls} as recorded, undated, in moto {version('moto')}",
        licence="facts from the AWS API" if live else "Apache-2.0 (moto)",
        tool="springtide catalog refresh",
    )


@contextmanager
def _session(*, live: bool) -> Iterator[Any]:
    """A boto3 session with the real account, or inside moto; every failure as a `RefreshError`."""
    boto3 = _module("boto3")
    failures = import_module("botocore.exceptions")
    try:
        if live:
            yield boto3.Session()
        else:
            with _module("moto").mock_aws():
                yield boto3.Session()
    except failures.NoCredentialsError as error:
        raise RefreshError("no AWS credentials found: log in or set AWS_PROFILE, then run it again") from error
    except (failures.BotoCoreError, failures.ClientError) as error:
        raise RefreshError(f"cannot read AWS's answers: {error}") from error


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise RefreshError(f"{name} is not installed: pip install 'springtide[dev]'") from error


def _offerings(session: Any) -> list[dict[str, Any]]:
    """Zones by machine type and region, ascending, in every region the account has enabled."""
    home = session.client("ec2", region_name="us-east-1")
    names = [name for name in home.meta.service_model.shape_for("InstanceType").enum if wanted(name)]
    found = sorted(
        (answer["InstanceType"], region["RegionName"], answer["Location"])
        for region in home.describe_regions()["Regions"]
        for answer in _offered_in(session, region["RegionName"], names)
    )
    return [
        {"machine_type": name, "region": region, "zones": [zone for _, _, zone in group]}
        for (name, region), group in groupby(found, key=lambda row: row[:2])
    ]


def wanted(name: str) -> bool:
    """Whether the catalog keeps the machine type, judged by its name alone."""
    return bool(ACCELERATED.match(name) or SYSTEM.match(name))


def _offered_in(session: Any, region: str, names: Sequence[str]) -> Iterable[Mapping[str, str]]:
    pages = session.client("ec2", region_name=region).get_paginator("describe_instance_type_offerings")
    for part in _chunks(names, 200):  # the most values that EC2 takes in one filter
        wanted_names = [{"Name": "instance-type", "Values": part}]
        for page in pages.paginate(LocationType="availability-zone-id", Filters=wanted_names):
            yield from page["InstanceTypeOfferings"]


def _machines(session: Any, region_of: Mapping[str, str]) -> list[dict[str, Any]]:
    """A row for each machine type, described in a region that offers it; those with another maker's GPU left out."""
    found: list[dict[str, Any]] = []
    for region in sorted(set(region_of.values())):
        client = session.client("ec2", region_name=region)
        for part in _chunks([name for name in region_of if region_of[name] == region], 100):
            found += (machine(answer) for answer in client.describe_instance_types(InstanceTypes=part)["InstanceTypes"])
    return [row for row in found if row["gpu"] or SYSTEM.match(row["name"])]


def machine(answer: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the machine types' table from one item of EC2's answer."""
    network = answer["NetworkInfo"]
    family = answer["InstanceType"].split(".")[0]
    return {
        "name": answer["InstanceType"],
        **_accelerator(answer),
        "vcpus": answer["VCpuInfo"]["DefaultVCpus"],
        "memory_mib": answer["MemoryInfo"]["SizeInMiB"],
        "local_disk_gb": answer.get("InstanceStorageInfo", {}).get("TotalSizeInGB", 0),
        "architecture": answer["ProcessorInfo"]["SupportedArchitectures"][-1],
        "efa_max": network.get("EfaInfo", {}).get("MaximumEfaInterfaces", 0),
        "driver_floor": DRIVER_FLOORS.get(family, 0),
        "driver_ceiling": DRIVER_CEILINGS.get(family, 0),
        "usage_classes": sorted(answer["SupportedUsageClasses"]),
        "network_cards": _runs(network["NetworkCards"]),
    }


def _accelerator(answer: Mapping[str, Any]) -> dict[str, Any]:
    nvidia = [gpu for gpu in answer.get("GpuInfo", {}).get("Gpus", ()) if gpu["Manufacturer"] == "NVIDIA"]
    neuron = answer.get("NeuronInfo", {}).get("NeuronDevices", [])
    devices = [*nvidia, *neuron]
    if not devices:
        return {"gpu": "", "gpus": 0, "gpu_memory_mib": 0, "unusable": ""}
    count, memory = devices[0]["Count"], devices[0]["MemoryInfo"]["SizeInMiB"]
    family = answer["InstanceType"].split(".")[0]
    reasons = ((bool(neuron), NEURON), (count == 0, FRACTION), (True, UNUSABLE_FAMILIES.get(family, "")))
    return {
        "gpu": GPU_NAMES.get((devices[0]["Name"], memory), devices[0]["Name"]),
        "gpus": count,
        "gpu_memory_mib": memory,
        "unusable": next(reason for holds, reason in reasons if holds),
    }


def _runs(cards: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    """Network cards in the order of their index, equal neighbours counted."""
    alike = [
        (card["MaximumNetworkInterfaces"], list(card["InterfaceTypes"]))
        for card in sorted(cards, key=lambda card: int(card["NetworkCardIndex"]))
    ]
    return [[len(list(group)), most, types] for (most, types), group in groupby(alike)]


def _with_unseen_regions(fresh: list[dict[str, Any]], old: Rows) -> list[dict[str, Any]]:
    seen = {row["region"] for row in fresh}
    kept = (dict(row) for row in old if row["region"] not in seen)
    return sorted((*fresh, *kept), key=lambda row: (row["machine_type"], row["region"]))


def _zones(offerings: Rows) -> Rows:
    found = {(row["region"], zone) for row in offerings for zone in row["zones"]}
    refused = {(region, zone) for zone, region in REFUSED_ZONES.items()}
    return [
        {"region": region, "zone": zone, "refused": EKS_REFUSES if (region, zone) in refused else ""}
        for region, zone in sorted(found | refused)
    ]


def _chunks(items: Sequence[str], size: int) -> Iterator[list[str]]:
    return (list(items[start : start + size]) for start in range(0, len(items), size))
