"""Rules that many specs share: bounds, names, words out of a list, ranges of addresses; and what makes a class a spec."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import TypeVar, dataclass_transform

from springtide.spec.finding import Finding, did_you_mean, refuse

T = TypeVar("T")

FEWEST_ZONES = 2
"""A control plane spans two zones at least (EKS; elsewhere it is what survives the loss of one)."""
MOST_ZONES = 8
MOST_OF_ANYTHING = 1_000_000
"""As many as the address plan of a network has places for; the largest region of any cloud has six."""
_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_BY_DIGEST = re.compile(rf"\S+@{_DIGEST.pattern}")
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)[ T]00:00:00.*")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def spec(cls: type[T]) -> type[T]:
    """A frozen value that pydantic may parse; a key that it does not have is a mistake."""
    cls.__pydantic_config__ = {"extra": "forbid", "allow_inf_nan": False}  # type: ignore[attr-defined]
    return dataclass(frozen=True, slots=True, kw_only=True)(cls)


def one_of(path: str, value: str, allowed: tuple[str, ...]) -> list[Finding]:
    """What is wrong with a word that must be out of a list."""
    if value in allowed:
        return []
    fix = did_you_mean(value, allowed, "use one of them" if len(allowed) > 1 else f"use {allowed[0]}")
    return [refuse("spec/one-of", path, value, f"{value!r} is not known here.", fix, allowed=allowed)]


def distinct(path: str, values: Sequence[str]) -> list[Finding]:
    """Which values of a list were named before."""
    again = (i for i, value in enumerate(values) if value in values[:i])
    return [
        refuse("spec/twice", f"{path}/{i}", values[i], f"{values[i]} is named twice.", "name it once") for i in again
    ]


def at_least(path: str, value: float, least: int) -> list[Finding]:
    """What is wrong with a number that has a lower bound; above a million, every number here is a slip."""
    if value < least:
        return [refuse("spec/at-least", path, value, f"{value} is below {least}.", f"use {least} or more")]
    if value > MOST_OF_ANYTHING:
        message = f"{value:g} is more than anything here can be."
        return [refuse("spec/at-most", path, value, message, f"use at most {MOST_OF_ANYTHING}")]
    return []


def positive(path: str, value: float | None) -> list[Finding]:
    """What is wrong with a quantity that may be left out, and is more than nothing where it is said."""
    if value is None or 0 < value <= MOST_OF_ANYTHING:
        return []
    return [
        refuse("spec/positive", path, value, f"{value:g} is no such quantity.", "write a number above 0, or nothing")
    ]


def network_range(path: str, value: str, *, widest: int = 0, narrowest: int = 32) -> list[Finding]:
    """What is wrong with a range of IPv4 addresses, whose prefix must be from `widest` to `narrowest` bits long."""
    try:
        network = IPv4Network(value, strict=False)
    except ValueError:
        fix = "write an address and the length of its prefix, such as 10.0.0.0/16"
        return [refuse("spec/cidr", path, value, f"{value!r} is no range of IPv4 addresses.", fix)]
    if str(network) != value:
        return [refuse("spec/cidr", path, value, f"{value} is not how that range is written.", f"write {network}")]
    if widest <= network.prefixlen <= narrowest:
        return []
    message = f"a /{network.prefixlen} is outside /{widest} to /{narrowest}."
    return [refuse("spec/cidr", path, value, message, f"use a /{widest}, such as {network.network_address}/{widest}")]


def zone_list(path: str, zones: tuple[str, ...]) -> list[Finding]:
    """What is wrong with a list of zones, whatever their names."""
    if FEWEST_ZONES <= len(zones) <= MOST_ZONES:
        return distinct(path, zones)
    message = f"a cluster spans {FEWEST_ZONES} zones at least, a network {MOST_ZONES} at most; listed are {len(zones)}."
    return [refuse("spec/zones", path, list(zones), message, f"name {FEWEST_ZONES} to {MOST_ZONES}")]


def dns_label(path: str, value: str) -> list[Finding]:
    """What is wrong with a name that becomes part of Kubernetes names (RFC 1123)."""
    if _DNS_LABEL.fullmatch(value):
        return []
    if date := _DATE.fullmatch(value):
        message = f"without quotes, {date[1]} is a point in time to YAML."
        return [refuse("spec/name", path, value, message, f'put it in quotes: "{date[1]}"')]
    fix = "use lower-case letters, digits and '-', at most 63, beginning and ending with a letter or digit"
    return [refuse("spec/name", path, value, f"{value!r} cannot be part of a Kubernetes name.", fix)]


def by_digest(path: str, image: str | None) -> list[Finding]:
    """What is wrong with the name of an image, which must say the digest; None is nothing to judge."""
    if image is None or _BY_DIGEST.fullmatch(image):
        return []
    message = f"{image!r} names a tag or a cut-off digest; what runs could change."
    fix = "name the image by digest: registry/name@sha256:<64 hex digits>"
    return [refuse("spec/image-digest", path, image, message, fix)]


def digest(path: str, value: str) -> list[Finding]:
    """What is wrong with the digest of an image."""
    if _DIGEST.fullmatch(value):
        return []
    fix = "write what the push printed: sha256: and 64 hex digits"
    return [refuse("spec/image-digest", path, value, f"{value!r} is no digest of an image.", fix)]
