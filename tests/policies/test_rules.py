"""What the rules say, row by row, and the laws that hold for all of them."""

import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.policies.policy_cases import CASES
from tests.policies.policy_stacks import (
    Case,
    Resource,
    bucket,
    facts,
    gpu_pool,
    launch_template,
    node_group,
    service,
    templated,
    workload,
)

from springtide.spec import Finding, Outcome, Severity, Source
from springtide_policies import RULES, Facts, Rule, Scope, assess, evaluate

BY_NAME = {rule.name: rule for rule in RULES}
FOUR = set(Outcome)
TYPES = sorted({item["type"] for case in CASES for item in case.resources})


def said(findings: Sequence[Finding]) -> list[tuple[str, str, str]]:
    return [(finding.outcome.value, finding.urn.split("::")[-1], finding.path) for finding in findings]


def outcomes(resources: Sequence[Resource], known: Facts, rule: Rule) -> set[Outcome]:
    return {finding.outcome for finding in assess(resources, known, [rule])}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}: {case.claim}")
def test_a_rule_says_what_the_table_says(case: Case) -> None:
    assert said(assess(case.resources, case.facts, [BY_NAME[case.rule]])) == list(case.says)


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.name != "exemption-known"], ids=lambda rule: rule.name)
def test_every_rule_is_shown_with_all_four_outcomes(rule: Rule) -> None:
    assert {Outcome(outcome) for case in CASES if case.rule == rule.name for outcome, _, _ in case.says} == FOUR


def pointers(value: Any, path: str = "") -> Iterator[str]:
    yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in members:
        yield from pointers(item, f"{path}/{str(key).replace('~', '~0').replace('/', '~1')}")


def hiding_one_value(case: Case) -> Iterator[list[Resource]]:
    for index, item in enumerate(case.resources):
        for path in pointers(item["inputs"]):
            hidden = {**item, "unknown": [*item["unknown"], path]}
            yield [*case.resources[:index], hidden, *case.resources[index + 1 :]]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}: {case.claim}")
def test_hiding_a_value_turns_no_failure_into_a_pass_and_no_pass_into_a_failure(case: Case) -> None:
    rule = BY_NAME[case.rule]
    known = outcomes(case.resources, case.facts, rule)
    for resources in hiding_one_value(case):
        seen = outcomes(resources, case.facts, rule)
        if Outcome.FAIL in known:
            assert seen & {Outcome.FAIL, Outcome.CANNOT_TELL}
        if known <= {Outcome.PASS, Outcome.NOT_APPLICABLE}:
            assert Outcome.FAIL not in seen


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.scope is Scope.RESOURCE], ids=lambda rule: rule.name)
def test_a_resource_rule_answers_alike_for_a_stack_and_for_its_resources_one_by_one(rule: Rule) -> None:
    resources = [item for case in CASES for item in case.resources]
    alone = [finding for item in resources for finding in assess([item], facts(), [rule]) if finding.urn]
    assert list(assess(resources, facts(), [rule])) == alone


json = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.sampled_from(["", "In", "0", "true"]),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(
        st.sampled_from(
            ["spec", "template", "containers", "image", "scalingConfig", "minSize", "maxSize", "limits", "values",
             "requirements", "nvidia.com/gpu", "ebs", "encrypted", "resources", "provider", "keyArn", "rules"]
        ),
        inner,
        max_size=3,
    ),
    max_leaves=8,
)  # fmt: skip
top = st.dictionaries(
    st.sampled_from(
        ["spec", "cloud", "region", "machineTypes", "maxNodes", "minNodes", "pool", "gpus", "minReplicas", "bucket",
         "scalingConfig", "instanceTypes", "amiType", "autoscaling", "nodeConfig", "nodeCount", "rules", "template",
         "encryptionConfig", "blockDeviceMappings", "blockPublicAcls", "serverSideEncryptionConfiguration"]
    ),
    json,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(TYPES), top), max_size=3))
