"""The monitor keeps what the engine would see; two runs of it make the resources of a plan."""

from itertools import pairwise
from typing import Any

import pytest
from google.protobuf import empty_pb2
from hypothesis import given
from hypothesis import strategies as st
from pulumi.runtime.proto import alias_pb2, resource_pb2

from springtide.offline import placeholder, wire
from springtide.offline.monitor import Monitor, RefusedError
from springtide.offline.recording import Recorded, compared, in_order

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pulumi_aws")  # its own modules, on import

STACK = "urn:pulumi:dev::house::pulumi:pulumi:Stack::house-dev"
THING = "urn:pulumi:dev::house::any:index:Thing"


def request(name: str, inputs: dict[str, Any] | None = None, **fields: Any) -> resource_pb2.RegisterResourceRequest:
    defaults: dict[str, Any] = {"type": "any:index:Thing", "parent": STACK, "custom": True}
    return resource_pb2.RegisterResourceRequest(name=name, object=wire.struct(inputs or {}), **(defaults | fields))


def depending(**urns: list[str]) -> dict[str, Any]:
    of = resource_pb2.RegisterResourceRequest.PropertyDependencies
    return {
        "dependencies": [urn for each in urns.values() for urn in each],
        "propertyDependencies": {name: of(urns=each) for name, each in urns.items()},
    }


def monitor(*requests: resource_pb2.RegisterResourceRequest, world: int = 0) -> Monitor:
    made = Monitor("house", "dev", world)
    for each in requests:
        made.RegisterResource(each)
    return made


def recorded(*requests: resource_pb2.RegisterResourceRequest, other: Any = None) -> Recorded:
    return compared(monitor(*requests), monitor(*(other or requests), world=1), secret_config=False)


def test_children_of_the_stack_have_no_parent_in_a_plan() -> None:
    (thing,) = recorded(request("a")).resources
    assert (thing.urn, thing.parent) == (f"{THING}::a", None)


def test_a_grandchild_names_the_types_of_all_above_it() -> None:
    house = request("house", type="my:index:House", custom=False)
    room = request("room", type="my:index:Room", custom=False, parent="urn:pulumi:dev::house::my:index:House::house")
    urn = "urn:pulumi:dev::house::my:index:House$my:index:Room::room"
    resources = recorded(house, room, request("a", parent=urn)).resources
    assert resources[-1].urn == "urn:pulumi:dev::house::my:index:House$my:index:Room$any:index:Thing::a"
    assert resources[-1].parent == urn


def test_two_resources_of_one_urn_are_refused_by_name() -> None:
    with pytest.raises(RefusedError, match="two resources of type any:index:Thing are named 'a'"):
        monitor(request("a"), request("a"))


def test_a_resource_gets_an_id_and_a_component_none() -> None:
    made = Monitor("house", "dev", 0)
    assert made.RegisterResource(request("a")).id == f"«{THING}::a#/id»"
    assert made.RegisterResource(request("b", custom=False)).id == ""


def test_options_are_kept_under_the_plans_names() -> None:
    timeouts = resource_pb2.RegisterResourceRequest.CustomTimeouts(delete="60m")
    (thing,) = recorded(
        request(
            "a",
            protect=True,
            retainOnDelete=True,
            ignoreChanges=["x"],
            replaceOnChanges=["y"],
            deleteBeforeReplace=False,
            deleteBeforeReplaceDefined=True,
            customTimeouts=timeouts,
            deletedWith=f"{THING}::b",
        )
    ).resources
    assert thing.options == {
        "protect": True,
        "retain_on_delete": True,
        "ignore_changes": ["x"],
        "replace_on_changes": ["y"],
        "delete_before_replace": False,
        "custom_timeouts": {"delete": "60m"},
        "deleted_with": f"{THING}::b",
        "aliases": [],
    }


