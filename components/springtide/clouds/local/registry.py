"""No registry: the image is made on this machine."""

from springtide.imitation import REGISTRY


def registry(account: str, region: str) -> str:  # noqa: ARG001  there is one, whatever is imitated
    """What stands in an image's name in place of a registry's host."""
    return REGISTRY
