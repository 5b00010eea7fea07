"""The policy pack says what the offline plan says, over the wire, and stops what a rule says it stops."""

import importlib.util
from collections.abc import Iterator, Sequence
from types import ModuleType

import pytest
import yaml
from pulumi.runtime.proto import analyzer_pb2 as wire
from tests.policies.policy_cases import CASES
from tests.policies.policy_stacks import (
    Case,
    Resource,
    bucket,
    closed_bucket,
    environment,
    gpu_pool,
    job_set,
    node_group,
    resource,
    templated,
    workload,
)
from tests.policies.policy_wire import PACK, ROOT, UNKNOWN, Pack, Said, diagnostics, running
from tests.policies.test_rules import hiding_one_value

from springtide import catalog
from springtide.offline.planner import environments
from springtide.offline.record import record
from springtide_policies import ENVIRONMENT, RULES, Facts, Price, Rule, Scope, evaluate, machine_types

pytestmark = pytest.mark.enable_socket
ABOUT = {rule.name: rule.about for rule in RULES}


@pytest.fixture(scope="module")
def started() -> Iterator[Pack]:
    with running() as process:
        yield process


@pytest.fixture
def pack(started: Pack) -> Pack:
    """The running pack, told nothing, in an environment without limits."""
    started.configure({})
    started.analyze(environment())
    return started


def catalog_prices(resources: Sequence[Resource]) -> dict[tuple[str, str, str], Price]:
    found = {key: catalog.price(*key, catalog.Capacity.ON_DEMAND) for key in machine_types(resources)}
    return {
        key: Price(usd_per_hour=price.usd_per_hour, date=price.date, source=price.source)
        for key, price in found.items()
        if price is not None
    }


def offline(resources: Sequence[Resource]) -> list[Said]:
    found = evaluate(resources, Facts.declared(resources, catalog_prices(resources)))
    return [Said(finding.rule, finding.urn, finding.stops, finding.message) for finding in found]


def declaring(case: Case, resources: Sequence[Resource]) -> list[Resource]:
    return [environment(case.facts.budget_usd_per_hour, *case.facts.exempt), *resources]


def same(of_pack: list[Said], of_plan: list[Said]) -> None:
    def brief(said: Said) -> tuple[str, str, bool]:
        return said.rule, said.urn, said.stops

    assert sorted(map(brief, of_pack)) == sorted(map(brief, of_plan))
    for said in of_plan:
        assert any(said.message in other.message for other in of_pack)
    assert not [said for said in of_pack if "can't run policy" in said.message]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}: {case.claim}")
def test_the_pack_finds_what_the_offline_plan_finds(pack: Pack, case: Case) -> None:
    resources = declaring(case, case.resources)
    same(pack.judge(resources), offline(resources))


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.name != "exemption-known"], ids=lambda rule: rule.name)
def test_the_pack_agrees_wherever_a_value_is_unknown(pack: Pack, rule: Rule) -> None:
    case = next(case for case in CASES if case.rule == rule.name and len(case.resources) > 1)
    for hidden in hiding_one_value(case):
        if not any("" in item["unknown"] for item in hidden):  # the engine always sends an object
            resources = declaring(case, hidden)
            same(pack.judge(resources), offline(resources))


@pytest.mark.parametrize("name", environments(ROOT))
def test_the_pack_says_of_every_environment_what_its_plan_says(pack: Pack, name: str) -> None:
    resources = [item.to_json() for item in record(ROOT, name).resources]
    assert resources
    same(pack.judge(resources), offline(resources))
    alone = [item for item in resources if item["type"] != ENVIRONMENT]
    [own] = [item["urn"] for item in resources if item["type"] == ENVIRONMENT]
    strict = {**environment(0), "urn": own}  # in its place: a pack remembers every environment that it saw
    same(pack.judge([strict, *alone]), offline([strict, *alone]))


def test_the_pack_lists_every_rule_with_its_level_and_severity(pack: Pack) -> None:
    info = pack.info()
    stack, alone = wire.POLICY_TYPE_STACK, wire.POLICY_TYPE_RESOURCE
    high, critical = wire.POLICY_SEVERITY_HIGH, wire.POLICY_SEVERITY_CRITICAL
    assert {(item.name, item.enforcementLevel, item.policy_type, item.severity) for item in info.policies} == {
        ("exemption-known", wire.MANDATORY, stack, high),
        ("gpu-ceiling-budget", wire.MANDATORY, stack, critical),
        ("gpu-idle-floor-zero", wire.MANDATORY, alone, high),
        ("gpu-max-required", wire.MANDATORY, alone, high),
        ("image-pinned-by-digest", wire.MANDATORY, alone, high),
        ("image-pinned-by-digest.cannot-tell", wire.ADVISORY, alone, high),
        ("node-image-has-driver", wire.MANDATORY, alone, high),
        ("node-image-has-driver.cannot-tell", wire.ADVISORY, alone, high),
        ("node-image-pinned", wire.MANDATORY, alone, high),
        ("reserved-pool-protected", wire.MANDATORY, stack, high),
        ("reserved-pool-protected.cannot-tell", wire.ADVISORY, stack, high),
        ("storage-encrypted-private", wire.MANDATORY, stack, high),
    }
    assert all(item.description and item.remediation_steps for item in info.policies)
    schemas = {item.name: set(item.configSchema.properties) for item in info.policies}
    assert schemas["gpu-ceiling-budget"] == {"budget_usd_per_hour", "exempt"}
    assert schemas["gpu-max-required"] == {"exempt"}