def test_a_child_inherits_what_the_engine_lets_it_inherit() -> None:
    parent = request("p", custom=False, protect=True, retainOnDelete=True, deletedWith=f"{THING}::x")
    child = request("c", parent=f"{THING}::p")
    stubborn = request("s", parent=f"{THING}::p", protect=False, retainOnDelete=False)
    options = {item.name: item.options for item in recorded(parent, child, stubborn).resources}
    inherited = ("protect", "retain_on_delete", "deleted_with")
    assert [options["c"][name] for name in inherited] == [True, True, f"{THING}::x"]
    assert [options["s"][name] for name in inherited] == [False, False, f"{THING}::x"]


@pytest.mark.parametrize(
    ("alias", "urn"),
    [
        (alias_pb2.Alias(urn="urn:pulumi:a::b::c:d:e::f"), "urn:pulumi:a::b::c:d:e::f"),
        (alias_pb2.Alias(spec=alias_pb2.Alias.Spec(name="old")), f"{THING}::old"),
        (alias_pb2.Alias(spec=alias_pb2.Alias.Spec(type="a:b:C")), "urn:pulumi:dev::house::a:b:C::a"),
        (alias_pb2.Alias(spec=alias_pb2.Alias.Spec(parentUrn=f"{THING}::p")), f"{THING}$any:index:Thing::a"),
        (
            alias_pb2.Alias(spec=alias_pb2.Alias.Spec(stack="qa", noParent=True)),
            "urn:pulumi:qa::house::any:index:Thing::a",
        ),
    ],
)
def test_an_alias_is_the_urn_that_it_stands_for(alias: alias_pb2.Alias, urn: str) -> None:
    (thing,) = recorded(request("a", aliases=[alias, alias])).resources
    assert thing.options["aliases"] == [urn]


def test_secrets_are_digests_with_their_paths() -> None:
    (thing,) = recorded(request("a", {"open": 1, "nested": {"token": wire.Secret("hunter2")}})).resources
    assert thing.secret == ("/nested/token",)
    assert thing.inputs["nested"]["token"].keys() == {"$secret"}
    assert "hunter2" not in str(thing)


def test_a_secret_input_comes_back_to_the_program_as_a_secret() -> None:
    answer = Monitor("house", "dev", 0).RegisterResource(request("a", {"token": wire.Secret("x"), "open": "y"}))
    assert wire.plain(answer.object) == {"token": wire.Secret("x"), "open": "y"}


def test_an_output_that_is_declared_secret_is_one() -> None:
    answer = Monitor("house", "dev", 0).RegisterResource(request("a", {"key": "x"}, additionalSecretOutputs=["key"]))
    assert wire.plain(answer.object) == {"key": wire.Secret("x")}


def test_the_provider_is_a_urn_without_its_id() -> None:
    urn = "urn:pulumi:dev::house::pulumi:providers:any::main"
    provider = request("main", type="pulumi:providers:any")
    thing = request("a", provider=f"{urn}::{placeholder.identity(urn)}")
    assert recorded(provider, thing).resources[-1].provider == urn


def test_what_is_read_keeps_its_id_and_is_answered() -> None:
    made = Monitor("house", "dev", 0)
    answer = made.ReadResource(
        resource_pb2.ReadResourceRequest(type="aws:ec2/vpc:Vpc", name="old", id="vpc-1", parent=STACK)
    )
    (found,) = made.registrations.values()
    assert (found.id, found.custom, answer.id) == ("vpc-1", True, "vpc-1")
    assert wire.plain(answer.properties)["cidrBlock"] == f"«{found.urn}#/cidrBlock»"


@pytest.mark.parametrize(
    ("method", "question"),
    [
        ("Invoke", resource_pb2.ResourceInvokeRequest(tok="aws:index/getRegion:getRegion")),
        ("Call", resource_pb2.ResourceCallRequest(tok="aws:index/getRegion:getRegion")),
        ("ExistsResource", resource_pb2.ExistsResourceRequest(type="aws:index/getRegion:getRegion", id="x")),
    ],
)
def test_a_look_up_is_refused_by_its_name(method: str, question: Any) -> None:
    with pytest.raises(RefusedError, match=r"aws:index/getRegion:getRegion.*no look-ups"):
        getattr(Monitor("house", "dev", 0), method)(question)


