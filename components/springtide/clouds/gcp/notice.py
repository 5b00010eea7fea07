"""How much notice a pod gets before Compute Engine takes its machine back."""

from springtide import catalog
from springtide.clouds import Notice

SHUTDOWN_SECONDS = 120
"""What a spot node asks for between the notice and its end, where it may: GKE's most."""
SYSTEM_SECONDS = 15
"""What of that is for critical system pods; ours get the rest."""
UNSTRETCHED_SECONDS = 15
"""What GKE gives pods of Compute Engine's 30 seconds where nothing may be stretched."""
_SPOT_SOURCE = "docs.cloud.google.com/kubernetes-engine/docs/concepts/spot-vms"
_NOTICES = {
    "on-demand": Notice(
        seconds=None, source="Compute Engine takes no on-demand machine back; maintenance of its host is announced"
    ),
    "reserved": Notice(seconds=None, source="Compute Engine takes no reserved machine back before its end"),
    "flex-start": Notice(seconds=None, source="a flex-start machine ends with its run duration, known from the start"),
    "queued": Notice(seconds=None, source="a queued machine ends with its run duration, known from the start"),
}
_NEVER_SOLD = Notice(seconds=None, source="Compute Engine does not sell this kind of capacity")


def notice(capacity: str, version: str) -> Notice:
    """How much notice a pod gets on a machine bought as `capacity`, in a cluster of that Kubernetes version."""
    return _spot(version) if capacity == "spot" else _NOTICES.get(capacity, _NEVER_SOLD)


def stretches(version: str) -> bool:
    """Whether spot nodes may ask for more than 30 seconds; a minor version stands for its newest patch in the catalog."""
    latest = {item.version: item.latest for item in catalog.kubernetes_versions("gcp")}
    return catalog.has_feature("gcp", "spot-shutdown-120s", latest.get(version, version)) is True


def _spot(version: str) -> Notice:
    if stretches(version):
        kept = SHUTDOWN_SECONDS - SYSTEM_SECONDS
        return Notice(
            seconds=kept, source=f"{SHUTDOWN_SECONDS} s less {SYSTEM_SECONDS} s for the system; {_SPOT_SOURCE}"
        )
    return Notice(seconds=UNSTRETCHED_SECONDS, source=f"30 s, half of them for the system; {_SPOT_SOURCE}")
