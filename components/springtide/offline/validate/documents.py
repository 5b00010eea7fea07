"""IAM policy documents: the JSON that roles, buckets, keys and endpoints carry as text.

A document may hold placeholders; whatever stands around them is checked, and their length is not counted.
Grammar: AWS, "Grammar of the IAM JSON policy language"; sizes: "IAM and AWS STS quotas" and "Bucket policies".
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from springtide.offline.validate.constraint import PLACEHOLDER
from springtide.offline.validate.words import nearest, shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What kind of policy it is decides who may and who must be named in it, and how long it may be."""

    principal: bool
    """Whether a statement names a principal: it must, or it must not."""
    resource: bool
    """Whether a statement names resources."""
    longest: int
    """Characters, white space not counted."""


TRUST = Kind(principal=True, resource=False, longest=8_192)  # the quota's maximum; 2,048 until it is raised
IDENTITY = Kind(principal=False, resource=True, longest=10_240)  # all inline policies of one role together
MANAGED = Kind(principal=False, resource=True, longest=6_144)  # a policy that stands by itself
RESOURCE = Kind(principal=True, resource=True, longest=20_480)  # S3's limit; KMS takes 32 KiB
REPOSITORY = Kind(principal=True, resource=False, longest=10_240)  # ECR's: the repository is the resource

_VERSIONS = ("2012-10-17", "2008-10-17")
_DOCUMENT = ("Version", "Id", "Statement")
_STATEMENT = (
    "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
)  # fmt: skip
_PRINCIPALS = ("AWS", "CanonicalUser", "Federated", "Service")
_ACTION = re.compile(r"\*|[a-z0-9-]+:[A-Za-z0-9*?]+")
_RESOURCE = re.compile(r"\*|arn:[^:]*:[^:]+:[^:]*:[^:]*:.+", re.DOTALL)
_OPERATORS = frozenset({
    "StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike",
    "NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan",
    "NumericGreaterThanEquals", "DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan",
    "DateGreaterThanEquals", "Bool", "BinaryEquals", "IpAddress", "NotIpAddress", "ArnEquals", "ArnLike", "ArnNotEquals",
    "ArnNotLike", "Null",
})  # fmt: skip


def complaints(document: Any, kind: Kind) -> tuple[str, ...]:
    """What is wrong with a policy document, each with its place in the document; none when AWS would take it."""
    if isinstance(document, str) and PLACEHOLDER.fullmatch(document):
        return ()
    try:
        parsed = json.loads(document) if isinstance(document, str) else document
    except json.JSONDecodeError as error:
        return (f"it is not JSON ({error.msg} at character {error.pos})",)
    return (
        (*_document(parsed, kind), *_length(parsed, kind)) if isinstance(parsed, dict) else ("it is not a JSON object",)
    )


def _length(document: Mapping[str, Any], kind: Kind) -> Iterator[str]:
    compact = PLACEHOLDER.sub("", json.dumps(document, separators=(",", ":"), ensure_ascii=False))
    if len(compact) > kind.longest:
        yield f"it has {len(compact):,} characters, at most {kind.longest:,} are allowed"


def _document(document: Mapping[str, Any], kind: Kind) -> Iterator[str]:
    yield from _strangers("", document, _DOCUMENT)
    if document.get("Version") not in _VERSIONS:
        yield f"Version is {shown(document.get('Version'))}, use {shown(_VERSIONS[0])}"
    statements = document.get("Statement")
    listed = statements if isinstance(statements, list) else [statements] if statements else []
    if not listed:
        yield "Statement is missing or empty"
    for index, statement in enumerate(listed):
        place = f"Statement[{index}]"
        yield from _statement(place, statement, kind) if isinstance(statement, dict) else (f"{place} is not an object",)


def _statement(place: str, statement: Mapping[str, Any], kind: Kind) -> Iterator[str]:
    yield from _strangers(f"{place}.", statement, _STATEMENT)
    if statement.get("Effect") not in ("Allow", "Deny"):
        yield f"{place}.Effect is {shown(statement.get('Effect'))}, it must be Allow or Deny"
    for member, wanted in (("Action", True), ("Principal", kind.principal), ("Resource", kind.resource)):
        yield from _one_of(place, statement, member, wanted=wanted)
    for member, check in _MEMBERS.items():
        if member in statement:
            yield from check(f"{place}.{member}", statement[member])


def _one_of(place: str, statement: Mapping[str, Any], member: str, *, wanted: bool) -> Iterator[str]:
    """`X` and `NotX` exclude each other, and the kind of policy demands one of them or forbids both."""
    given = [name for name in (member, f"Not{member}") if name in statement]
    if wanted and len(given) != 1:
        yield f"{place} needs {member} or Not{member}" if not given else f"{place} has both {member} and Not{member}"
    if given and not wanted:
        yield f"{place}.{given[0]} has no place in this kind of policy"


def _strangers(place: str, given: Mapping[str, Any], known: tuple[str, ...]) -> Iterator[str]:
    for name in given:
        if name not in known:
            near = nearest(name, known)
            yield f"{place}{name} is not a member of the policy language" + (f", did you mean {near}?" if near else "")


def _texts(matcher: re.Pattern[str], wanted: str) -> Callable[[str, Any], Iterator[str]]:
    """A check of one text or a list of texts."""

    def check(place: str, value: Any) -> Iterator[str]:
        listed = value if isinstance(value, list) else [value]
        if not listed:
            yield f"{place} is empty"
        for item in listed:
            if not isinstance(item, str) or not (PLACEHOLDER.search(item) or matcher.fullmatch(item)):
                yield f"{place} holds {shown(item)}, which is not {wanted}"

    return check


def _principal(place: str, value: Any) -> Iterator[str]:
    if value == "*":
        return
    if not isinstance(value, dict) or not value:
        yield f'{place} must be "*" or name one of {", ".join(_PRINCIPALS)}'
        return
    yield from _strangers(f"{place}.", value, _PRINCIPALS)
    for name, items in value.items():
        yield from _texts(re.compile(r"\S+"), "a principal")(f"{place}.{name}", items)


def _condition(place: str, value: Any) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{place} must be an object of operators"
        return
    for operator, tests in value.items():
        plain = re.sub(r"^(ForAnyValue:|ForAllValues:)|IfExists$", "", operator)
        if plain not in _OPERATORS:
            near = nearest(plain, _OPERATORS)
            yield f"{place}.{operator} is not a condition operator" + (f", did you mean {near}?" if near else "")
        if not isinstance(tests, dict) or not tests:
            yield f"{place}.{operator} must be an object of condition keys"


_MEMBERS: dict[str, Callable[[str, Any], Iterator[str]]] = {
    "Action": _texts(_ACTION, "an action such as s3:GetObject"),
    "NotAction": _texts(_ACTION, "an action such as s3:GetObject"),
    "Resource": _texts(_RESOURCE, 'an ARN or "*"'),
    "NotResource": _texts(_RESOURCE, 'an ARN or "*"'),
    "Principal": _principal,
    "NotPrincipal": _principal,
    "Condition": _condition,
    "Sid": _texts(re.compile(r"[^\x00-\x1f]+"), "a statement id"),
}