def test_no_input_however_malformed_breaks_a_rule(given_inputs: list[tuple[str, dict[str, Any]]]) -> None:
    resources = [
        {"urn": f"urn:pulumi:dev::p::{kind}::r{i}", "type": kind, "name": f"r{i}", "inputs": inputs}
        for i, (kind, inputs) in enumerate(given_inputs)
    ]
    assert {finding.rule for finding in assess(resources, facts(1))} == {rule.id for rule in RULES}


def test_rules_leave_the_resources_as_they_were() -> None:
    resources = [item for case in CASES for item in case.resources]
    before = copy.deepcopy(resources)
    assess(resources, facts(1))
    assert resources == before


def test_evaluate_returns_only_what_asks_for_something() -> None:
    resources = [gpu_pool(minNodes=1), node_group(unknown=["/scalingConfig"]), launch_template()]
    found = evaluate(resources, facts(100))
    assert Counter(finding.outcome for finding in found) == {Outcome.FAIL: 1, Outcome.CANNOT_TELL: 4}
    assert set(found) < set(assess(resources, facts(100)))


def test_a_finding_carries_where_what_and_what_to_do() -> None:
    (found,) = evaluate([gpu_pool(minNodes=1)], facts())
    assert found == Finding(
        rule="policy/gpu-idle-floor-zero",
        outcome=Outcome.FAIL,
        severity=Severity.ERROR,
        source=Source.POLICY,
        message="pool train keeps 1 GPU nodes running when no work waits.",
        fix="set the minimum to 0, or say that it is meant: add `gpu-idle-floor-zero:train` to `policies.exempt`",
        urn="urn:pulumi:dev::springtide::springtide:index:GpuPool::train",
        path="/minNodes",
        value=1,
    )


def test_the_ceiling_is_shown_as_a_sum_with_dates() -> None:
    (found,) = evaluate([gpu_pool(), gpu_pool("serve", maxNodes=2, machineTypes=["g6.xlarge"])], facts(5))
    assert found.message == (
        "all pools at their maximum cost 11.67 USD per hour, above 5.00: "
        "serve 2 of g6.xlarge at 0.80 (list of 2026-07-20), train 10 of g5.xlarge at 1.01 (list of 2026-07-20)."
    )
    assert (found.value, found.allowed, found.stops) == (11.6696, (5,), True)


def test_a_sum_of_prices_is_exact_to_the_cent() -> None:
    assert not evaluate([gpu_pool("a", maxNodes=3), gpu_pool("b", maxNodes=7)], facts(10.06))


@pytest.mark.parametrize(
    ("resource", "stops"),
    [
        (node_group(unknown=["/scalingConfig"]), True),
        (service(unknown=["/minReplicas"]), True),
        (launch_template(), True),
        (workload("batch/v1:Job", templated(), unknown=["/spec/template/spec/containers/0/image"]), False),
    ],
)
def test_what_a_rule_cannot_tell_stops_a_plan_only_where_the_rule_says_so(resource: Resource, stops: bool) -> None:
    found = evaluate([resource], facts())
    assert {finding.outcome for finding in found} == {Outcome.CANNOT_TELL}
    assert {finding.stops for finding in found} == {stops}


def test_what_is_only_read_is_not_judged() -> None:
    assert evaluate([{**bucket(), "id": "somebody-elses"}], facts()) == ()


def test_a_secret_is_neither_judged_nor_shown() -> None:
    job = workload("batch/v1:Job", templated("hidden:1"))
    path = "/spec/template/spec/containers/0/image"
    (found,) = evaluate([{**job, "secret": [path]}], facts())
    assert (found.outcome, found.path, found.value) == (Outcome.CANNOT_TELL, path, None)
    assert "hidden" not in str(found)


def test_findings_survive_the_plans_json() -> None:
    for finding in assess([item for case in CASES for item in case.resources], facts(1)):
        assert Finding.from_json(finding.to_json()) == finding
