"""Rules for values of which an API model says only "a text" or "a number"; the table names them beside its rows."""

import base64
import binascii
import csv
import importlib.resources
import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

from springtide.offline.validate import documents
from springtide.offline.validate.constraint import PLACEHOLDER, Constraint

_USER_DATA_BYTES = 16 * 1024


@cache
def patterns() -> Mapping[str, tuple[str, str]]:
    """Name of a format → the pattern a whole text must match, and what it is in words; `patterns.csv` holds them."""
    file = importlib.resources.files(__package__) / "patterns.csv"
    lines = csv.DictReader(file.read_text(encoding="utf-8").splitlines())
    return {line["name"]: (line["pattern"], line["words"]) for line in lines}


_Test = Callable[[Any], tuple[str, ...]]


def _cidr(versions: tuple[int, ...], value: Any) -> tuple[str, ...]:
    try:
        network = ipaddress.ip_network(str(value), strict=True)
    except ValueError as error:
        return (str(error),)
    if network.version not in versions:
        return (f"it is IPv{network.version}",)
    return () if "/" in str(value) else ("it has no prefix length",)


def _ip(value: Any) -> tuple[str, ...]:
    try:
        ipaddress.ip_address(str(value))
    except ValueError as error:
        return (str(error),)
    return ()


def _matches(pattern: str, value: Any) -> tuple[str, ...]:
    return () if re.fullmatch(pattern, str(value)) else (f"{value!r} is neither",)


def _either(first: _Test, second: _Test, value: Any) -> tuple[str, ...]:
    return first(value) and second(value)


_VPC_PREFIXES = range(16, 29)
_IPV4 = (4,)
_LENGTH = r"(/([89]|[12]\d))?"
_NAME = r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?"


def _vpc_cidr(value: Any) -> tuple[str, ...]:
    complaints = _cidr(_IPV4, value)
    length = 0 if complaints else ipaddress.ip_network(str(value)).prefixlen
    return complaints if complaints or length in _VPC_PREFIXES else (f"/{length} is not between /16 and /28",)


def _json_object(value: Any) -> tuple[str, ...]:
    try:
        return () if isinstance(json.loads(PLACEHOLDER.sub("x", str(value))), dict) else ("it is not an object",)
    except json.JSONDecodeError as error:
        return (str(error),)


def _user_data(value: Any) -> tuple[str, ...]:
    try:
        size = len(base64.b64decode(str(value), validate=True))
    except (binascii.Error, ValueError):
        return ("it is not base64",)
    return () if size <= _USER_DATA_BYTES else (f"it has {size:,} bytes, at most {_USER_DATA_BYTES:,} are allowed",)


