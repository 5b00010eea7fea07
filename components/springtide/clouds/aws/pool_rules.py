"""What is impossible about a pool on AWS, and what would be silently in vain."""

import re
from collections.abc import Iterable, Sequence

from springtide.catalog import MachineType
from springtide.clouds.aws import efa
from springtide.clouds.aws.ladder import managed, one_rung, rungs
from springtide.ladder import ceiling, label_findings
from springtide.selection import Choice
from springtide.spec import Finding, PoolSpec, Source, refuse

DRIVER = 580
"""Branch of the NVIDIA driver inside the pinned Bottlerocket release (the catalog's node images name the source)."""
_RESERVATION = re.compile(r"cr-[0-9a-f]{8,17}")


def wakes(spec: PoolSpec) -> bool:
    """Whether something makes the first node of this pool: Karpenter does, and nothing scales a managed node group."""
    return not managed(spec)


def most_nodes(spec: PoolSpec, choice: Choice) -> int:
    """Most nodes that the pool can have, over all its rungs."""
    return ceiling(spec, rungs("", spec, choice.zones, ""))


def ladder_findings(spec: PoolSpec) -> list[Finding]:
    """Which order of kinds AWS cannot keep."""
    if managed(spec):
        because = "a capacity block" if spec.reservation_kind == "capacity-block" else "efa_layout legacy"
        message = f"{because} takes a managed node group, and that buys one kind of capacity."
        fix = "name one kind, or make one pool of each"
        return [refuse("aws/ladder", "/capacity", list(spec.capacity), message, fix)]
    if "reserved" not in spec.capacity[1:]:
        return []
    message = "reserved machines are paid for already, and Karpenter takes them before any others."
    order = ["reserved", *(kind for kind in spec.capacity if kind != "reserved")]
    return [refuse("aws/ladder", "/capacity", list(spec.capacity), message, f"write [{', '.join(order)}]")]


def reservation_findings(spec: PoolSpec, choice: Choice) -> list[Finding]:
    """What is wrong with the reservation that a pool names."""
    if spec.reservation_kind == "future":
        message = "AWS has no future reservations of that kind."
        allowed = ("standard", "capacity-block")
        fix = "use standard for a reservation without an end, capacity-block for a block with one"
        return [refuse("aws/reservation-kind", "/reservation_kind", "future", message, fix, allowed=allowed)]
    return [*_named(spec), *(_block(spec, choice) if spec.reservation_kind == "capacity-block" else ())]


def _named(spec: PoolSpec) -> list[Finding]:
    if spec.reservation is not None and _RESERVATION.fullmatch(spec.reservation):
        return []
    value = spec.reservation
    message = "of which reservation?" if value is None else f"{value!r} is no id of a capacity reservation."
    fix = "write the id that `aws ec2 describe-capacity-reservations` shows: reservation: cr-0123456789abcdef0"
    return [refuse("aws/reservation", "/reservation", value, message, fix)]


def _block(spec: PoolSpec, choice: Choice) -> list[Finding]:
    names = [machine.name for machine in choice.machine_types]
    found = []
    if len(choice.zones) > 1:
        found.append(_one_zone(choice, "a capacity block lies in one zone"))
    if len(names) > 1:
        message = f"a capacity block is of one machine type, and these fit: {', '.join(names)}."
        fix = f"name the block's own: machine_types: [{names[0]}]"
        found.append(
            refuse("aws/capacity-block", "/machine_types", list(spec.machine_types), message, fix, allowed=names)
        )
    unsold = [item.name for item in choice.machine_types if "capacity-block" not in item.usage_classes]
    if unsold:
        path, message = "/reservation_kind", f"EC2 sells no capacity blocks of {', '.join(unsold)}."
        fix = "use reservation_kind: standard, or another gpu"
        found.append(refuse("aws/capacity-block", path, "capacity-block", message, fix, source=Source.CATALOG))
    return found


def _one_zone(choice: Choice, because: str) -> Finding:
    fix = f"name it: zones: [{choice.zones[0]}]"
    message = f"{because}, and the pool spans {len(choice.zones)}."
    return refuse("aws/one-zone", "/zones", list(choice.zones), message, fix, allowed=choice.zones)


