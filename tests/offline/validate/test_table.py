"""The table itself: each row refuses by itself, names what the API names, and says where its figures come from."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kubernetes_validate.utils import schema_contents
from tests.offline.validate.examples import FORMATS, Case, cases, resource

from springtide.offline.validate import formats, model, table
from springtide.offline.validate.shape import inspect
from springtide.offline.validate.values import check

ROWS = tuple(table.rows().values())
RENAMED = {
    "assignGeneratedIpv6CidrBlock": "AmazonProvidedIpv6CidrBlock",
    "blockedEncryptionTypes": "EncryptionType",
    "cidrBlocks": "CidrIp",
    "clusterName": "name",
    "customerMasterKeySpec": "KeySpec",
    "deletionWindowInDays": "PendingWindowInDays",
    "egressOnlyGatewayId": "EgressOnlyInternetGatewayId",
    "enabledClusterLogTypes": "types",
    "forceUpdateVersion": "force",
    "ipv4AddressCount": "SecondaryPrivateIpAddressCount",
    "nodeRoleArn": "nodeRole",
    "protocol": "IpProtocol",
    "securityGroups": "GroupId",
    "sourceSecurityGroupIds": "sourceSecurityGroups",
    "subnetIds": "subnets",
}
"""Inputs whose provider name does not occur in the API's name, nor the other way round."""


@pytest.mark.parametrize("case", tuple(cases()), ids=str)
def test_a_row_refuses_a_broken_value_at_its_path_and_takes_a_good_one(case: Case) -> None:
    assert told(case.row, case.good) == []
    assert told(case.row, case.bad) != []


def told(row: table.Row, value: Any) -> list[str]:
    """Rules that the second layer breaks at the row's path, even where the first has found the type to be wrong."""
    given, pointer = resource(row, value)
    nodes = [replace(node, judged=True) for node in inspect(given).nodes]
    return [item.rule for item in check(given, nodes) if item.path == pointer]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.type}{row.path}")
def test_a_row_judges_or_says_why_it_cannot(row: table.Row) -> None:
    if row.rule == table.UNCHECKED:
        assert row.why
    else:
        assert any(constraint.judges for constraint in row.constraints())
        assert row.why or not row.rule, "a rule of our own names its source"


@pytest.mark.parametrize("row", [row for row in ROWS if row.member], ids=lambda row: f"{row.type}{row.path}")
def test_a_row_leads_to_the_member_that_its_path_names(row: table.Row) -> None:
    ours, theirs = (
        last_name(row.path),
        last_name(re.sub(r"\[]|{}|(?<=:Modify)(.*)\.Value$", r"\1", row.member).replace(".", "/")),
    )
    assert ours in theirs or theirs in ours or theirs == plain(RENAMED.get(own_name(row.path), ""))


def own_name(path: str) -> str:
    return [step for step in path.split("/") if step != "*"][-1]


def last_name(path: str) -> str:
    return plain(own_name(path))


def plain(name: str) -> str:
    return name.casefold().removesuffix("s")


def test_every_line_of_the_table_is_a_row_of_its_own() -> None:
    files = (Path(table.__file__).parent / "tables").glob("*.csv")
    assert sum(len(file.read_text().splitlines()) - 1 for file in files) == len(ROWS)


def test_a_member_that_another_botocore_lacks_leaves_its_path_unchecked() -> None:
    row = table.Row(
        type="aws:eks/nodeGroup:NodeGroup", path="/gone", member="eks:CreateNodegroup.gone", rule="", why=""
    )
    entry = table._read(row)
    assert not entry.checks
    assert entry.why == "the installed API models have no eks:CreateNodegroup.gone"


def test_every_format_is_used_and_has_examples() -> None:
    used = {row.rule.partition(":")[2] for row in ROWS if row.rule.startswith("format:")}
    assert used == formats.patterns().keys() | formats.TESTS.keys() == FORMATS.keys()


@pytest.mark.parametrize("name", sorted(formats.patterns()))
def test_a_pattern_takes_its_good_example_and_no_line_break_behind_it(name: str) -> None:
    pattern = re.compile(formats.patterns()[name][0])
    good, bad = FORMATS[name]
    assert pattern.fullmatch(good)
    assert not pattern.fullmatch(bad)
    assert name == "tag-value" or not pattern.fullmatch(f"{good}\n")


MODELLED = [row for row in ROWS if row.member and "API" in row.why]
FIGURES = [row for row in MODELLED if row.member.startswith("ec2:") and row.rule.startswith("range:")]
CHOICES = [row for row in MODELLED if row.rule.startswith("one-of:")]


@pytest.mark.parametrize("row", [*FIGURES, *CHOICES], ids=lambda row: f"{row.type}{row.path}")
def test_what_a_rule_adds_stands_in_the_api_models_own_text(row: table.Row) -> None:
    text = documentation(row.member).replace(",", "")
    expected = re.split(r"\.\.|\|", row.rule.partition(":")[2])
    missing = [word for word in expected if word not in text]
    assert missing == []


def test_the_words_of_kubernetes_stand_in_its_schemas() -> None:
    definitions = schema_contents("kubernetes-json-schema/v1.35.0-local-strict/_definitions.json", "1.35")["$defs"]
    for row in (row for row in ROWS if row.rule.startswith("one-of:") and row.why.startswith("Kubernetes API: ")):
        if row.type.count(".") == 2:
            text = description(definitions, row)
            missing = [word for word in row.rule.partition(":")[2].split("|") if word.casefold() not in text.casefold()]
            assert missing == [], row


def description(definitions: dict[str, Any], row: table.Row) -> str:
    shape = definitions[f"io.k8s.{'apimachinery.pkg.apis' if row.type.startswith('meta.') else 'api'}.{row.type}"]
    return str(shape["description"]) + str(shape["properties"][row.path.split("/")[1]]["description"])


def documentation(address: str) -> str:
    service, _, rest = address.partition(":")
    api = model._model(service)
    operation, *steps = rest.replace("[]", ".[]").replace("{}", ".{}").split(".")
    reference, texts = api["operations"][operation]["input"], []
    for step in steps:
        shape = api["shapes"][reference["shape"]]
        reference = shape["members"][step] if "members" in shape else shape["member" if step == "[]" else "value"]
        texts += [reference.get("documentation", "") + api["shapes"][reference["shape"]].get("documentation", "")]
    return next(str(text) for text in reversed(texts) if text)