def test_an_unknown_maximum_stops_a_preview(pack: Pack) -> None:
    said = diagnostics(pack.analyze(node_group(unknown=["/scalingConfig"])))
    assert {item.rule for item in said} == {"policy/gpu-max-required", "policy/gpu-idle-floor-zero"}
    assert all(item.stops and "/scalingConfig is not known before the deployment" in item.message for item in said)


def test_an_image_of_the_same_deployment_is_told_and_a_tag_stops(pack: Pack) -> None:
    path = "/spec/template/spec/containers/0/image"
    unknown = workload("apps/v1:Deployment", templated(), unknown=[path])
    tagged = workload("apps/v1:Deployment", templated("train:1"))
    assert [said.stops for said in diagnostics(pack.analyze(unknown))] == [False]
    assert [said.stops for said in diagnostics(pack.analyze(tagged))] == [True]


def test_what_a_rule_is_not_about_is_reported_as_not_applicable(pack: Pack) -> None:
    response = pack.analyze(job_set())
    assert {item.policy_name: item.reason for item in response.not_applicable} == {
        "gpu-idle-floor-zero": "there are no GPU pools or services on GPUs",
        "gpu-max-required": "there are no pools",
        "image-pinned-by-digest": "there are no containers",
        "image-pinned-by-digest.cannot-tell": "there are no containers",
        "node-image-has-driver": f"there are no {ABOUT['node-image-has-driver']}",
        "node-image-has-driver.cannot-tell": f"there are no {ABOUT['node-image-has-driver']}",
        "node-image-pinned": f"there are no {ABOUT['node-image-pinned']}",
    }


def test_what_the_cloud_adds_to_the_outputs_changes_no_verdict(pack: Pack) -> None:
    made = bucket()
    flags = {
        "serverSideEncryptionConfiguration": {"rule": {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "x"}}}
    }
    pack.analyze(made)
    response = pack.analyze_stack([made], {made["urn"]: flags})
    same(diagnostics(response), offline([made]))


def test_a_resource_that_came_only_at_the_end_is_judged_by_its_outputs(pack: Pack) -> None:
    made, block, sse = [{**item, "urn": f"{item['urn']}-late"} for item in closed_bucket()]
    uses = {"/bucket": [made["urn"]]}
    resources = [made, *({**item, "property_depends_on": uses} for item in (block, sse))]
    outputs = {item["urn"]: item["inputs"] for item in resources}
    assert diagnostics(pack.analyze_stack(resources, outputs)) == []
    open_block = {**outputs, block["urn"]: {**block["inputs"], "blockPublicAcls": UNKNOWN}}
    (said,) = diagnostics(pack.analyze_stack(resources, open_block))
    assert (said.urn, said.stops) == (block["urn"], True)


def test_a_secret_and_an_asset_among_the_inputs_break_nothing(pack: Pack) -> None:
    key = "4dabf18193072939515e22adb298388d"
    secret = {key: "1b47061264138c4ac30d75fd1eb44270", "value": {"nvidia.com/gpu": 8}}
    asset = {key: "c44067f5952c0a294b673a41bacd8c17", "text": "hello"}
    pool = resource("kubernetes:karpenter.sh/v1:NodePool", "train", {"spec": {"limits": secret, "note": asset}})
    assert diagnostics(pack.analyze(pool)) == []


def test_a_pack_can_be_told_a_budget_and_exceptions(pack: Pack) -> None:
    pools = [environment(9e9), gpu_pool("open", maxNodes=None), gpu_pool()]
    pack.configure({"gpu-max-required": {"exempt": ["open"]}, "gpu-ceiling-budget": {"budget_usd_per_hour": 1}})
    (said,) = pack.judge(pools)
    assert (said.rule, said.stops) == ("policy/gpu-ceiling-budget", True)
    assert "above 1.00" in said.message


@pytest.fixture(scope="module")
def entry() -> ModuleType:
    spec = importlib.util.spec_from_file_location("springtide_policy_pack", PACK / "__main__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_importing_the_entry_starts_no_server(entry: ModuleType) -> None:
    assert len(entry.policies()) == sum(len(entry.faces(rule)) for rule in RULES) > len(RULES)


def test_a_rule_takes_a_second_policy_only_where_failing_and_not_knowing_differ(entry: ModuleType) -> None:
    by_name = {rule.name: rule for rule in RULES}
    assert [face.name for face in entry.faces(by_name["gpu-max-required"])] == ["gpu-max-required"]
    images = entry.faces(by_name["image-pinned-by-digest"])
    assert [face.name for face in images] == ["image-pinned-by-digest", "image-pinned-by-digest.cannot-tell"]


def test_every_scope_has_a_kind_of_policy(entry: ModuleType) -> None:
    assert {rule.scope for rule in RULES} == set(Scope) == set(entry.SCOPES)


def test_the_pack_file_names_an_environment_inside_the_project() -> None:
    project = yaml.safe_load((PACK / "PulumiPolicy.yaml").read_text())
    assert project["runtime"] == {"name": "python", "options": {"toolchain": "pip", "virtualenv": "../.venv"}}
    assert project["version"]