def efa_findings(spec: PoolSpec, choice: Choice) -> list[Finding]:
    """What cannot go with EFA."""
    without = [machine for machine in choice.machine_types if machine.efa_max == 0]
    having = [machine.name for machine in choice.machine_types if machine.efa_max > 0]
    if without:
        return [_no_efa(spec, without, having)]
    found = []
    # Machines that differ in one layout differ in both; which one is meant may be misspelt, and is said elsewhere then.
    if len({efa.ip_optimised(machine) for machine in choice.machine_types}) > 1:
        message = f"{', '.join(having)} have different network cards, and a pool has one layout of interfaces."
        fix = f"name one: machine_types: [{having[0]}]"
        found.append(refuse("aws/efa-layout", "/machine_types", list(spec.machine_types), message, fix, allowed=having))
    if spec.efa_layout == "legacy" and spec.reservation_kind != "capacity-block" and len(choice.zones) > 1:
        found.append(_one_zone(choice, "efa_layout legacy takes a node group in one zone"))
    return found


def _no_efa(spec: PoolSpec, without: Sequence[MachineType], having: Sequence[str]) -> Finding:
    message = f"{', '.join(machine.name for machine in without)} has no EFA."
    fix = (
        f"name machines that have it: machine_types: [{', '.join(having)}]"
        if having
        else "use fabric: none, or another gpu"
    )
    path, value = ("/machine_types", list(spec.machine_types)) if spec.machine_types else ("/fabric", "efa")
    return refuse("aws/efa", path, value, message, fix, allowed=having, source=Source.CATALOG)


def pool_findings(spec: PoolSpec, choice: Choice, *, version: str, mode: str) -> list[Finding]:  # noqa: ARG001
    """What is impossible about a pool in such a cluster, beyond what its capabilities say."""
    return [
        *_mode(spec, mode),
        *_in_vain(spec),
        *_local_disks(spec),
        *_driver(spec, choice.machine_types),
        *_staying_apart(spec, choice),
        *label_findings("aws", spec.labels),
    ]


def _mode(spec: PoolSpec, mode: str) -> list[Finding]:
    if mode == "standard":
        return []
    message = "GPU pools are not rendered for EKS Auto Mode yet: it has no placement groups, reservations by id or EFA."
    return [refuse("aws/auto-mode", "/gpu", spec.gpu, message, "write cluster.mode: standard, or remove the pool")]


def _in_vain(spec: PoolSpec) -> Iterable[Finding]:
    """Keys that say something about what the pool does not have."""
    rules = (
        (
            spec.efa_layout != "ip-optimised" and spec.fabric != "efa", "efa_layout", "the pool has no EFA",
            "write fabric: efa",
        ),
        (spec.max_run_hours is not None, "max_run_hours", "AWS ends no machine by the clock", "use a cloud with flex-start"),
        (spec.driver != "default", "driver", "Bottlerocket's image holds the driver", "move to a newer node image instead"),
    )  # fmt: skip
    for holds, key, why, fix in rules:
        if holds:
            message = f"{key} does nothing here: {why}."
            yield refuse("aws/in-vain", f"/{key}", getattr(spec, key), message, f"remove {key}, or {fix}")


def _local_disks(spec: PoolSpec) -> list[Finding]:
    if spec.local_disks != "block":
        return []
    message = "nothing on EKS hands raw disks to pods."
    allowed = ("scratch", "none")
    fix = "use scratch: one disk of them all, under every pod's scratch files"
    return [refuse("aws/local-disks", "/local_disks", "block", message, fix, allowed=allowed)]


def _driver(spec: PoolSpec, machines: Iterable[MachineType]) -> list[Finding]:
    return [
        refuse(
            "aws/driver", "/gpu", spec.gpu,
            f"{item.name} takes NVIDIA drivers {item.driver_floor or 'any'} to {item.driver_ceiling or 'any'}, and the "
            f"pinned node image has {DRIVER}.",
            "use another gpu", source=Source.CATALOG,
        )
        for item in machines
        if not driven(item, DRIVER)
    ]  # fmt: skip


def driven(machine: MachineType, driver: int) -> bool:
    """Whether a branch of the driver serves a machine's GPUs."""
    return machine.driver_floor <= driver and (machine.driver_ceiling == 0 or driver <= machine.driver_ceiling)


def _staying_apart(spec: PoolSpec, choice: Choice) -> list[Finding]:
    """Warm nodes of a pool whose machines work together are in one zone; which one, the file must say."""
    if spec.min_nodes == 0 or managed(spec) or not one_rung(spec) or len(choice.zones) <= 1:
        return []
    return [_one_zone(choice, "machines that work together and stay are in one zone")]
