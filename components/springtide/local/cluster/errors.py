"""What an API server means when it says no: one error for each reason that somebody can act on.

ApiError
├─ KubeconfigError     the file, its context or its credentials cannot be used
├─ UnreachableError    nobody answers, or answers that it cannot now
├─ DeniedError         the server does not know who asks
├─ UnknownKindError    the server has no such kind
├─ MissingError        there is no such object, or no such namespace
├─ ConflictError       somebody was there before
└─ RefusedError        the object is at fault: its schema, a rule, an admission check
   ├─ ImpossibleError  only as a change: it would have to be deleted first
   └─ OwnedError       another environment applied it

The text of each is whole: what was asked, the server's own words, what to do.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from springtide.local.cluster.refs import Ref
from springtide.offline.paths import pointer_of
from springtide.spec import Finding, Source, refuse

_UNTYPED = re.compile(r"^\s*\.(?P<path>\S+): (?P<words>.+)$", re.MULTILINE)
_STRICT = re.compile(r'(?P<words>(?:unknown|duplicate) field) "(?P<path>[^"]+)"')
_BUSY = frozenset({429, 502, 503, 504})
_DENIED = 401
_MISSING = 404
_CONFLICT = 409


class ApiError(Exception):
    """A call on an API server that did not do what was asked."""


class KubeconfigError(ApiError):
    """The kubeconfig cannot be used."""


class UnreachableError(ApiError):
    """The API server does not answer."""


class DeniedError(ApiError):
    """The API server does not know who asks."""


class UnknownKindError(ApiError):
    """The API server has no such kind: its custom resource definition is not there."""


class MissingError(ApiError):
    """There is no such object."""


class ConflictError(ApiError):
    """The object exists, or was changed by somebody in between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with an object, in the server's words."""

    field: str
    """Where, as the server writes it: `spec.template.spec.containers[0].image`; empty for the whole object."""
    words: str


class RefusedError(ApiError):
    """The API server judged the object and refuses it.

    Attributes:
        about: The object.
        problems: All that is wrong with it.
    """

    def __init__(self, about: Ref, problems: tuple[Problem, ...]) -> None:
        self.about = about
        self.problems = problems
        said = "; ".join(f"{item.field}: {item.words}" if item.field else item.words for item in problems)
        super().__init__(f"{about} is refused by the API server: {said}")

    def findings(self) -> list[Finding]:
        """One finding for each problem."""
        return [refused(self.about, item) for item in self.problems]


class ImpossibleError(RefusedError):
    """The object can be had only by deleting the one that is there, which is not ours to decide."""

    def findings(self) -> list[Finding]:
        """One finding for each problem."""
        fix = "leave it as it is, or delete it yourself: what it holds goes with it, so springtide does not"
        return [refusal("local/cannot-change", self.about, item.words, fix, item.field) for item in self.problems]


class OwnedError(RefusedError):
    """The object belongs to another environment."""

    def findings(self) -> list[Finding]:
        """One finding for each problem."""
        fix = "take that environment down first, or use a cluster of your own for each"
        return [refusal("local/owned", self.about, item.words, fix) for item in self.problems]


AT_FAULT = (RefusedError, MissingError, ConflictError, UnknownKindError)
"""Errors that are about one object, so that others can be looked at all the same."""


def findings_of(error: ApiError, about: Ref) -> list[Finding]:
    """What one of the errors `AT_FAULT` says of an object."""
    if isinstance(error, RefusedError):
        return error.findings()
    return [refusal("local/missing", about, str(error), "make what is missing first, or leave the object out")]


def refused(about: Ref, problem: Problem) -> Finding:
    """A problem as a finding that stops what was begun."""
    fix = "change the value; nothing is applied until the server accepts every object"
    return refusal("local/refused", about, problem.words, fix, problem.field)


def refusal(rule: str, about: Ref, message: str, fix: str, field: str = "") -> Finding:
    """A finding about an object, or about one of its fields in the server's notation."""
    found = refuse(rule, pointer_of(field), None, message, fix, source=Source.CLOUD_MODEL)
    return replace(found, where=str(about))


def failure(code: int, status: Mapping[str, Any], about: Ref, server: str) -> ApiError:
    """The error for an answer.

    Args:
        code: HTTP status of the answer.
        status: Its body, a Kubernetes Status; empty where the body is something else.
        about: The object that was asked for; without a name where many were.
        server: Address of the server.
    """
    words = str(status.get("message") or f"HTTP status {code}")
    if code in _BUSY:
        return UnreachableError(f"the API server at {server} cannot answer now: {words}. Try again in a moment")
    if code == _DENIED:
        return DeniedError(f"the API server at {server} does not accept the kubeconfig's credentials: {words}")
    if code == _MISSING:
        return MissingError(f"{about}: {words}")
    if code == _CONFLICT:
        return ConflictError(f"{about}: {words}")
    return RefusedError(about, tuple(_problems(status, words)))


def _problems(status: Mapping[str, Any], words: str) -> Iterator[Problem]:
    """Each cause that the server lists; where it lists none, what its message tells of fields."""
    causes = status.get("details", {}).get("causes", [])
    if causes:
        yield from (Problem(field=item.get("field", ""), words=item.get("message", "")) for item in causes)
        return
    found = [*_UNTYPED.finditer(words.replace("): .", "):\n.")), *_STRICT.finditer(words)]
    yield from (Problem(field=item["path"], words=item["words"]) for item in found)
    if not found:
        yield Problem(field="", words=words)
