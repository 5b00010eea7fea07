"""How much notice a machine gives before EC2 takes it back."""

from springtide.clouds import Notice

_NOTICES = {
    "spot": Notice(seconds=120, source="EC2 spot interruption notice, two minutes"),
    "on-demand": Notice(seconds=None, source="EC2 takes no on-demand instance back"),
    "reserved": Notice(seconds=None, source="EC2 takes no reserved instance back before its end"),
}
_NEVER_SOLD = Notice(seconds=None, source="EC2 does not sell this kind of capacity")


def notice(capacity: str, version: str) -> Notice:  # noqa: ARG001  the protocol's signature: on GKE the version matters
    """How much notice a pod gets on a machine bought as `capacity`."""
    return _NOTICES.get(capacity, _NEVER_SOLD)
