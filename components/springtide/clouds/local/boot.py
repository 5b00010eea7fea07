"""How long a simulated machine takes to join: what a real one takes, at another pace."""

from springtide import catalog

PACE = 30
"""Seconds of a cloud that pass in one second here."""


def registration_delay(machines: str) -> str:
    """How long a machine of the imitated cloud takes until pods can be put on it, at our pace, as Kubernetes writes times.

    The longest that the catalog's source reports; never less than a second, for a node that is there at once would hide
    what waits for nodes.

    Raises:
        UnknownNameError: the catalog has no data on the cloud.
    """
    return f"{max(-(-catalog.boot(machines).most_seconds // PACE), 1)}s"
