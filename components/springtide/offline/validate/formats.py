"""Rules for values of which an API model says only "a text" or "a number"; the table names them beside its rows."""

import base64
import binascii
import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from typing import Any

from springtide.offline.validate import documents
from springtide.offline.validate.constraint import PLACEHOLDER, Constraint

_ARN = r"arn:aws[a-z-]*"
_USER_DATA_BYTES = 16 * 1024

PATTERNS: dict[str, tuple[str, str]] = {
    "alias": (r"alias/(?!aws/)[a-zA-Z0-9:/_-]+", "an alias such as alias/springtide; alias/aws/ is AWS's own"),
    "account": (r"\d{12}", "an account id of 12 digits"),
    "addon-version": (r"v?\d+\.\d+\.\d+(\.\d+)?-eksbuild\.\d+", "an add-on version such as v1.20.4-eksbuild.1"),
    "arn": (rf"{_ARN}:[a-z0-9-]+:[a-z0-9-]*:(\d{{12}}|aws)?:.+", "an ARN"),
    "bucket": (r"(?!xn--|sthree-)(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9](?!.*\.\.)[a-z0-9.-]{1,61}[a-z0-9]", "a bucket name: 3 to 63 of a-z, 0-9, - and ."),
    "bucket-prefix": (r"[a-z0-9][a-z0-9.-]{0,36}", "the beginning of a bucket name: at most 37 of a-z, 0-9, - and ."),
    "chart-source": (r"(https|oci)://\S+", "an https:// or oci:// address"),
    "cluster-ip": (r"None|\d{1,3}(\.\d{1,3}){3}|[0-9a-f:]+:[0-9a-f:]*", "None or an IP address"),
    "count-or-percent": (r"\d+|(100|\d{1,2})%", "a number, or a percentage such as 25%"),
    "device-name": (r"/dev/(sd[a-z]\d*|xvd[a-z]{1,2}|nvme\d+n\d+)", "a device name such as /dev/xvda"),
    "dns-label": (r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", "a DNS label: at most 63 of a-z, 0-9 and -"),
    "dns-subdomain": (r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", "a DNS name: at most 253 of a-z, 0-9, - and ."),
    "duration": (r"(\d+h)?(\d+m)?(\d+s)?(?<=[hms])", "a duration such as 10m"),
    "ec2-name": (r"[a-zA-Z0-9().\-/_]{3,128}", "a name: 3 to 128 letters, digits and ( ) . - / _"),
    "ec2-prefix": (r"[a-zA-Z0-9().\-/_]{1,99}", "the beginning of a name: at most 99 letters, digits and ( ) . - / _"),
    "eks-access-policy": (rf"{_ARN}:eks::aws:cluster-access-policy/[A-Za-z0-9]+", "an ARN of an EKS access policy"),
    "iam-policy-arn": (rf"{_ARN}:iam::(\d{{12}}|aws):policy/.+", "an ARN of an IAM policy"),
    "iam-principal-arn": (rf"{_ARN}:(iam|sts)::\d{{12}}:(role|user|assumed-role|root|federated-user)(/.+)?", "an ARN of an IAM role or user"),
    "iam-role-arn": (rf"{_ARN}:iam::\d{{12}}:role/.+", "an ARN of an IAM role"),
    "image": (r"[a-z0-9]+([._-][a-z0-9]+)*(:\d+)?(/[a-z0-9]+((\.|_{1,2}|-+)[a-z0-9]+)*)*(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?", "an image reference"),
    "kms-key": (rf"{_ARN}:kms:[a-z0-9-]+:\d{{12}}:(key|alias)/.+|alias/.+|(mrk-)?[0-9a-f-]{{32,36}}", "a KMS key: its ARN, id or alias"),
    "kms-key-arn": (rf"{_ARN}:kms:[a-z0-9-]+:\d{{12}}:key/.+", "an ARN of a KMS key"),
    "kubernetes-minor": (r"1\.\d{2}", "a Kubernetes version such as 1.35, without a patch level"),
    "label-value": (r"(?=.{0,63}$)([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?", "a label value: at most 63 letters, digits, - _ and ."),
    "launch-template-version": (r"\d+|\$Latest|\$Default", "a version number, $Latest or $Default"),
    "money": (r"\d+(\.\d+)?", "an amount such as 0.25"),
    "mount-path": (r"/[^:]*", "an absolute path without a colon"),
    "name-prefix": (r"[a-z0-9][a-z0-9.-]{0,247}", "the beginning of a name: at most 248 of a-z, 0-9, - and ."),
    "nodegroup-name": (r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", "a node group name: at most 63 letters, digits, - and _"),
    "port": (r"(?=\d{1,5}$)(?!0$)\d+|(?=.*[a-z])[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?", "a port number or the name of a port"),
    "port-name": (r"(?=.*[a-z])[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?", "a port name: at most 15 of a-z, 0-9 and -"),
    "prefix-id": (r"[a-zA-Z0-9_-]{1,37}", "the beginning of a name: at most 37 letters, digits, - and _"),
    "protocol": (r"-1|all|tcp|udp|icmp|icmpv6|\d{1,3}", "a protocol: tcp, udp, icmp, icmpv6, its number, or -1 for all"),
    "quantity": (r"[+-]?(\d+(\.\d*)?|\.\d+)(m|u|n|[kMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?", "a quantity such as 500m or 2Gi"),
    "region": (r"[a-z]{2}(-[a-z]+)+-\d", "a region such as us-east-1"),
    "release-version": (r"\d+\.\d+\.\d+-(\d{8}|[0-9a-f]{8})", "an AMI release such as 1.35.2-20261105 or 1.62.1-0123abcd"),
    "release-name": (r"[a-z0-9]([a-z0-9-]{0,51}[a-z0-9])?", "a release name: at most 53 of a-z, 0-9 and -"),
    "role-prefix": (r"[\w+=,.@-]{1,38}", "the beginning of a name: at most 38 letters, digits and + = , . @ - _"),
    "security-group-text": (r"[a-zA-Z0-9. _:/()#,@\[\]+=&;{}!$*-]{0,255}", "a text of at most 255 letters, digits, spaces and ._-:/()#,@[]+=&;{}!$*"),
    "semver": (r"v?\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?", "a version such as 3.12.2"),
    "service-name": (r"(com\.amazonaws|aws)\.[a-z0-9.-]+", "a service name such as com.amazonaws.us-east-1.s3"),
    "tag-value": (r"(?s:.){0,256}", "a tag value of at most 256 characters"),
    "zone": (r"[a-z]{2}(-[a-z]+)+-\d[a-z]", "an availability zone such as us-east-1a"),
    "zone-id": (r"[a-z]{3,4}\d-([a-z]{3}\d-)?az\d{1,2}", "a zone id such as use1-az1"),
}  # fmt: skip
"""Name → pattern and words. Sources stand beside the rows that use them."""


def _cidr(version: int, value: Any) -> Iterable[str]:
    try:
        network = ipaddress.ip_network(value, strict=True)
    except ValueError as error:
        return (str(error),)
    return () if network.version == version else (f"it is IPv{network.version}",)


_VPC_PREFIXES = range(16, 29)


def _vpc_cidr(value: Any) -> Iterable[str]:
    complaints = tuple(_cidr(4, value))
    length = 0 if complaints else ipaddress.ip_network(value).prefixlen
    return complaints if complaints or length in _VPC_PREFIXES else (f"/{length} is not between /16 and /28",)


def _json_object(value: Any) -> Iterable[str]:
    try:
        return () if isinstance(json.loads(PLACEHOLDER.sub("x", value)), dict) else ("it is not an object",)
    except (ValueError, TypeError) as error:
        return (str(error),)


def _user_data(value: Any) -> Iterable[str]:
    try:
        size = len(base64.b64decode(PLACEHOLDER.sub("", value), validate=True))
    except (binascii.Error, ValueError):
        return ("it is not base64",)
    return () if size <= _USER_DATA_BYTES else (f"it has {size:,} bytes, at most {_USER_DATA_BYTES:,} are allowed",)


def _tag_names(value: Mapping[str, Any]) -> Iterable[str]:
    return tuple(f"the prefix aws: of {name!r} is AWS's own" for name in value if name.casefold().startswith("aws:"))


_LABEL_KEY = re.compile(
    r"((?=[^/]{1,253}/)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*/)?"
    r"(?=[^/]{1,63}$)[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"
)


def _label_keys(value: Mapping[str, Any]) -> Iterable[str]:
    return tuple(f"{name!r} is not a label key" for name in value if not _LABEL_KEY.fullmatch(name))


def _label_key(value: Any) -> Iterable[str]:
    return () if _LABEL_KEY.fullmatch(str(value)) else (f"{value!r} is not a label key",)


_ENV_NAME = re.compile(r"[ -<>-~]+")

TESTS: dict[str, tuple[str, str, Callable[[Any], Iterable[str]]]] = {
    "cidr": ("string", "a CIDR block such as 10.0.0.0/16", partial(_cidr, 4)),
    "cidr6": ("string", "an IPv6 CIDR block", partial(_cidr, 6)),
    "env-name": ("string", "the name of an environment variable", lambda value: () if _ENV_NAME.fullmatch(value) else (repr(value),)),
    "json": ("string", "JSON text of an object", _json_object),
    "label-key": ("string", "a label key such as springtide.dev/pool", _label_key),
    "label-keys": ("map", "a mapping of label keys", _label_keys),
    "policy-identity": ("string", "a policy for a role", partial(documents.complaints, kind=documents.IDENTITY)),
    "policy-resource": ("string", "a resource policy", partial(documents.complaints, kind=documents.RESOURCE)),
    "policy-trust": ("string", "a trust policy", partial(documents.complaints, kind=documents.TRUST)),
    "tag-names": ("map", "a mapping of tag names", _tag_names),
    "vpc-cidr": ("string", "a CIDR block between /16 and /28", _vpc_cidr),
    "user-data": ("string", "base64 text of at most 16 KiB", _user_data),
}  # fmt: skip
"""Name → kind of value, words, and a function that returns complaints."""


def _named(name: str) -> Constraint:
    if name in PATTERNS:
        pattern, words = PATTERNS[name]
        return Constraint(pattern=pattern, words=words)
    kind, words, test = TESTS[name]
    return Constraint(kind=kind, words=words, test=lambda value: tuple(test(value)))


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

    `format:cidr` (of `PATTERNS` or `TESTS`), `range:1..64`, `length:1..63` (of a text), `entries:1..20` (of a list),
    `one-of:a|b`, `boolean:`, `id:subnet` (an EC2 id; `id:igw/vgw` takes either).

    Raises:
        KeyError: there is no such kind of rule, or no such format.
    """
    kind, _, argument = text.partition(":")
    return _RULES[kind](argument)
