from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.offline.diff import ABSENT, Comparison, PropertyChange, ResourceChange, compare, property_changes
from springtide.offline.paths import steps
from springtide.offline.plan import Plan, Resource
from springtide.offline.replacement import Action, action_for, replacing_properties

from .sample_plan import DIGEST, Sample, output, sample

NODE_GROUP = "aws:eks/nodeGroup:NodeGroup"
TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("ab", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


def changed(plan: Plan, kind: str, name: str, **members: Any) -> Plan:
    """The plan with members of one resource replaced; `inputs` are merged."""

    def edit(item: Resource) -> Resource:
        inputs = item.inputs | members.get("inputs", {})
        return replace(item, **{**members, "inputs": inputs}) if (item.type, item.name) == (kind, name) else item

    return replace(plan, resources=tuple(map(edit, plan.resources)))


def one(comparison: Comparison, kind: str, name: str) -> ResourceChange:
    return next(change for change in comparison.changes if (change.type, change.name) == (kind, name))


def test_the_same_plan_changes_nothing() -> None:
    comparison = compare(sample(run="a", image=DIGEST).plan(), sample(run="a", image=DIGEST).plan())
    assert (comparison.changes, comparison.hits, comparison.empty) == ((), (), True)


def test_without_a_base_everything_is_created() -> None:
    comparison = compare(None, sample().plan())
    assert comparison.new_environment
    assert {change.action for change in comparison.changes} == {Action.CREATE}


def test_a_changed_value_is_told_by_its_pointer() -> None:
    comparison = compare(sample(nodes=(0, 4)).plan(), sample(nodes=(0, 8)).plan())
    assert one(comparison, NODE_GROUP, "train").changes == (
        PropertyChange(path="/scalingConfig/maxSize", old=4, new=8),
    )
    assert one(comparison, NODE_GROUP, "train").action is Action.UPDATE


def test_intent_and_its_rendering_are_told_apart() -> None:
    comparison = compare(sample(nodes=(0, 4)).plan(), sample(nodes=(0, 8)).plan())
    assert [(change.name, change.custom) for change in comparison.intent] == [("train", False)]
    assert [change.type for change in comparison.of(Action.UPDATE)] == [NODE_GROUP]


def test_zero_differs_from_absent_false_and_null() -> None:
    found = [*property_changes({"a": 0, "b": 0, "c": 0}, {"a": False, "b": None})]
    assert [(item.path, item.new) for item in found] == [("/a", False), ("/b", None), ("/c", ABSENT)]


def test_a_change_in_a_document_is_told_where_it_is() -> None:
    (change,) = property_changes(
        {"policy": '{"Statement": [{"Effect": "Allow"}]}'}, {"policy": '{"Statement": [{"Effect": "Deny"}]}'}
    )
    assert change == PropertyChange(path="/policy/Statement/0/Effect", old="Allow", new="Deny")


@pytest.mark.parametrize(
    ("old", "new"), [('{"a": 1}', '{"a":1}'), ('{"a": 1}', "plain"), ("1", "2"), ('{"a": 1}', "[1]")]
)
def test_texts_that_are_no_two_documents_are_values(old: str, new: str) -> None:
    assert [*property_changes(old, new)] == [PropertyChange(path="", old=old, new=new)]


def test_a_removed_resource_is_deleted() -> None:
    with_bucket = sample()
    with_bucket.storage("second")
    comparison = compare(with_bucket.plan(), sample().plan())
    assert [(change.name, change.action) for change in comparison.of(Action.DELETE)] == [("second", Action.DELETE)]


def test_what_is_only_read_is_neither_created_nor_deleted() -> None:
    reading = sample()
    reading.add("aws:ec2/vpc:Vpc", "theirs", reading.stack, read_id="vpc-1")
    assert compare(sample().plan(), reading.plan()).empty
    assert compare(reading.plan(), sample().plan()).empty


@pytest.mark.parametrize(
    ("kind", "path", "action"),
    [
        (NODE_GROUP, "/instanceTypes/0", Action.REPLACE),
        (NODE_GROUP, "/launchTemplate/id", Action.REPLACE),
        (NODE_GROUP, "/launchTemplate", Action.REPLACE),
        (NODE_GROUP, "/launchTemplate/version", Action.UPDATE),
        (NODE_GROUP, "/scalingConfig/maxSize", Action.UPDATE),
        ("aws:eks/cluster:Cluster", "/version", Action.UPDATE),
        ("aws:eks/cluster:Cluster", "/roleArn", Action.REPLACE),
        ("aws:ec2/subnet:Subnet", "/cidrBlock", Action.REPLACE),
        ("kubernetes:batch/v1:Job", "/spec/template/spec", Action.REPLACE),
        ("kubernetes:apps/v1:Deployment", "/spec/replicas", Action.UPDATE),
        ("kubernetes:core/v1:Service", "/metadata/namespace", Action.REPLACE),
        ("kubernetes:helm.sh/v3:Release", "/values/a", Action.UPDATE_OR_REPLACE),
        ("gcp:container/nodePool:NodePool", "/location", Action.REPLACE),
        ("gcp:container/nodePool:NodePool", "/nodeConfig/guestAccelerators/0/count", Action.REPLACE),
        ("gcp:container/nodePool:NodePool", "/nodeConfig/machineType", Action.UPDATE),
        ("gcp:container/cluster:Cluster", "/minMasterVersion", Action.UPDATE),
        ("gcp:lustre/instance:Instance", "/capacityGib", Action.UPDATE),
        ("aws:fsx/lustreFileSystem:LustreFileSystem", "/perUnitStorageThroughput", Action.REPLACE),
        ("aws:fsx/openZfsFileSystem:OpenZfsFileSystem", "/storageCapacity", Action.UPDATE_OR_REPLACE),
    ],
)
def test_what_a_change_does_is_known_by_type_and_property_or_said_to_be_unknown(
    kind: str, path: str, action: Action
) -> None:
    assert action_for(kind, [path], {})[0] is action


def test_a_replacement_that_the_program_asks_for_counts() -> None:
    options = {"replace_on_changes": ["tags"]}
    assert action_for("aws:ec2/vpc:Vpc", ["/tags/Name"], options) == (Action.REPLACE, "/tags/Name")
    assert action_for("unheard:of/type:Type", ["/x"], {"replace_on_changes": ["*"]}) == (Action.REPLACE, "/x")


def test_the_table_of_replacements_holds_pointers() -> None:
    known = replacing_properties(NODE_GROUP)
    assert known is not None
    assert all(path.startswith("/") for path in known)


def test_what_is_ignored_is_told_and_changes_nothing() -> None:
    base, plan = sample(nodes=(0, 4)).plan(), sample(nodes=(0, 4)).plan()
    scaling = {"scalingConfig": {"minSize": 0, "desiredSize": 3, "maxSize": 4}}
    comparison = compare(base, changed(plan, NODE_GROUP, "train", inputs=scaling))
    change = one(comparison, NODE_GROUP, "train")
    assert (change.action, change.changes) == (Action.KEEP, ())
    assert [item.path for item in change.ignored] == ["/scalingConfig/desiredSize"]
    assert comparison.empty


def test_who_takes_the_id_of_a_replaced_resource_is_replaced_too() -> None:
    base = sample().plan()
    subnet = {"cidrBlock": "10.0.64.0/20"}
    comparison = compare(base, changed(base, "aws:ec2/subnet:Subnet", "network-private-use1-az1", inputs=subnet))
    change = one(comparison, NODE_GROUP, "train")
    assert change.action is Action.REPLACE
    assert change.because == "/subnetIds/0 refers to network-private-use1-az1, which is replaced"


def test_a_name_that_is_an_output_of_a_replaced_resource_carries_its_replacement() -> None:
    base = sample().plan()
    comparison = compare(base, changed(base, "aws:eks/cluster:Cluster", "cluster", inputs={"roleArn": "arn:new"}))
    assert one(comparison, NODE_GROUP, "serve").action is Action.REPLACE


def with_reference(kind: str, path: str, **options: Any) -> tuple[Plan, Plan]:
    """A key, and a resource of `kind` that takes its id at `path`; then the same with the key replaced."""
    made = Sample()
    key = made.add("aws:kms/key:Key", "key", made.stack, {"keyUsage": "ENCRYPT_DECRYPT"})
    made.add(kind, "user", made.stack, {path: output(key)}, uses={f"/{path}": (key,)}, options=options)
    return made.plan(), changed(made.plan(), "aws:kms/key:Key", "key", inputs={"keyUsage": "SIGN_VERIFY"})


def test_a_reference_in_an_updatable_property_is_updated() -> None:
    assert one(
        compare(*with_reference("aws:ec2/vpcEndpoint:VpcEndpoint", "policy")), "aws:ec2/vpcEndpoint:VpcEndpoint", "user"
    ).action is (Action.UPDATE)


def test_a_reference_of_an_unknown_type_is_said_to_be_unknown() -> None:
    assert one(compare(*with_reference("a:b/c:C", "key")), "a:b/c:C", "user").action is Action.UPDATE_OR_REPLACE


def test_an_ignored_reference_stays() -> None:
    comparison = compare(*with_reference("aws:ec2/vpcEndpoint:VpcEndpoint", "policy", ignore_changes=["policy"]))
    assert [change.name for change in comparison.changes] == ["key"]


def test_a_node_group_that_belongs_to_no_pool_hits_nobody() -> None:
    made = sample(run="first", image=DIGEST)
    made.add(NODE_GROUP, "loose", None, {"amiType": "CUSTOM"})
    base = made.plan()
    assert compare(base, changed(base, NODE_GROUP, "loose", inputs={"amiType": "AL2023"})).hits == ()


def test_a_replaced_resource_hits_the_runs_on_it() -> None:
    base = sample(run="first", image=DIGEST, machine_types=("g6.xlarge",)).plan()
    plan = sample(run="first", image=DIGEST, machine_types=("g6.2xlarge",)).plan()
    (hit,) = compare(base, plan).hits
    assert (hit.job, hit.run, hit.pool) == ("gpt", "first", "train")
    assert hit.why == "train is replaced (/instanceTypes/0)"


def test_a_replaced_cluster_hits_every_run() -> None:
    base = sample(run="first", image=DIGEST).plan()
    plan = changed(base, "aws:eks/cluster:Cluster", "cluster", inputs={"roleArn": "arn:new"})
    assert "cluster is replaced (/roleArn)" in [hit.why for hit in compare(base, plan).hits]


def test_a_job_that_was_not_started_cannot_be_hit() -> None:
    base, plan = sample(machine_types=("g6.xlarge",)).plan(), sample(machine_types=("g6.2xlarge",)).plan()
    assert compare(base, plan).hits == ()


def test_another_pools_replacement_hits_nobody() -> None:
    base = sample(run="first", image=DIGEST).plan()
    plan = changed(base, NODE_GROUP, "serve", inputs={"amiType": "CUSTOM"})
    assert compare(base, plan).hits == ()


def test_a_new_run_stops_the_old_one() -> None:
    comparison = compare(sample(run="a", image=DIGEST).plan(), sample(run="b", image=DIGEST).plan())
    assert [hit.why for hit in comparison.hits] == ["gpt-a is deleted"]


def test_a_changed_launch_template_rolls_the_nodes_under_a_run() -> None:
    base = sample(run="first", image=DIGEST).plan()
    plan = changed(base, TEMPLATE, "train", inputs={"tagSpecifications": [{"resourceType": "instance"}]})
    comparison = compare(base, plan)
    assert one(comparison, NODE_GROUP, "train").rolls_nodes
    (hit,) = comparison.hits
    assert hit.why == "every node of train is rolled (it takes the new version of its launch template)"


def waited_for(bought: dict[str, Any], disk_gib: int) -> Plan:
    """A run on a pool of GKE of such machines."""
    made = sample(run="first", image=DIGEST)
    [pool] = (item for item in made.resources if item.type == "springtide:index:GpuPool" and item.name == "train")
    node = {"diskSizeGb": disk_gib, **bought.get("nodeConfig", {})}
    made.add("gcp:container/nodePool:NodePool", "train", pool, {**bought, "nodeConfig": node})
    return made.plan()


@pytest.mark.parametrize("bought", [{"nodeConfig": {"flexStart": True}}, {"queuedProvisioning": {"enabled": True}}])
def test_machines_that_were_waited_for_stay_and_so_do_the_runs_on_them(bought: dict[str, Any]) -> None:
    comparison = compare(waited_for(bought, 100), waited_for(bought, 200))
    change = one(comparison, "gcp:container/nodePool:NodePool", "train")
    assert (change.action, change.rolls_nodes, comparison.hits) == (Action.UPDATE, False, ())


def test_machines_of_gke_that_are_bought_as_usual_are_exchanged_under_the_runs_on_them() -> None:
    (hit,) = compare(waited_for({}, 100), waited_for({}, 200)).hits
    assert (hit.job, hit.why) == ("gpt", "every node of train is rolled")


def test_a_new_node_release_rolls_the_nodes() -> None:
    base = sample(run="first", image=DIGEST).plan()
    comparison = compare(base, changed(base, NODE_GROUP, "train", inputs={"releaseVersion": "1.51.0"}))
    assert [hit.why for hit in comparison.hits] == ["every node of train is rolled"]


def renamed() -> tuple[Plan, Plan]:
    def network(name: str, aliases: list[str]) -> Sample:
        made = Sample()
        vpc = made.add("aws:ec2/vpc:Vpc", name, made.stack, {"cidrBlock": "10.0.0.0/16"}, options={"aliases": aliases})
        inputs = {"vpcId": output(vpc), "cidrBlock": "10.0.0.0/20"}
        made.add("aws:ec2/subnet:Subnet", "private", made.stack, inputs, uses={"/vpcId": (vpc,)})
        return made

    old = network("network", [])
    return old.plan(), network("main", [old.resources[-2].urn]).plan()


def test_an_alias_makes_a_rename_of_what_would_be_a_replacement() -> None:
    before, after = renamed()
    comparison = compare(before, after)
    (change,) = comparison.changes
    assert (change.name, change.action) == ("main", Action.KEEP)
    assert change.renamed_from == before.of_type("aws:ec2/vpc:Vpc")[0].urn
    assert comparison.empty


def test_without_its_alias_a_rename_deletes_and_creates() -> None:
    before, after = renamed()
    bare = changed(after, "aws:ec2/vpc:Vpc", "main", options={})
    comparison = compare(before, bare)
    assert [change.name for change in comparison.of(Action.DELETE)] == ["network"]
    assert [change.name for change in comparison.of(Action.CREATE)] == ["main"]


def test_a_reference_to_another_resource_is_a_change() -> None:
    base = sample().plan()
    elsewhere = base.of_type("aws:ec2/subnet:Subnet")[0]
    plan = changed(
        base, "aws:ec2/natGateway:NatGateway", "network-use1-az1", inputs={"subnetId": output(elsewhere, "x")}
    )
    assert one(compare(base, plan), "aws:ec2/natGateway:NatGateway", "network-use1-az1").action is Action.REPLACE


def test_typed_placeholders_of_the_same_source_are_the_same() -> None:
    def plan(port: int) -> Plan:
        made = Sample()
        first = made.add("a:b/c:C", "first", made.stack)
        made.add("a:b/d:D", "second", made.stack, {"port": port}, uses={"/port": (first,)})
        return made.plan()

    assert compare(plan(1), plan(2)).empty


def test_a_value_that_becomes_known_is_a_change() -> None:
    base = sample().plan()
    plan = changed(base, "aws:ec2/subnet:Subnet", "network-private-use1-az1", inputs={"vpcId": "vpc-1"}, unknown=())
    assert one(compare(base, plan), "aws:ec2/subnet:Subnet", "network-private-use1-az1").action is Action.REPLACE


def test_providers_are_no_resources_of_the_cloud() -> None:
    base = sample().plan()
    comparison = compare(base, changed(base, "pulumi:providers:aws", "dev", inputs={"region": "eu-west-1"}))
    assert [change.name for change in comparison.intent] == ["dev"]
    assert comparison.empty


@given(json_values, json_values)
def test_the_changes_between_two_values_lead_from_one_to_the_other(old: Any, new: Any) -> None:
    assert applied(old, [*property_changes(old, new)]) == new


@given(json_values)
def test_a_value_does_not_differ_from_itself(value: Any) -> None:
    assert [*property_changes(value, deepcopy(value))] == []


def applied(value: Any, changes: list[PropertyChange]) -> Any:
    """`value` with the changes made to it, the last ones first so that list indexes stay true."""
    holder = {"": deepcopy(value)}
    for change in sorted(changes, key=lambda item: item.new is ABSENT):
        *above, last = ("", *steps(change.path))
        place: Any = holder
        for step in above:
            place = place[int(step) if isinstance(place, list) else step]
        put(place, last, change.new)
    return pruned(holder[""])


def put(place: Any, step: str, new: Any) -> None:
    if isinstance(place, list):
        place.extend([ABSENT] * (int(step) + 1 - len(place)))
        place[int(step)] = new
    elif new is ABSENT:
        del place[step]
    else:
        place[step] = new


def pruned(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: pruned(item) for key, item in value.items()}
    return [pruned(item) for item in value if item is not ABSENT] if isinstance(value, list) else value
