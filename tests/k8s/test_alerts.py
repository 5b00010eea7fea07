"""What a service's alerts say over none, one and many pods; and that nobody can break one unseen."""

import re
from collections.abc import Iterator
from typing import Any

import promql_parser as promql
import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.k8s.alerts import LONGEST_SECONDS, LOST, Targets, alerts
from springtide_workloads.contract import GatewayMetric, Metric
from springtide_workloads.gateway.refusal import Reason
from springtide_workloads.serve.metrics import REFUSALS, SECONDS

from .promql_model import Ambiguous, Series, evaluate, misshapen
from .told import KNOWN


def rules(*, sleeps: bool, gateways: bool = False) -> dict[str, dict[str, Any]]:
    held = Targets(first_token_seconds=2.5)
    [group] = alerts("chat", "springtide", sleeps=sleeps, gateways=gateways, targets=held)["spec"]["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


AWAKE, ASLEEP = rules(sleeps=False), rules(sleeps=True)
ALL = [(sleeps, rule) for sleeps, found in ((False, AWAKE), (True, ASLEEP)) for rule in found.values()]
IDS = [f"{rule['alert']}-{'asleep' if sleeps else 'awake'}" for sleeps, rule in ALL]


WELL: dict[str, float] = {
    "ready": 1.0,
    "ok": 10.0,
    "bad": 0.0,
    "failed": 0.0,
    "gone": 0.0,
    "refused": 0.0,
    "key": 0.0,
    "cache": 0.2,
    "seconds": 0.1,
    "first": 0.1,
    "queue": 0.1,
}
"""A server that is well: events a second, and seconds that its answers take."""


def server(service: str = "chat", pod: str = "0", namespace: str = "a", **values: Any) -> list[Series]:
    """A server with ten requests a second, each answered within a tenth of a second unless `values` say more."""
    labels = {"service": service, "pod": pod, "namespace": namespace}
    value = WELL | values

    def one(metric: str, value: float, **more: str) -> Series:
        return Series(metric, labels | more, value)

    def timed(metric: str, seconds: float) -> list[Series]:
        bounds = [*(str(bound) for bound in SECONDS), "+Inf"]
        return [one(f"{metric}_bucket", value["ok"] * (float(le) >= seconds), le=le) for le in bounds]

    return [
        one(Metric.READY, value["ready"]),
        one(Metric.CACHE_USED, value["cache"]),
        one(Metric.REQUESTS, value["ok"], code="200"),
        one(Metric.REQUESTS, value["bad"], code="500"),
        one(Metric.REQUESTS, value["refused"] + value["key"], code="429"),
        one(Metric.FAILED, value["failed"], reason="model"),
        one(Metric.FAILED, value["gone"], reason="client"),
        one(Metric.REFUSED, value["refused"], reason="deadline"),
        one(Metric.REFUSED, value["key"], reason="key"),
        *timed(Metric.REQUEST_SECONDS, value["seconds"]),
        *timed(Metric.FIRST_TOKEN_SECONDS, value["first"]),
        *timed(Metric.QUEUE_SECONDS, value["queue"]),
    ]


def gateway(service: str = "chat", pod: str = "g0", **values: Any) -> list[Series]:
    """A gateway of a service that has a replica and loses nothing, unless `values` say more."""
    labels = {"service": service, "pod": pod, "namespace": "a"}
    value: dict[str, float] = {"replicas": 1.0, "held": 0.0, "lost": 0.0, "left": 0.0} | values
    return [
        Series(GatewayMetric.REPLICAS, labels, value["replicas"]),
        Series(GatewayMetric.HELD, labels, value["held"]),
        Series(GatewayMetric.REQUESTS, labels, value["held"]),
        Series(GatewayMetric.LOST, labels | {"reason": "no_replica"}, value["lost"]),
        Series(GatewayMetric.LOST, labels | {"reason": "client"}, value["left"]),
    ]


SICK: dict[str, Any] = {
    "ready": 0.0,
    "bad": 5.0,
    "failed": 5.0,
    "refused": 5.0,
    "cache": 1.0,
    "seconds": 50.0,
    "first": 50.0,
}
OTHER = [*server("other", **SICK, queue=50.0), *gateway("other", replicas=0.0, held=5.0, lost=1.0)]
"""Another service, on which every rule would speak."""
HALF: dict[str, Any] = {
    "bad": 0.5,
    "failed": 0.5,
    "refused": 1.0,
    "cache": 0.96,
    "seconds": 40.0,
    "first": 5.0,
    "queue": 10.0,
}
"""A replica on which every rule speaks that is about requests."""
SLOW = {"SpringtideSlowAnswers": 1, "SpringtideSlowFirstToken": 1, "SpringtideLongQueue": 1}
BUSY = {"SpringtideErrors": 1, "SpringtideRefused": 1, "SpringtideCacheFull": 1, **SLOW}
TWINS = [*gateway(pod="g0"), *gateway(pod="g1")]

SCENES: dict[str, tuple[bool, list[Series], dict[str, int]]] = {
    "two replicas and all is well": (False, server(pod="0") + server(pod="1"), {}),
    "nobody asks": (False, server(ok=0.0), {}),
    "no pod": (False, [], {"SpringtideNumbersAbsent": 1}),
    "one of two is ready": (False, server(ready=0.0) + server(pod="1"), {}),
    "none of two is ready": (False, server(ready=0.0) + server(pod="1", ready=0.0), {"SpringtideNobodyReady": 1}),
    "one replica in trouble": (False, server(**HALF), BUSY),
    "two replicas in trouble": (False, server(**HALF) + server(pod="1", **HALF), BUSY),
    "one in trouble among fifty": (
        False,
        [*server(**HALF), *(one for pod in range(1, 50) for one in server(pod=str(pod), ok=100.0))],
        {},
    ),
    "streams break off": (False, server(failed=1.0), {"SpringtideErrors": 1}),
    "an old stream breaks off while nobody asks": (False, server(ok=0.0, failed=0.01, refused=0.0), {}),
    "a bug before acceptance": (False, server(bad=1.0), {"SpringtideErrors": 1}),
    "clients leave, or have no key": (False, server(gone=5.0, key=5.0), {}),
    "answers take minutes": (False, server(seconds=500.0), {"SpringtideSlowAnswers": 1}),
    "the same name in two namespaces": (
        False,
        server(ready=0.0) + server(namespace="b", **HALF),
        {**BUSY, "SpringtideNobodyReady": 1},
    ),
    "it sleeps": (True, gateway(replicas=0.0) + gateway(pod="g1", replicas=0.0), {}),
    "it is awake": (True, TWINS + server(pod="0") + server(pod="1"), {}),
    "nobody wakes it": (
        True,
        gateway(replicas=0.0, held=3.0) + gateway(pod="g1", replicas=0.0, held=1.0),
        {"SpringtideNobodyReady": 1},
    ),
    "one gateway has not seen the replica": (True, gateway(held=3.0, replicas=0.0) + gateway(pod="g1") + server(), {}),
    "gateways see replicas that tell nothing": (True, TWINS, {"SpringtideNumbersAbsent": 1}),
    "no gateway": (True, server(), {"SpringtideGatewaysAbsent": 1}),
    "gateways lose requests": (
        True,
        gateway(lost=0.1) + gateway(pod="g1", lost=0.1) + server(),
        {"SpringtideGatewayLost": 1},
    ),
    "clients of gateways leave": (True, gateway(left=0.5) + server(), {}),
}


def spoken(expression: str, data: list[Series]) -> int | str:
    """How many alerts a rule gives; a rule that cannot be answered gives none and says so in Prometheus' log."""
    try:
        return len(evaluate(expression, [*data, *OTHER]))
    except Ambiguous:
        return "ambiguous"


@pytest.mark.parametrize("scene", SCENES)
def test_alerts_speak_once_and_only_of_what_is_wrong(scene: str) -> None:
    sleeps, data, expected = SCENES[scene]
    found = {name: spoken(rule["expr"], data) for name, rule in (ASLEEP if sleeps else AWAKE).items()}
    assert {name: count for name, count in found.items() if count} == expected


@given(
    pods=st.integers(1, 30),
    values=st.fixed_dictionaries(
        {what: st.sampled_from([value, HALF.get(what, value)]) for what, value in WELL.items()}
    ),
)
def test_what_is_said_of_a_service_does_not_depend_on_how_many_pods_it_has(pods: int, values: dict[str, Any]) -> None:
    one, many = ([each for pod in range(count) for each in server(pod=str(pod), **values)] for count in (1, pods))
    for rule in AWAKE.values():
        assert spoken(rule["expr"], one) == spoken(rule["expr"], many)


@pytest.mark.parametrize(("sleeps", "rule"), ALL, ids=IDS)
def test_a_rule_asks_for_what_is_told_and_keeps_its_service_apart(sleeps: bool, rule: dict[str, Any]) -> None:
    del sleeps
    assert misshapen(rule["expr"], "chat", KNOWN) == []


def mutants(expression: str) -> Iterator[tuple[str, str]]:
    """The expression with one thing wrong, for each place where it can be."""
    for found in re.finditer(r"springtide_\w+", expression):
        yield "renamed", f"{expression[: found.end()]}_v2{expression[found.end() :]}"
    for found in re.finditer(r'service="chat",?', expression):
        yield "any service", expression[: found.start()] + expression[found.end() :]
    for found in re.finditer(r"(sum|avg|max) by \([^)]*\) ", expression):
        yield "each pod", expression[: found.start()] + expression[found.end() :]
        yield "all services", f"{expression[: found.start()]}{found[1]} {expression[found.end() :]}"
    for found in re.finditer(r"avg", expression):
        yield "sum for mean", f"{expression[: found.start()]}sum{expression[found.end() :]}"
    for found in re.finditer(r'reason[^"]*"[^"]*"', expression):
        yield "any reason", expression[: found.start()] + expression[found.end() :]
    for found in re.finditer(r"rate(\([^[]*)\[5m\]", expression):
        yield "no rate", expression[: found.start()] + found[1] + expression[found.end() :]


def noticed(broken: str, rule: dict[str, Any], *, sleeps: bool) -> bool:
    """Whether some scene tells a broken rule from what is expected of it."""
    name = rule["alert"]
    shared = AWAKE.get(name, {}).get("expr") == ASLEEP.get(name, {}).get("expr")
    scenes = [(data, expected) for asleep, data, expected in SCENES.values() if shared or asleep == sleeps]
    return any(spoken(broken, data) != expected.get(name, 0) for data, expected in scenes)


@pytest.mark.parametrize(("sleeps", "rule"), ALL, ids=IDS)
def test_no_rule_can_be_broken_unseen(sleeps: bool, rule: dict[str, Any]) -> None:
    kinds = set()
    for kind, broken in mutants(rule["expr"]):
        promql.parse(broken)
        kinds.add(kind)
        assert noticed(broken, rule, sleeps=sleeps) or misshapen(broken, "chat", KNOWN), (kind, broken)
    assert {"renamed", "any service"} <= kinds


@pytest.mark.parametrize("kind", ["renamed", "sum for mean", "any reason"])
def test_scenes_are_rich_enough_to_notice_by_what_a_rule_says(kind: str) -> None:
    """Not only by its shape. A selector or a sum can be broken where another part of the rule makes up for it."""
    broken = [(sleeps, rule, text) for sleeps, rule in ALL for each, text in mutants(rule["expr"]) if each == kind]
    assert broken
    assert [text for sleeps, rule, text in broken if not noticed(text, rule, sleeps=sleeps)] == []


def test_a_rule_says_what_to_do_and_how_bad_it_is() -> None:
    for _, rule in ALL:
        assert rule["labels"] == {"service": "chat", "severity": rule["labels"]["severity"]}
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"].startswith("chat: ")
        assert rule["annotations"]["description"].endswith(".")
        assert re.fullmatch(r"\d+s", rule["for"])


def test_nobody_is_called_while_a_machine_boots_and_a_model_loads() -> None:
    [group] = alerts("chat", "s", sleeps=True, targets=Targets(startup_seconds=1800))["spec"]["groups"]
    lasting = {rule["alert"]: rule["for"] for rule in group["rules"]}
    assert lasting["SpringtideNobodyReady"] == "2400s"
    assert "SpringtideSlowFirstToken" not in lasting


def test_gateways_are_asked_only_where_they_stand() -> None:
    assert "springtide_gateway" not in str(AWAKE)
    assert {"SpringtideGatewayLost", "SpringtideGatewaysAbsent"} <= set(ASLEEP)
    front = rules(sleeps=False, gateways=True)
    gained = {name: rule for name, rule in front.items() if name not in AWAKE}
    assert gained == {name: ASLEEP[name] for name in ("SpringtideGatewaysAbsent", "SpringtideGatewayLost")}
    assert {name: front[name] for name in AWAKE} == AWAKE


def test_a_namespace_is_put_in_its_place_and_never_into_text() -> None:
    somewhere = object()
    rule = alerts("chat", somewhere, sleeps=True)
    assert rule["metadata"]["namespace"] is somewhere
    assert str(somewhere) not in str(rule["spec"])


@pytest.mark.parametrize("seconds", [0.0, -1.0, 61.0])
def test_a_target_that_no_histogram_can_tell_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="at most 60 s"):
        alerts("chat", "s", sleeps=False, targets=Targets(first_token_seconds=seconds))


def test_the_highest_target_can_be_missed() -> None:
    """Prometheus tells no quantile above the highest bound."""
    [group] = alerts("chat", "s", sleeps=False, targets=Targets(first_token_seconds=LONGEST_SECONDS))["spec"]["groups"]
    [rule] = [each for each in group["rules"] if each["alert"] == "SpringtideSlowFirstToken"]
    assert spoken(rule["expr"], server(first=500.0)) == 1
    assert spoken(rule["expr"], server(first=5.0)) == 0


def test_bounds_and_reasons_are_those_of_the_servers_and_gateways() -> None:
    assert SECONDS[-1] == LONGEST_SECONDS
    assert {"deadline", "queue", "priority"} <= set(REFUSALS)
    named = set(LOST.split('"')[1].split("|"))
    assert set(Reason) - named == {Reason.KEY, Reason.MALFORMED, Reason.TOO_LARGE, Reason.SLOW_BODY, Reason.CLIENT}
