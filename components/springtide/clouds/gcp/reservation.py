"""Capacity that was reserved: how a pool names it, and what of it only the cloud knows."""

import re
from typing import Any

from springtide.selection import Choice
from springtide.spec import Finding, Outcome, PoolSpec, Severity, Source, refuse

KEY = "compute.googleapis.com/reservation-name"
_FORM = re.compile(
    r"projects/(?P<project>[a-z][a-z0-9-]{4,28}[a-z0-9])/reservations/[a-z]([a-z0-9-]{0,61}[a-z0-9])?"
    r"(?P<block>/reservationBlocks/[a-z]([a-z0-9-]{0,61}[a-z0-9])?)?"
)
KINDS = ("standard", "future")


def affinity(spec: PoolSpec) -> dict[str, Any]:
    """How a node pool names its reservation: by one value exactly."""
    return {"consume_reservation_type": "SPECIFIC_RESERVATION", "key": KEY, "values": [spec.reservation]}


def reservation_findings(spec: PoolSpec, choice: Choice) -> list[Finding]:
    """What is wrong with the reservation that a pool names."""
    return [*_name(spec), *_zones(spec), *_kind(spec), *_one_machine(spec, choice)]


def shared_block_findings(spec: PoolSpec, account: str) -> list[Finding]:
    """A block of another project's reservation, which GKE cannot use."""
    found = _FORM.fullmatch(spec.reservation or "")
    if found is None or found["block"] is None or found["project"] == account:
        return []
    message = f"GKE uses blocks of reservations of its own project only, and this is {found['project']}'s."
    fix = f"name the reservation without {found['block']}"
    return [refuse("gcp/reservation", "/reservation", spec.reservation, message, fix)]


def unknown_findings(path: str, spec: PoolSpec, choice: Choice) -> list[Finding]:
    """What only the cloud can say of the reservation: whether it is there, and holds such machines."""
    if "reserved" not in spec.capacity:
        return []
    machine = choice.machine_types[0].instance_type
    where = ", ".join(choice.zones)
    close = " and lie close together" if spec.compact else ""
    message = (
        f"whether {spec.reservation} is in {where}, of kind specific, with {machine}{close}, only the cloud knows."
    )
    fix = f"gcloud compute reservations describe {(spec.reservation or '').split('/')[3]} --zone {choice.zones[0]}"
    return [
        Finding(
            rule="gcp/reservation-contents",
            outcome=Outcome.CANNOT_TELL,
            severity=Severity.WARNING,
            source=Source.SPEC,
            message=message,
            fix=fix,
            path=f"{path}/reservation",
            value=spec.reservation,
        )
    ]


def _name(spec: PoolSpec) -> list[Finding]:
    if spec.reservation is None:
        message = "reserved capacity comes from a reservation, and none is named."
        fix = "add reservation: projects/<project>/reservations/<name>, or use other capacity"
        return [refuse("gcp/reservation", "/reservation", None, message, fix)]
    if _FORM.fullmatch(spec.reservation):
        return []
    message = f"{spec.reservation!r} is no reservation's name on GCP."
    fix = "write projects/<project>/reservations/<name>, and /reservationBlocks/<block> for one block of it"
    return [refuse("gcp/reservation", "/reservation", spec.reservation, message, fix)]


def _zones(spec: PoolSpec) -> list[Finding]:
    found = _FORM.fullmatch(spec.reservation or "")
    if not spec.zones:
        message = "a reservation lies in its own zone, and without zones the pool would look for it in others."
        return [refuse("gcp/reservation-zone", "/zones", [], message, "name its zone, such as zones: [us-central1-a]")]
    if found is None or found["block"] is None or len(spec.zones) == 1:
        return []
    message = "a block of a reservation lies in one zone."
    return [refuse("gcp/reservation-zone", "/zones", list(spec.zones), message, "name the zone of the block alone")]


def _kind(spec: PoolSpec) -> list[Finding]:
    if spec.reservation_kind not in KINDS:
        message = f"GCP has no reservation of kind {spec.reservation_kind}."
        path = "/reservation_kind"
        return [refuse("gcp/reservation-kind", path, spec.reservation_kind, message, "use one of them", allowed=KINDS)]
    if spec.reservation_kind != "future" or spec.min_nodes == 0:
        return []
    message = "the reservation has no machines yet, so none can be kept warm."
    fix = "set min_nodes to 0, and to what you want once the reservation has begun and its kind is standard"
    return [refuse("gcp/reservation-future", "/min_nodes", spec.min_nodes, message, fix)]


def _one_machine(spec: PoolSpec, choice: Choice) -> list[Finding]:
    names = [machine.name for machine in choice.machine_types]
    if len(names) <= 1:
        return []
    message = "a reservation holds machines of one type, and several fit this pool."
    fix = f"say which it holds: machine_types: [{names[0]}]"
    path = "/machine_types"
    return [refuse("gcp/reservation-machine", path, list(spec.machine_types), message, fix, allowed=names)]
