"""EFA interfaces of a machine, from what each of its network cards takes: the layout AWS advises, and the older one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from springtide.catalog import MachineType

RESOURCE = "vpc.amazonaws.com/efa"
"""What the device plugin calls one EFA interface."""
ENVIRONMENT: Mapping[str, str] = {
    # Karpenter does not know huge pages: a pod that asks for them never wakes a pool. libfabric does without.
    "FI_EFA_USE_HUGE_PAGE": "0",
    "NCCL_SOCKET_IFNAME": "^docker,lo,veth",
}
"""All that is advised with libfabric 1.18 and aws-ofi-nccl 1.7 or newer (AWS' EFA cheat sheet)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """One network interface of a machine."""

    card: int
    device: int
    """Place on the card; 0 of card 0 is the machine's primary interface."""
    kind: str
    """`interface` has an address and no EFA, `efa-only` the reverse, `efa` has both."""


def ip_optimised(machine: MachineType) -> tuple[Interface, ...]:
    """One address a machine: a plain primary interface, and an EFA without an address on every card that takes one.

    As many as the machine may have, which is not the number of its cards: they differ on p6-b300.
    """
    cards = [card.index for card in machine.network_cards if "efa-only" in card.interface_types]
    fabric = [Interface(card=card, device=int(card == 0), kind="efa-only") for card in cards[: machine.efa_max]]
    return (Interface(card=0, device=0, kind="interface"), *fabric)


def legacy(machine: MachineType) -> tuple[Interface, ...]:
    """As older templates have it: the primary interface is an EFA, the others lie at device 1 of their cards."""
    primary = next((kind for kind in ("efa", "interface") if kind in machine.network_cards[0].interface_types), "efa")
    left = machine.efa_max - (primary == "efa")
    cards = [card.index for card in machine.network_cards[1:] if "efa-only" in card.interface_types]
    fabric = [Interface(card=card, device=1, kind="efa-only") for card in cards[:left]]
    return (Interface(card=0, device=0, kind=primary), *fabric)


LAYOUTS: Mapping[str, Callable[[MachineType], tuple[Interface, ...]]] = {"ip-optimised": ip_optimised, "legacy": legacy}
"""By the name that an environment file gives them."""
