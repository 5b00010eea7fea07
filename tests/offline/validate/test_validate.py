"""What people read: the findings and the coverage of whole plans."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.offline.validate.narrow import (
    CLUSTER,
    DEPLOYMENT,
    GKE,
    INPUTS,
    JOB,
    JOB_SET,
    KARPENTER,
    NODE_GROUP,
    NODE_POOL,
    TEMPLATE,
    changed,
    plan,
    resource,
)

from springtide.offline.paths import child
from springtide.offline.plan import Resource
from springtide.offline.validate import validate
from springtide.spec import Finding, Outcome, Severity, Source

UNLISTED = "not in the table"
PROVIDER = "pulumi:providers:aws"
ROLE = "aws:iam/role:Role"
MAIN = "/spec/template/spec/containers/0"


def only(made: Resource, *others: Resource) -> Finding:
    (found,) = validate([made, *others]).findings
    return found


def test_a_right_plan_has_no_findings() -> None:
    assert validate(plan()).findings == ()


@pytest.mark.parametrize("token", [NODE_GROUP, TEMPLATE, CLUSTER, NODE_POOL, GKE, JOB, DEPLOYMENT, KARPENTER, JOB_SET])
def test_every_path_of_the_types_that_matter_is_checked(token: str) -> None:
    count = validate(plan()).coverage[token]
    assert count["checked"] == count["paths"] > 5


def test_what_is_not_checked_is_counted_with_its_reason() -> None:
    found = validate(plan())
    assert found.coverage["kubernetes:helm.sh/v3:Release"] == {"paths": 4, "checked": 2}
    assert found.unchecked["kubernetes:helm.sh/v3:Release"].keys() == {"/chart", "/values/*"}
    assert all(reason for paths in found.unchecked.values() for reason in paths.values())


def test_a_path_that_no_table_lists_is_not_called_checked() -> None:
    found = validate([resource("aws:ec2/keyPair:KeyPair", {"publicKey": "ssh-ed25519 AAAA"})])
    assert found.unchecked == {"aws:ec2/keyPair:KeyPair": {"/publicKey": UNLISTED}}


def test_coverage_counts_paths_and_not_elements() -> None:
    one = validate([resource(NODE_GROUP)])
    more = validate(
        [changed(NODE_GROUP, "/instanceTypes", ["g6.xlarge", "g6.2xlarge", "g5.xlarge"]), resource(NODE_GROUP)]
    )
    assert more.coverage == one.coverage


MISTAKES: tuple[tuple[str, str, Any, str, str], ...] = (
    (NODE_GROUP, "/scalingConfig/min_sze", 0, "sdk/unknown-field", "rename `min_sze` to `minSize`"),
    (NODE_GROUP, "/scalingConfig/maxSize", "four", "sdk/type", "give a whole number"),
    (NODE_GROUP, "/scalingConfig/maxSize", None, "sdk/required", "set `scalingConfig.maxSize`"),
    (NODE_GROUP, "/clusterNme", "x", "sdk/unknown-field", "rename `clusterNme` to `clusterName`"),
    (NODE_GROUP, "/subnetIds", None, "sdk/required", "set `subnetIds`"),
    (NODE_GROUP, "/taints", {}, "sdk/type", "give a list"),
    (NODE_GROUP, "/taints/0/effekt", "x", "sdk/unknown-field", "rename `effekt` to `effect`"),
    (CLUSTER, "/version", 1.35, "sdk/type", "give text"),
    (JOB, "/kind", "CronJob", "sdk/type", 'give "Job"'),
    (JOB, f"{MAIN}/imagePullPolcy", "Always", "sdk/unknown-field", "rename `imagePullPolcy` to `imagePullPolicy`"),
    (JOB, f"{MAIN}/name", None, "sdk/required", "set `spec.template.spec.containers[0].name`"),
    (PROVIDER, "/allowedAccountIds", "123456789012", "sdk/type", "give a list"),
    (PROVIDER, "/skipMetadataApiCheck", "yes", "sdk/type", "give true or false"),
    (PROVIDER, "/region", "us-east", "aws/format", "give a region such as us-east-1"),
    (NODE_GROUP, "/amiType", "BOTTLEROCKET_X86_64_NVIDIA", "aws/enum", "use BOTTLEROCKET_x86_64_NVIDIA"),
    (NODE_GROUP, "/scalingConfig/maxSize", 0, "aws/range", "keep to at least 1"),
    (NODE_GROUP, "/instanceTypes/0", "g6.xlrage", "aws/enum", "use g6.xlarge"),
    (NODE_GROUP, "/labels/springtide.dev~1pool", "x" * 64, "aws/length", "keep to 1 to 63"),
    (NODE_GROUP, "/labels", {"": "x"}, "aws/length", "keep to 1 to 63"),
    (CLUSTER, "/name", "dev cluster", "aws/pattern", r"give text that matches ^[0-9A-Za-z][A-Za-z0-9\-_]*"),
    (CLUSTER, "/encryptionConfig/resources/0", "secret", "aws/enum", "use secrets"),
    (ROLE, "/name", "r" * 65, "aws/length", "keep to 1 to 64"),
    (TEMPLATE, "/blockDeviceMappings/0/ebs/encrypted", "yes", "aws/type", "give true or false"),
    (NODE_POOL, "/nodeConfig/machinType", "g2-standard-8", "sdk/unknown-field", "rename `machinType` to `machineType`"),
    (NODE_POOL, "/cluster", None, "sdk/required", "set `cluster`"),
    (NODE_POOL, "/autoscaling/locationPolicy", "any", "gcp/enum", "use ANY"),
    (NODE_POOL, "/nodeConfig/guestAccelerators/0/count", "eight", "sdk/type", "give a whole number"),
    (NODE_POOL, "/nodeConfig/guestAccelerators/0/gpuDriverInstallationConfig/gpuDriverVersion", "newest",
     "gcp/enum", "use one of the allowed values"),
    (NODE_POOL, "/nodeConfig/maxRunDuration", "7d", "gcp/format", "give seconds such as 3600s"),
    (NODE_POOL, "/nodeConfig/resourceLabels", {"springtide.dev/pool": "x"}, "gcp/format",
     "give a label key of a-z, 0-9, _ and -"),
    (GKE, "/location", "us-east-1", "gcp/format", "give a region or zone such as us-central1 or us-central1-a"),
    (GKE, "/ipAllocationPolicy/servicesIpv4CidrBlock", "10.0.0.1/20", "gcp/format",
     "give a CIDR block, or a netmask such as /14"),
    (GKE, "/nodePools/0/nodeConfig/machineType", "m5.large", "gcp/format", "give a machine type such as a3-highgpu-8g"),
    (KARPENTER, "/spec/template/spec/expireAftr", "1h", "k8s/schema", "rename `expireAftr` to `expireAfter`"),
    (KARPENTER, "/spec/weight", "ten", "k8s/type", "give a whole number"),
    (KARPENTER, "/spec/weight", 101, "k8s/schema", "see the object's API reference"),
    (KARPENTER, "/spec/disruption/consolidationPolicy", "WhenUnderutilised", "k8s/schema", "use WhenEmptyOrUnderutilized"),
    (KARPENTER, "/spec/template/spec/nodeClassRef", None, "k8s/schema", "set `spec.template.spec.nodeClassRef`"),
    (KARPENTER, "/metadata/labels/app.kubernetes.io~1name", "a b", "k8s/format",
     "give a label value: at most 63 letters, digits, - _ and ."),
    (JOB_SET, "/spec/failurePolicy/restartStrategy", "InPlace", "k8s/schema", "use InPlaceRestart"),
    (JOB_SET, "/spec/replicatedJobs/0/template/spec/template/spec/restartPolicy", "never", "k8s/enum", "use Never"),
    (JOB, "/metadata/name", "GPT", "k8s/format", "give a DNS label: at most 63 of a-z, 0-9 and -"),
    (JOB, "/spec/template/spec/restartPolicy", "never", "k8s/enum", "use Never"),
)  # fmt: skip


@pytest.mark.parametrize(("token", "path", "value", "rule", "fix"), MISTAKES)
def test_a_mistake_is_named_with_its_path_and_what_to_change(
    token: str, path: str, value: Any, rule: str, fix: str
) -> None:
    made = changed(token, path, value)
    found = only(made)
    assert (found.rule, found.path, found.fix) == (rule, path, fix)
    assert (found.urn, found.outcome, found.severity) == (made.urn, Outcome.FAIL, Severity.ERROR)
    assert found.source is Source.CLOUD_MODEL
    assert found.stops


def test_a_member_that_only_the_api_demands_is_missed() -> None:
    found = only(changed(TEMPLATE, "/creditSpecification", {"cpuCredits": None}))
    assert (found.rule, found.path) == ("aws/required", "/creditSpecification/cpuCredits")


def test_an_element_inside_a_providers_json_text_has_a_path_of_its_own() -> None:
    found = only(changed(PROVIDER, "/allowedAccountIds", '["1234"]'))
    assert (found.rule, found.path) == ("aws/format", "/allowedAccountIds/0")


def test_a_message_says_what_is_wrong_and_who_says_so() -> None:
    found = only(changed(NODE_GROUP, "/capacityType", "spot"))
    told = '`capacityType` is "spot"; it must be ON_DEMAND, SPOT, CAPACITY_BLOCK'
    assert found.message == f"{told} (eks:CreateNodegroup.capacityType)"
    assert found.allowed == ("ON_DEMAND", "SPOT", "CAPACITY_BLOCK")
    assert found.value == "spot"


def test_of_many_allowed_values_the_closest_are_told() -> None:
    found = only(changed(NODE_GROUP, "/instanceTypes/1", "p5.48xlrage"))
    assert found.allowed[0] == "p5.48xlarge"
    assert len(found.allowed) == 8
    assert "one of 1," in found.message


def test_a_list_that_is_too_long_is_found_at_the_list() -> None:
    found = only(changed(NODE_GROUP, "/instanceTypes", ["g6.xlarge"] * 21))
    assert (found.rule, found.path) == ("aws/length", "/instanceTypes")


def test_all_mistakes_of_a_plan_come_at_once() -> None:
    broken = [changed(NODE_GROUP, "/amiType", "x"), changed(CLUSTER, "/name", ""), changed(JOB, "/kind", "Jub")]
    assert [item.urn for item in validate(broken).findings] == [item.urn for item in broken]


@pytest.mark.parametrize("hidden", ["unknown", "secret"])
def test_what_only_the_cloud_knows_is_counted_and_not_judged(hidden: str) -> None:
    paths = {hidden: ("/clusterName", "/subnetIds", "/scalingConfig/maxSize")}
    made = changed(NODE_GROUP, "/scalingConfig/maxSize", "«urn#/size»", **paths)
    made.inputs.update(clusterName={"$secret": "sha256:0"}, subnetIds="«urn#/ids»")
    found = validate([made])
    assert found.findings == ()
    assert found.coverage[NODE_GROUP]["checked"] == found.coverage[NODE_GROUP]["paths"]


def test_a_policy_is_read_around_what_only_the_cloud_knows() -> None:
    document = {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Alow", "Action": "s3:Get*", "Resource": "«urn#/arn»/*"},
    }
    made = changed("aws:iam/rolePolicy:RolePolicy", "/policy", json.dumps(document), unknown=("/policy",))
    found = only(made)
    assert (found.rule, found.path) == ("aws/format", "/policy")
    assert 'Statement[0].Effect is "Alow"' in found.message


def test_components_reads_and_stack_references_are_no_resources_to_check() -> None:
    wrong = {"cidrBlock": 1, "nonsense": True}
    skipped = [
        resource("springtide:index:Network", wrong, custom=False),
        resource("aws:ec2/vpc:Vpc", wrong, id="vpc-01234567"),
        resource("pulumi:pulumi:StackReference", wrong),
    ]
    found = validate(skipped)
    assert (found.findings, found.coverage) == ((), {})


@pytest.mark.parametrize(
    ("token", "rule"),
    [("nowhere:index:Thing", "sdk/unknown-type"), ("aws:eks/nodeGroop:NodeGroop", "sdk/unknown-type"),
     ("kubernetes:nowhere.example/v1:Thing", "k8s/unknown-kind"), ("pulumi:providers:nowhere", "sdk/unknown-type")],
)  # fmt: skip
def test_a_type_that_nobody_knows_is_a_cannot_tell_that_does_not_stop(token: str, rule: str) -> None:
    found = validate([resource(token, {"spec": {"a": 1}})])
    (told,) = found.findings
    assert (told.rule, told.outcome, told.stops) == (rule, Outcome.CANNOT_TELL, False)
    assert found.coverage == {token: {"paths": 1, "checked": 0}}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(token=st.sampled_from(sorted(INPUTS)), data=st.data())
def test_no_value_anywhere_makes_validation_fail_by_itself(token: str, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(INPUTS[token])))
    value = data.draw(JSON)
    found = validate([resource(token, {**INPUTS[token], name: value})])
    count = found.coverage[token]
    assert 0 <= count["checked"] <= count["paths"]
    json.dumps([item.to_json() for item in found.findings])


def leaves(value: Any, path: str = "") -> list[str]:
    if not isinstance(value, list | dict):
        return [path]
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return [leaf for key, item in items for leaf in leaves(item, child(path, key))]


MEMBERS = [(token, path) for token in (NODE_GROUP, TEMPLATE, CLUSTER, NODE_POOL, GKE) for path in leaves(INPUTS[token])]
NAMED = [(token, path) for token, path in MEMBERS if not re.search(r"\d$|/tags/|/labels/|/resourceLabels/", path)]


@given(place=st.sampled_from(MEMBERS), value=st.sampled_from([[], {}, [[1]], {"a": {}}]))
def test_a_value_of_another_nature_is_found_at_its_path(place: tuple[str, str], value: Any) -> None:
    found = only(changed(*place, value))
    assert (found.rule, found.path) == ("sdk/type", place[1])


@given(place=st.sampled_from(NAMED), where=st.floats(0, 1, exclude_max=True))
def test_a_name_with_one_letter_twice_is_found_beside_the_right_one(place: tuple[str, str], where: float) -> None:
    token, path = place
    parent, _, name = path.rpartition("/")
    cut = int(where * len(name)) + 1
    wrong = name[:cut] + name[cut - 1 :]
    found = only(changed(token, f"{parent}/{wrong}", "x"))
    told = (found.rule, found.path, found.fix)
    assert told == ("sdk/unknown-field", f"{parent}/{wrong}", f"rename `{wrong}` to `{name}`")


@given(order=st.permutations(plan()))
def test_coverage_does_not_depend_on_the_order_of_resources(order: list[Resource]) -> None:
    assert validate(order).coverage == validate(plan()).coverage


def test_the_environments_of_this_repository_emit_nothing_unlisted(planned: tuple[Path, tuple[Resource, ...]]) -> None:
    _, resources = planned
    found = validate(resources)
    reasons = [(token, path, why) for token, paths in found.unchecked.items() for path, why in paths.items()]
    assert [item for item in reasons if item[2] == UNLISTED] == []
    assert [item for item in found.findings if item.stops] == []
