"""For each row of the table a value that its cloud takes and one that it refuses, and where to put them."""

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from springtide.offline.plan import Resource
from springtide.offline.validate import formats, inputs, model, table
from springtide.offline.validate.constraint import Constraint

ROOTS = (
    "kubernetes:apps/v1:Deployment", "kubernetes:batch/v1:Job", "kubernetes:core/v1:Service", "kubernetes:core/v1:Namespace",
    "kubernetes:policy/v1:PodDisruptionBudget", "kubernetes:autoscaling/v2:HorizontalPodAutoscaler",
    "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding", "kubernetes:networking.k8s.io/v1:NetworkPolicy",
)  # fmt: skip
"""Kinds whose SDK classes hold every object that the table has rows about."""


def policy(**statement: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


TRUST = policy(Principal={"Service": "pods.eks.amazonaws.com"}, Action=["sts:AssumeRole", "sts:TagSession"])
IDENTITY = policy(Action="s3:GetObject", Resource="arn:aws:s3:::springtide/*")
RESOURCE = policy(Principal="*", Action="s3:*", Resource=["arn:aws:s3:::springtide"])
ARN = "arn:aws:iam::123456789012"
KEY = "arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d-0000-4000-8000-0123456789ab"

FORMATS: dict[str, tuple[Any, Any]] = {
    "account": ("123456789012", "12345678901"),
    "addon-version": ("v1.20.4-eksbuild.1", "1.20"),
    "alias": ("alias/springtide", "alias/aws/eks"),
    "arn": ("arn:aws:license-manager:us-east-1:123456789012:license-configuration:lic-0", "lic-0"),
    "bucket": ("springtide-dev-artifacts", "Springtide_Artifacts"),
    "bucket-prefix": ("springtide-", "Springtide-"),
    "chart-source": ("oci://public.example/charts", "http://charts.example"),
    "cidr": ("203.0.113.0/24", "203.0.113.1/24"),
    "cidr6": ("2001:db8::/56", "10.0.0.0/16"),
    "cluster-ip": ("None", "none"),
    "count-or-percent": ("25%", "a quarter"),
    "device-name": ("/dev/xvda", "xvda"),
    "dns-label": ("kube-system", "kube_system"),
    "dns-subdomain": ("metrics-server.v1", "Metrics Server"),
    "duration": ("1h30m", "90"),
    "ec2-name": ("springtide-train", "springtide train"),
    "ec2-prefix": ("springtide-", "springtide train"),
    "eks-access-policy": ("arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy", "AmazonEKSViewPolicy"),
    "env-name": ("PET_NNODES", "A=B"),
    "iam-policy-arn": ("arn:aws:iam::aws:policy/AmazonEKSClusterPolicy", f"{ARN}:role/not-a-policy"),
    "iam-principal-arn": (f"{ARN}:role/deployer", "deployer"),
    "iam-role-arn": (f"{ARN}:role/springtide/node", f"{ARN}:user/not-a-role"),
    "image": ("registry.example:5000/springtide/train@sha256:" + "0a" * 32, "Registry.example/Train:latest"),
    "json": ('{"env": {"ENABLE_PREFIX_DELEGATION": "true"}}', "{'env': {}}"),
    "kms-key": ("alias/springtide", "my key"),
    "kms-key-arn": (KEY, "alias/springtide"),
    "kubernetes-minor": ("1.35", "1.35.2"),
    "label-key": ("nvidia.com/gpu", "nvidia.com/gpu/"),
    "label-keys": ({"springtide.dev/pool": "train"}, {"springtide dev": "train"}),
    "label-value": ("train-0", "train/0"),
    "launch-template-version": ("$Latest", "latest"),
    "money": ("0.25", "$0.25"),
    "mount-path": ("/dev/shm", "dev/shm"),
    "name-prefix": ("gpt-", "GPT-"),
    "nodegroup-name": ("train-spot", "-train"),
    "policy-identity": (IDENTITY, TRUST),
    "policy-resource": (RESOURCE, IDENTITY),
    "policy-trust": (TRUST, RESOURCE),
    "port": ("http", "0"),
    "port-name": ("http", "8000"),
    "prefix-id": ("train-", "train pool"),
    "protocol": ("tcp", "TCP/IP"),
    "quantity": ("1500m", "1.5 GB"),
    "region": ("us-east-1", "us-east-1a"),
    "release-name": ("metrics-server", "Metrics_Server"),
    "release-version": ("1.62.1-0123abcd", "1.62"),
    "role-prefix": ("springtide-", "springtide train"),
    "security-group-text": ("nodes of train", "nodes → pods"),
    "semver": ("3.12.2", "3.12"),
    "service-name": ("com.amazonaws.us-east-1.s3", "s3"),
    "service-name-1035": ("chat", "1-chat"),
    "tag-names": ({"Name": "train"}, {"aws:name": "train"}),
    "tag-value": ("train", "x" * 257),
    "user-data": ("W3NldHRpbmdzXQ==", "[settings]"),
    "vpc-cidr": ("10.0.0.0/16", "10.0.0.0/8"),
    "zone": ("us-east-1a", "use1-az1"),
    "zone-id": ("use1-az1", "us-east-1a"),
}  # fmt: skip
"""Format → a value that it takes, one that it refuses."""

PATTERNS: dict[str, tuple[str, str]] = {
    "eks:CreateCluster.name": ("dev", "dev cluster"),
    "eks:CreateAddon.clusterName": ("dev", "dev cluster"),
    "iam:CreateInstanceProfile.InstanceProfileName": ("node", "node profile"),
    "iam:CreateRole.RoleName": ("node", "node role"),
    "iam:CreateRole.Path": ("/springtide/", "springtide"),
    "iam:CreateRole.Description": ("A role of nodes", "→"),
    "iam:CreateRole.AssumeRolePolicyDocument": (TRUST, "→"),
    "iam:PutRolePolicy.PolicyDocument": (IDENTITY, "→"),
    "iam:PutRolePolicy.PolicyName": ("read", "read all"),
    "iam:PutRolePolicy.RoleName": ("node", "node role"),
    "iam:AttachRolePolicy.RoleName": ("node", "node role"),
    "kms:CreateKey.Policy": (RESOURCE, "→"),
    "kms:CreateAlias.AliasName": ("alias/springtide", "alias/spring tide"),
    "logs:CreateLogGroup.logGroupName": ("/aws/eks/dev/cluster", "eks logs"),
}  # fmt: skip
"""API member with a pattern → a value that it takes, one that it refuses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One limit on one path: what breaks it, and what keeps every limit of that path."""

    row: table.Row
    limit: str
    good: Any
    bad: Any

    def __str__(self) -> str:
        return f"{self.row.type}{self.row.path} {self.limit}"


def cases() -> Iterator[Case]:
    """Every limit that any row puts on a value."""
    for row in table.rows().values():
        limits = _limits(row)
        for limit, (_, bad) in limits.items():
            *_, (good, _) = limits.values()
            yield Case(row=row, limit=limit, good=good, bad=bad)


def resource(row: table.Row, value: Any) -> tuple[Resource, str]:
    """A resource that holds `value` where the row says, and the pointer to it."""
    token, path = route(row.type) if row.type.count(".") > 1 and ":" not in row.type else (_token(row.type), "")
    steps = f"{path}{row.path}".split("/")[1:]
    record = inputs.record_of(token)
    assert record is not None
    shape = inputs.Shape(frozenset({"object"}), record=record)
    given, pointer = _nested(shape, steps, value)
    return Resource(urn="urn", type=token, name="sample", parent=None, custom=True, inputs=given), pointer


@cache
def route(title: str) -> tuple[str, str]:
    """The shortest way from a kind to the SDK object `title`: type token and path."""
    waiting = deque((token, "", inputs.record_of(token)) for token in ROOTS)
    seen = set()
    while waiting:
        token, path, record = waiting.popleft()
        if record is None or record in seen:
            continue
        if inputs.title(record) == title:
            return token, path
        seen.add(record)
        for name, member in inputs.members(record).items():
            shape, step = member.shape, f"{path}/{name}"
            while shape.item is not None:
                shape, step = shape.item, f"{step}/*"
            waiting.append((token, step, shape.record))
    message = f"no root kind holds {title}"
    raise LookupError(message)


def _token(kind: str) -> str:
    return "aws:ec2/vpc:Vpc" if kind == "aws:*" else kind


def _nested(shape: inputs.Shape, steps: list[str], value: Any) -> tuple[Any, str]:
    if not steps:
        return value, ""
    first, *rest = steps
    if shape.record is not None and first != "*":
        inside, pointer = _nested(inputs.members(shape.record)[first].shape, rest, value)
        return {first: inside}, f"/{first}{pointer}"
    inside, pointer = _nested(shape.item or inputs.ANYTHING, rest, value)
    return ([inside], f"/0{pointer}") if "list" in shape.kinds else ({"key": inside}, f"/key{pointer}")


def _limits(row: table.Row) -> dict[str, tuple[Any, Any]]:
    """Limit → a good value and a bad one; the last one's good value keeps them all."""
    found: dict[str, tuple[Any, Any]] = {}
    if row.member and model.member(row.member).judges:
        found[row.member] = PATTERNS.get(row.member) or _bounded(model.member(row.member))
    if row.rule not in ("", table.UNCHECKED):
        kind, _, name = row.rule.partition(":")
        found[row.rule] = FORMATS[name] if kind == "format" else _bounded(formats.rule(row.rule), name)
    return found


def _bounded(limit: Constraint, name: str = "") -> tuple[Any, Any]:
    if limit.enum:
        return limit.enum[0], "no-such-value"
    if limit.pattern:
        return f"{name.partition('/')[0]}-0123456789abcdef0", "no-such-id"
    return _KINDS[limit.kind](limit)


def _number(limit: Constraint) -> tuple[int, int]:
    if limit.low is None:
        assert limit.high is not None
        return int(limit.high), int(limit.high) + 1
    return int(limit.low), int(limit.high) + 1 if limit.high is not None else int(limit.low) - 1


def _text(limit: Constraint) -> tuple[str, str]:
    return "x" * int(limit.low or 1), "" if limit.high is None else "x" * (int(limit.high) + 1)


def _list(limit: Constraint) -> tuple[list[Any], list[Any]]:
    assert limit.high is not None
    return ["x"], ["x"] * (int(limit.high) + 1)


def _map(limit: Constraint) -> tuple[dict[str, Any], dict[str, Any]]:
    assert limit.keys is not None
    return {"key": "x"}, {"": "x"}


_KINDS = {
    "boolean": lambda _: (True, "maybe"),
    "integer": _number,
    "list": _list,
    "map": _map,
    "number": _number,
    "string": _text,
}
