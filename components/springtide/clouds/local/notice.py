"""How much notice a simulated machine gives: what most spot machines give, for nothing here takes one back by itself."""

from springtide.clouds import Notice

_SPOT = Notice(seconds=120, source="as EC2 gives; nothing takes a simulated machine back by itself")
_NONE = Notice(seconds=None, source="nothing takes a simulated machine back by itself")


def notice(capacity: str, version: str) -> Notice:  # noqa: ARG001  the protocol's signature: on GKE the version matters
    """How much notice a pod gets on a machine bought as `capacity`."""
    return _SPOT if capacity == "spot" else _NONE
