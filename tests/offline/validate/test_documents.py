"""The policy language: what AWS would refuse is told with its place in the document."""

import json
from typing import Any

import pytest

from springtide.offline.validate.documents import IDENTITY, RESOURCE, TRUST, Kind, complaints

READ = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::springtide/*"}
ASSUME = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "eks.amazonaws.com"}}
GUARD = {**READ, "Effect": "Deny", "Principal": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}


def document(*statements: Any, **members: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements), **members})


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        (READ, IDENTITY),
        (ASSUME, TRUST),
        (GUARD, RESOURCE),
        ({**READ, "Action": "*", "Resource": "*", "Sid": "All"}, IDENTITY),
        ({"Effect": "Deny", "NotAction": "iam:*", "NotResource": "«urn#/arn»"}, IDENTITY),
        (
            {**ASSUME, "Principal": {"AWS": "«urn#/arn»"}, "Condition": {"ForAnyValue:StringLikeIfExists": {"a": "b"}}},
            TRUST,
        ),
    ],
)
def test_a_right_statement_is_taken(statement: dict[str, Any], kind: Kind) -> None:
    assert complaints(document(statement), kind) == ()


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ({**READ, "Effect": "allow"}, 'Statement[0].Effect is "allow", it must be Allow or Deny'),
        ({**READ, "Principal": "*"}, "Statement[0].Principal has no place in this kind of policy"),
        ({**READ, "NotAction": "s3:*"}, "Statement[0] has both Action and NotAction"),
        ({"Effect": "Allow", "Action": "s3:GetObject"}, "Statement[0] needs Resource or NotResource"),
        ({**READ, "Action": []}, "Statement[0].Action is empty"),
        ({**READ, "Action": "GetObject"}, 'Statement[0].Action holds "GetObject", which is not an action such as s3:GetObject'),
        ({**READ, "Resource": "springtide"}, 'Statement[0].Resource holds "springtide", which is not an ARN or "*"'),
        ({**READ, "Resorce": "*"}, "Statement[0].Resorce is not a member of the policy language, did you mean Resource?"),
        ({**READ, "Condition": {"StringEqual": {"a": "b"}}},
         "Statement[0].Condition.StringEqual is not a condition operator, did you mean StringEquals?"),
        ({**READ, "Condition": {"Bool": "true"}}, "Statement[0].Condition.Bool must be an object of condition keys"),
        ({**READ, "Condition": []}, "Statement[0].Condition must be an object of operators"),
        ("s3:*", "Statement[0] is not an object"),
    ],
)  # fmt: skip
def test_a_wrong_statement_is_told_with_its_place(statement: Any, told: str) -> None:
    assert complaints(document(statement), IDENTITY) == (told,)


@pytest.mark.parametrize(
    ("principal", "told"),
    [
        (
            {"Servce": "ec2.amazonaws.com"},
            "Statement[0].Principal.Servce is not a member of the policy language, did you mean Service?",
        ),
        (
            "ec2.amazonaws.com",
            'Statement[0].Principal must be "*" or name one of AWS, CanonicalUser, Federated, Service',
        ),
        ({"Service": ""}, 'Statement[0].Principal.Service holds "", which is not a principal'),
    ],
)
def test_a_wrong_principal_is_told_with_its_place(principal: Any, told: str) -> None:
    assert complaints(document({**ASSUME, "Principal": principal}), TRUST) == (told,)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{'Version': 1}", "it is not JSON (Expecting property name enclosed in double quotes at character 1)"),
        ("[]", "it is not a JSON object"),
        (document(), "Statement is missing or empty"),
        (document(READ, Version="2012-10-18"), 'Version is "2012-10-18", use "2012-10-17"'),
        (document(READ, Statment=[]), "Statment is not a member of the policy language, did you mean Statement?"),
    ],
)
def test_a_document_that_is_none_is_told(text: str, told: str) -> None:
    assert complaints(text, IDENTITY) == (told,)


def test_all_that_is_wrong_comes_at_once() -> None:
    assert len(complaints(document({**READ, "Effect": "x", "Action": "x"}, {**READ, "Resource": "x"}), IDENTITY)) == 3


def test_the_length_of_a_policy_is_that_without_white_space_and_placeholders() -> None:
    fits = {**READ, "Resource": ["arn:aws:s3:::" + "x" * 9_000, "«" + "u" * 9_000 + "»"]}
    assert complaints(json.dumps({"Version": "2012-10-17", "Statement": fits}, indent=400), IDENTITY) == ()
    (told,) = complaints(document({**READ, "Resource": "arn:aws:s3:::" + "x" * 10_240}), IDENTITY)
    assert told.endswith("characters, at most 10,240 are allowed")


def test_a_document_that_only_the_cloud_knows_is_not_judged() -> None:
    assert complaints("«urn#/json»", TRUST) == ()


def test_a_document_may_be_given_as_an_object() -> None:
    assert complaints({"Version": "2012-10-17", "Statement": READ}, IDENTITY) == ()