def _tag_names(value: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(f"the prefix aws: of {name!r} is AWS's own" for name in value if name.casefold().startswith("aws:"))


_LABEL_KEY = re.compile(
    r"((?=[^/]{1,253}/)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*/)?"
    r"(?=[^/]{1,63}$)[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"
)


def _label_keys(value: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(f"{name!r} is not a label key" for name in value if not _LABEL_KEY.fullmatch(name))


def _label_key(value: Any) -> tuple[str, ...]:
    return () if _LABEL_KEY.fullmatch(str(value)) else (f"{value!r} is not a label key",)


_ENV_NAME = re.compile(r"[ -<>-~]+")


def _env_name(value: Any) -> tuple[str, ...]:
    return () if _ENV_NAME.fullmatch(str(value)) else (f"{value!r} holds = or no printable ASCII",)


def _policy(kind: documents.Kind) -> _Test:
    return partial(documents.complaints, kind=kind)


_GCP_LABEL = Constraint(pattern=r"(?![\d_-])((?![A-Z])[\w-]){1,63}", words="a label key of a-z, 0-9, _ and -")
_METADATA = Constraint(pattern=r"[\w-]{1,127}", words="a key of letters, digits, - and _")
_ATTRIBUTE = Constraint(
    pattern=r"google\.\w+|attribute\.[a-z0-9_]{1,100}", words="google.subject, google.groups or attribute.*"
)

TESTS: dict[str, Constraint] = {
    "cidr": Constraint(words="a CIDR block such as 10.0.0.0/16", test=partial(_cidr, _IPV4)),
    "cidr-any": Constraint(words="an IPv4 or IPv6 CIDR block", test=partial(_cidr, (4, 6))),
    "cidr-or-length": Constraint(
        words="a CIDR block, or a netmask such as /14",
        test=partial(_either, partial(_cidr, _IPV4), partial(_matches, _LENGTH)),
    ),
    "cidr6": Constraint(words="an IPv6 CIDR block", test=partial(_cidr, (6,))),
    "env-name": Constraint(words="the name of an environment variable", test=_env_name),
    "gcp-label-keys": Constraint(kind="map", words="a mapping of label keys", keys=_GCP_LABEL),
    "identity-attributes": Constraint(kind="map", words="a mapping of attributes", keys=_ATTRIBUTE),
    "ip": Constraint(words="an IP address", test=_ip),
    "ip-or-cidr": Constraint(words="an IP address or a CIDR block", test=partial(_either, _ip, partial(_cidr, (4, 6)))),
    "json": Constraint(words="JSON text of an object", test=_json_object, sees_around=True),
    "label-key": Constraint(words="a label key such as springtide.dev/pool", test=_label_key),
    "label-keys": Constraint(kind="map", words="a mapping of label keys", test=_label_keys),
    "metadata-keys": Constraint(kind="map", words="a mapping of metadata keys", keys=_METADATA),
    "policy-identity": Constraint(words="a policy for a role", test=_policy(documents.IDENTITY), sees_around=True),
    "policy-managed": Constraint(words="a managed policy", test=_policy(documents.MANAGED), sees_around=True),
    "policy-repository": Constraint(words="a repository policy", test=_policy(documents.REPOSITORY), sees_around=True),
    "policy-resource": Constraint(words="a resource policy", test=_policy(documents.RESOURCE), sees_around=True),
    "policy-trust": Constraint(words="a trust policy", test=_policy(documents.TRUST), sees_around=True),
    "range-or-name": Constraint(
        words="a CIDR block, or the name of an allocated range",
        test=partial(_either, partial(_cidr, _IPV4), partial(_matches, _NAME)),
    ),
    "tag-names": Constraint(kind="map", words="a mapping of tag names", test=_tag_names),
    "user-data": Constraint(words="base64 text of at most 16 KiB", test=_user_data),
    "vpc-cidr": Constraint(words="a CIDR block between /16 and /28", test=_vpc_cidr),
}
"""Name → what no pattern can express."""


def _named(name: str) -> Constraint:
    if name in TESTS:
        return TESTS[name]
    pattern, words = patterns()[name]
    return Constraint(pattern=pattern, words=words)


def _range(text: str) -> Constraint:
    return _bounded("number", text)


def _length(text: str) -> Constraint:
    return _bounded("string", text)


def _entries(text: str) -> Constraint:
    return _bounded("list", text)


def _bounded(kind: str, text: str) -> Constraint:
    low, _, high = text.partition("..")
    return Constraint(kind=kind, low=float(low) if low else None, high=float(high) if high else None)


def _choice(text: str) -> Constraint:
    return Constraint(enum=tuple(text.split("|")))


def _boolean(_: str) -> Constraint:
    return Constraint(kind="boolean")


def _id(prefixes: str) -> Constraint:
    first, *_ = alternatives = prefixes.split("/")
    pattern = rf"({'|'.join(alternatives)})-([0-9a-f]{{8}}|[0-9a-f]{{17}})"
    return Constraint(pattern=pattern, words=f"an id such as {first}-0123456789abcdef0")


_RULES: dict[str, Callable[[str], Constraint]] = {
    "boolean": _boolean, "entries": _entries, "format": _named, "id": _id, "length": _length, "one-of": _choice,
    "range": _range,
}  # fmt: skip


@cache
def rule(text: str) -> Constraint:
    """The constraint that a rule of the table means.

    `format:cidr` (of `patterns` or `TESTS`), `range:1..64`, `length:1..63` (of a text), `entries:1..20` (of a list),
    `one-of:a|b`, `boolean:`, `id:subnet` (an EC2 id; `id:igw/vgw` takes either).

    Raises:
        KeyError: there is no such kind of rule, or no such format.
    """
    kind, _, argument = text.partition(":")
    return _RULES[kind](argument)
