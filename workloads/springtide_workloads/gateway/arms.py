"""Which arm of a service a request goes to: by weight, and the same arm for whoever asks again."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from springtide_workloads.contract import SESSION_HEADER, GatewayContract


@dataclass(frozen=True, slots=True)
class Arm:
    """One of the models that a service's requests are divided among."""

    name: str
    weight: int
    """Its part of the requests, measured by the sum of all weights."""


def arms_of(contract: GatewayContract) -> tuple[Arm, ...]:
    """The arms that a contract states. Default: the service alone."""
    if contract.arms is None:
        return (Arm(contract.service, 1),)
    pairs = (item.split("=") for item in contract.arms.split(","))
    return tuple(Arm(name, int(weight)) for name, weight in pairs)


def assigned(key: bytes, arms: Iterable[Arm]) -> Arm:
    """The arm of whoever has this key; one at least must have a weight.

    Each arm draws a number from the key and its own name, stretched by its weight, and the first one wins (weighted
    rendezvous hashing). Nobody keeps a list of who is where, so all gateways agree, and a gateway that starts anew does too.
    Where weights change, a key moves only to an arm whose weight grew by a larger factor than that of the arm it leaves:
    between two arms nobody moves in vain. The numbers are exponential, so an arm's part is its part of the weights.
    """
    return min((arm for arm in arms if arm.weight), key=lambda arm: _drawn(key, arm.name) / arm.weight)


def sticky_key(headers: Mapping[str, str], address: str | None) -> bytes:
    """What makes two requests the same asker's: the session they name, else their key, else their address.

    The address is the first that a load balancer in front wrote down, or who is connected. Each kind has its own prefix, so
    that no session can be taken for a key.
    """
    forwarded = headers.get("X-Forwarded-For", "").partition(",")[0].strip()
    found: Sequence[tuple[str, str]] = (
        ("session", headers.get(SESSION_HEADER, "")),
        ("key", headers.get("Authorization", "")),
        ("address", forwarded or address or ""),
    )
    kind, value = next((item for item in found if item[1]), found[-1])
    # a key is a secret: what is kept of it, and of all the others, is a digest
    return blake2b(f"{kind} {value}".encode(errors="surrogateescape"), digest_size=16).digest()


def _drawn(key: bytes, name: str) -> float:
    """A number above 0 that looks random, of the exponential distribution with mean 1, always the same for the same."""
    digest = blake2b(key, digest_size=8, person=blake2b(name.encode(), digest_size=16).digest()).digest()
    return -math.log((int.from_bytes(digest) + 0.5) / 2.0**64)
