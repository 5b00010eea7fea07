"""Arms behind a Gateway API of somebody's: an HTTPRoute with weights."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from springtide.k8s.serving import servers, service
from springtide.k8s.split_route import MOST_ARMS, Parent, route_findings, split_route
from springtide.offline.validate.custom import known

PARENT = Parent(name="shared", namespace="infra", listener="https")
ARMS = {"chat": 90, "chat-b": 10}


def behind(route: dict[str, Any]) -> list[dict[str, Any]]:
    [rule] = route["spec"]["rules"]
    return list(rule["backendRefs"])


def test_each_arm_has_its_weight_and_the_service_itself_is_reached_past_its_own_address() -> None:
    """Its address leads to gateways of ours where there are some, and would divide the requests again."""
    assert behind(split_route("chat", "springtide", ARMS, PARENT)) == [
        {"name": "chat-servers", "port": 80, "weight": 90},
        {"name": "chat-b", "port": 80, "weight": 10},
    ]


def test_it_leads_to_ports_that_the_services_have() -> None:
    made = [servers("chat", "springtide", "chat-servers"), service("chat-b", "springtide")]
    for one, reference in zip(made, behind(split_route("chat", "springtide", ARMS, PARENT)), strict=True):
        assert one["metadata"]["name"] == reference["name"]
        assert reference["port"] in [port["port"] for port in one["spec"]["ports"]]


def test_the_listener_and_the_host_are_said_only_where_there_are_some() -> None:
    whole = split_route("chat", "springtide", ARMS, PARENT, "chat.example.com")["spec"]
    assert whole["hostnames"] == ["chat.example.com"]
    assert whole["parentRefs"][0]["sectionName"] == "https"
    bare = split_route("chat", "springtide", ARMS, Parent(name="shared", namespace="infra"))["spec"]
    assert bare.keys() == {"parentRefs", "rules"}
    assert "sectionName" not in bare["parentRefs"][0]


@given(weights=st.lists(st.integers(0, 100), min_size=1, max_size=MOST_ARMS + 4), sleeping=st.booleans())
def test_what_such_a_route_cannot_do_is_refused_and_nothing_else(weights: list[int], *, sleeping: bool) -> None:
    arms = {f"arm-{i}": weight for i, weight in enumerate(weights)}
    found = {one.rule for one in route_findings("/split", "arm-0", arms, frozenset({"arm-0"} if sleeping else ()))}
    assert ("spec/route-arms" in found) is (len(arms) > MOST_ARMS)
    assert ("spec/route-sleeps" in found) is (sleeping and weights[0] > 0)


@given(weights=st.lists(st.integers(0, 100), min_size=1, max_size=MOST_ARMS))
def test_the_gateway_api_s_own_schema_takes_it(weights: list[int]) -> None:
    kind = known("gateway.networking.k8s.io/v1", "HTTPRoute")
    assert kind is not None
    arms = {f"arm-{i}": weight for i, weight in enumerate(weights)}
    made = split_route("arm-0", "springtide", arms, PARENT, "chat.example.com")
    Draft202012Validator(kind.schema()["properties"]["spec"]).validate(made["spec"])
