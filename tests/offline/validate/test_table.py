"""The table itself: each row refuses by itself, names what the API names, and says where its figures come from."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from kubernetes_validate.utils import schema_contents
from tests.offline.validate.examples import cases, resource
from tests.offline.validate.samples import FORMATS

from springtide.offline.validate import aws_model, formats, gcp_model, table
from springtide.offline.validate.constraint import judge
from springtide.offline.validate.shape import inspect
from springtide.offline.validate.values import check

ROWS = tuple(table.rows().values())
RENAMED = {
    "autopilotPrivilegedAdmissions": "allowlistPaths",
    "bucket": "name",
    "enableAutopilot": "enabled",
    "enableLegacyAbac": "enabled",
    "enableResourceConsumptionMetering": "enabled",
    "enableShieldedNodes": "enabled",
    "enabled": "enableNodeAutoprovisioning",
    "minMasterVersion": "initialClusterVersion",
    "uniformBucketLevelAccess": "enabled",
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


CASES = tuple(cases())
TYPES = sorted({row.type for row in ROWS})


@pytest.mark.parametrize("kind", TYPES)
def test_each_row_of_a_type_refuses_a_broken_value_at_its_path(kind: str) -> None:
    assert [str(case) for case in CASES if case.row.type == kind and not told(case.row, case.bad)] == []


@pytest.mark.parametrize("kind", TYPES)
def test_each_row_of_a_type_takes_a_good_value(kind: str) -> None:
    wrong = {str(case): told(case.row, case.good) for case in CASES if case.row.type == kind}
    assert {case: rules for case, rules in wrong.items() if rules} == {}


def test_each_limit_of_a_row_refuses_by_itself() -> None:
    assert [str(case) for case in CASES if not judge(case.bad, case.constraint)] == []


def told(row: table.Row, value: Any) -> list[str]:
    """Rules that the second layer breaks at the row's path, even where the first has found the type to be wrong."""
    given, pointer = resource(row, value)
    nodes = [replace(node, judged=True) for node in inspect(given).nodes]
    return [item.rule for item in check(given, nodes) if item.path == pointer]


def test_a_row_judges_or_is_listed_as_one_that_cannot() -> None:
    idle = [row for row in ROWS if not any(constraint.judges for constraint in row.constraints())]
    assert [row for row in idle if row.rule != table.UNCHECKED] == []


def test_a_rule_of_our_own_and_an_unchecked_path_say_why() -> None:
    assert [row for row in ROWS if row.rule and not row.why] == []


def test_a_row_leads_to_the_member_that_its_path_names() -> None:
    assert [row for row in ROWS if row.member and not leads(row)] == []


def leads(row: table.Row) -> bool:
    ours, theirs = (
        last_name(row.path),
        last_name(re.sub(r"\[]|{}|(?<=:Modify)(.*)\.Value$", r"\1", row.member).replace(".", "/")),
    )
    return ours in theirs or theirs in ours or theirs == plain(RENAMED.get(own_name(row.path), ""))


def own_name(path: str) -> str:
    return [step for step in path.split("/") if step != "*"][-1]


def last_name(path: str) -> str:
    return plain(own_name(path))


def plain(name: str) -> str:
    return name.casefold().removesuffix("s")


def test_every_line_of_the_table_is_a_row_of_its_own() -> None:
    lines = tuple(table.lines())
    assert len({(line.type, line.path) for line in lines}) == len(lines)


def test_a_place_that_is_like_another_has_all_its_rows() -> None:
    pool = {row.path: row for row in ROWS if row.type == "gcp:container/nodePool:NodePool"}
    cluster = {row.path: row for row in ROWS if row.type == "gcp:container/cluster:Cluster"}
    inside = [path for path in pool if path.startswith("/nodeConfig/")]
    assert len(inside) > 100
    for path in inside:
        assert replace(cluster[path], type="") == replace(pool[path], type="")
        assert cluster[f"/nodePools/*{path}"].rule == pool[path].rule
    assert cluster["/nodePools/*/version"].rule == pool["/version"].rule
    assert not any(row.rule.startswith("like:") for row in ROWS)


def test_a_row_about_a_place_speaks_of_all_below_it() -> None:
    token = "gcp:dns/recordSet:RecordSet"
    for pattern in ("/routingPolicy", "/routingPolicy/wrrs/*/weight"):
        entry = table._entry(token, pattern, "", "")
        assert entry is not None
        assert (entry.checks, entry.why.split(";")[0]) == (False, "Springtide answers with one address")
    assert table._entry(token, "/routingPolicyOfMine", "", "") is None


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


GOOGLE = ("container.", "compute.", "iam.", "file.")
MODELLED = [row for row in ROWS if row.member and "API" in row.why]
FIGURES = [row for row in MODELLED if row.member.startswith(("ec2:", *GOOGLE)) and row.rule.startswith("range:")]
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
    """What the model says in prose about a member, or about the nearest thing around it that it says anything about."""
    service, _, rest = address.partition(":")
    name, *steps = rest.replace("[]", ".[]").replace("{}", ".{}").split(".")
    texts = (google_texts if "." in service else amazon_texts)(service, name, steps)
    return next(text for text in reversed(tuple(texts)) if text)


def amazon_texts(service: str, operation: str, steps: list[str]) -> Iterator[str]:
    api = aws_model.document(service)
    reference = api["operations"][operation]["input"]
    for step in steps:
        shape = api["shapes"][reference["shape"]]
        reference = shape["members"][step] if "members" in shape else shape["member" if step == "[]" else "value"]
        yield reference.get("documentation", "") + api["shapes"][reference["shape"]].get("documentation", "")


def google_texts(service: str, schema: str, steps: list[str]) -> Iterator[str]:
    schemas = gcp_model.document(service)["schemas"]
    shape = schemas[schema]
    for step in steps:
        inside = gcp_model._inside(shape, step)
        shape = schemas[inside["$ref"]] if "$ref" in inside else inside
        yield inside.get("description", "")
