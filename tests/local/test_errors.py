"""What an API server's answers become."""

import pytest

from springtide.local.cluster.errors import (
    ConflictError,
    DeniedError,
    MissingError,
    Problem,
    RefusedError,
    UnreachableError,
    failure,
)
from springtide.local.cluster.refs import Ref
from springtide.spec import finding_text

POOL = Ref(api_version="karpenter.sh/v1", kind="NodePool", name="train")
SERVER = "https://127.0.0.1:6443"


def answer(message: str, *causes: tuple[str, str]) -> dict[str, object]:
    return {"message": message, "details": {"causes": [{"field": field, "message": said} for field, said in causes]}}


def problems(code: int, said: dict[str, object]) -> tuple[Problem, ...]:
    error = failure(code, said, POOL, SERVER)
    assert isinstance(error, RefusedError)
    return error.problems


def test_every_cause_of_a_refusal_is_a_problem_of_its_own() -> None:
    said = answer("all of it", ("spec.weight", "must be less than 100"), ("spec.limits", "is negative"))
    assert problems(422, said) == (
        Problem(field="spec.weight", words="must be less than 100"),
        Problem(field="spec.limits", words="is negative"),
    )


def test_a_refusal_reads_as_object_place_and_the_servers_words() -> None:
    error = failure(422, answer("", ("spec.template.spec.taints[0].key", "Invalid value")), POOL, SERVER)
    assert isinstance(error, RefusedError)
    [finding] = error.findings()
    assert finding.path == "/spec/template/spec/taints/0/key"
    assert finding_text(finding).startswith("  NodePool train spec.template.spec.taints.0.key: Invalid value")
    assert finding.stops


@pytest.mark.parametrize(
    ("code", "message", "field", "words"),
    [
        (
            500, "failed to create typed patch object (/x; v1, Kind=ConfigMap): .datta: field not declared in schema",
            "datta", "field not declared in schema",
        ),
        (
            500, "failed to create typed patch object (/x; v1, Kind=Deployment): errors:\n  .spec.a: one\n  .spec.b: two",
            "spec.a", "one",
        ),
        (400, 'strict decoding error: unknown field "spec.foo"', "spec.foo", "unknown field"),
        (403, 'configmaps "x" is forbidden: exceeded quota', "", 'configmaps "x" is forbidden: exceeded quota'),
    ],
)  # fmt: skip
def test_a_refusal_without_causes_is_read_from_its_message(code: int, message: str, field: str, words: str) -> None:
    assert problems(code, {"message": message})[0] == Problem(field=field, words=words)


def test_two_faults_in_one_message_are_two_problems() -> None:
    message = "failed to create typed patch object (/x; v1, Kind=D): errors:\n  .spec.a: one\n  .spec.b: two"
    assert [item.field for item in problems(500, {"message": message})] == ["spec.a", "spec.b"]


@pytest.mark.parametrize(
    ("code", "kind"),
    [(401, DeniedError), (404, MissingError), (409, ConflictError), (429, UnreachableError), (503, UnreachableError)],
)
def test_what_is_not_the_objects_fault_is_another_error(code: int, kind: type[Exception]) -> None:
    error = failure(code, {"message": "its own words"}, POOL, SERVER)
    assert type(error) is kind
    assert "its own words" in str(error)


def test_an_answer_that_is_no_status_is_told_by_its_code() -> None:
    assert "HTTP status 418" in str(failure(418, {}, POOL, SERVER))