def test_another_stacks_outputs_are_refused() -> None:
    question = resource_pb2.ReadResourceRequest(type="pulumi:pulumi:StackReference", name="p", id="prod", parent=STACK)
    with pytest.raises(RefusedError, match="outputs of stack 'prod'"):
        Monitor("house", "dev", 0).ReadResource(question)


def test_a_remote_component_is_refused() -> None:
    with pytest.raises(RefusedError, match="only its plugin knows"):
        monitor(request("a", remote=True))


def test_the_sdk_may_ask_for_a_resource_that_was_passed_as_a_value() -> None:
    made = monitor(request("a", {"x": 1}))
    question = resource_pb2.ResourceInvokeRequest(
        tok="pulumi:pulumi:getResource", args=wire.struct({"urn": f"{THING}::a"})
    )
    found = wire.plain(getattr(made.Invoke(question), "return"))
    assert found == {"urn": f"{THING}::a", "id": f"«{THING}::a#/id»", "state": {"x": 1}}


def test_the_monitor_offers_no_feature_that_needs_a_server() -> None:
    offered = set(Monitor("house", "dev", 0).GetDeploymentInfo(empty_pb2.Empty()).supportedFeatures)
    assert not offered & {
        resource_pb2.RESOURCE_MONITOR_FEATURE_TRANSFORMS,
        resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_HOOKS,
        resource_pb2.RESOURCE_MONITOR_FEATURE_OUTPUT_VALUES,
    }


def test_what_differs_between_the_worlds_is_unknown() -> None:
    first, *_ = (request("a"),)
    one, other = (
        request(
            "b", {"n": n, "deep": [{"text": f"x{n}"}], "same": 7}, **depending(n=[f"{THING}::a"], deep=[f"{THING}::a"])
        )
        for n in (1, 2)
    )
    thing = recorded(first, one, other=[first, other]).resources[-1]
    assert thing.unknown == ("/deep/0/text", "/n")
    assert thing.inputs == {"n": 1, "deep": [{"text": "x1"}], "same": 7}


def test_a_value_that_changes_without_a_reason_is_refused() -> None:
    with pytest.raises(RefusedError, match="/n differs from run to run although it comes from no resource"):
        recorded(request("a", {"n": 1}), other=[request("a", {"n": 2})])


def test_a_program_that_branches_on_the_cloud_is_refused() -> None:
    with pytest.raises(RefusedError, match=f"which resources exist.*{THING}::b"):
        recorded(request("a"), other=[request("a"), request("b")])


def test_outputs_say_whether_they_are_known() -> None:
    worlds = [monitor(), monitor(world=1)]
    for n, world in enumerate(worlds):
        outputs = wire.struct({"known": 1, "unknown": f"x{n}"})
        world.RegisterResourceOutputs(resource_pb2.RegisterResourceOutputsRequest(urn=STACK, outputs=outputs))
    assert compared(*worlds, secret_config=False).outputs == {
        "known": {"value": 1, "unknown": False},
        "unknown": {"value": "x0", "unknown": True},
    }


@given(st.lists(st.lists(st.integers(0, 30)), max_size=12), st.randoms())
def test_resources_come_after_what_they_need_in_an_order_that_arrival_does_not_change(
    needs: list[list[int]], chance: Any
) -> None:
    things = [
        request(f"{n}", dependencies=sorted({f"{THING}::{m % n}" for m in needed} if n else set()))
        for n, needed in enumerate(needs)
    ]
    registered = monitor(*things).registrations
    order = list(in_order(registered))
    shuffled = list(registered)
    chance.shuffle(shuffled)
    assert sorted(order) == sorted(registered)
    assert all(order.index(needed) < order.index(urn) for urn in order for needed in registered[urn].depends_on)
    assert list(in_order({urn: registered[urn] for urn in shuffled})) == order
    free = all(not item.depends_on for item in registered.values())
    assert not free or all(one < other for one, other in pairwise(order))
