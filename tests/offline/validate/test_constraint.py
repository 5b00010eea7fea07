"""Laws of one value against one limit, and what is read from the API models."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.offline.validate import formats, inputs, model
from springtide.offline.validate.constraint import Constraint, judge
from springtide.offline.validate.words import closest_first, nearest, spoken

NUMBERS = st.integers(-100, 100)
NAMES = st.lists(st.text("abcdef", min_size=1, max_size=6), min_size=1, max_size=30, unique=True)


@given(value=NUMBERS, low=NUMBERS, width=st.integers(0, 50))
def test_a_number_passes_exactly_within_its_range(value: int, low: int, width: int) -> None:
    limit = Constraint(kind="integer", low=low, high=low + width)
    assert (judge(value, limit) == ()) is (low <= value <= low + width)
    assert judge(str(value), limit) == judge(value, limit)


@given(value=st.text(max_size=20), low=st.integers(0, 10), width=st.integers(0, 10))
def test_a_text_passes_exactly_within_its_length(value: str, low: int, width: int) -> None:
    verdicts = judge(value, Constraint(low=low, high=low + width))
    assert [item.code for item in verdicts] == ([] if low <= len(value) <= low + width else ["length"])


@given(names=NAMES, value=st.text("abcdef", max_size=6))
def test_a_choice_passes_exactly_its_names_and_offers_no_others(names: list[str], value: str) -> None:
    verdicts = judge(value, Constraint(enum=tuple(names)))
    assert (verdicts == ()) is (value in names)
    assert all(name in names for item in verdicts for name in item.allowed)


@given(names=NAMES)
def test_a_name_is_nearest_to_itself(names: list[str]) -> None:
    assert all(nearest(name, names) == name for name in names)
    assert all(closest_first(name, names, 1) == (name,) for name in names if len(names) > 1)


def test_a_small_set_keeps_the_order_of_its_model() -> None:
    assert closest_first("spot", ("ON_DEMAND", "SPOT")) == ("ON_DEMAND", "SPOT")


def test_nothing_is_near_a_word_from_elsewhere() -> None:
    assert nearest("zebra", ("ON_DEMAND", "SPOT")) == ""


@pytest.mark.parametrize("value", [True, None, [], {}, "four", "4.5", 4.5])
def test_what_is_no_whole_number_is_told_as_such(value: object) -> None:
    (verdict,) = judge(value, Constraint(kind="integer"))
    assert verdict.code == "type"
    assert verdict.told.endswith("the API wants a whole number")


@pytest.mark.parametrize(("value", "told"), [("true", 0), (False, 0), ("yes", 1), (1, 1)])
def test_a_boolean_may_be_written_as_the_provider_writes_it(value: object, told: int) -> None:
    assert len(judge(value, Constraint(kind="boolean"))) == told


def test_an_empty_list_or_mapping_is_an_absent_one() -> None:
    assert judge([], Constraint(kind="list", low=1)) == judge({}, Constraint(kind="map", low=1)) == ()


def test_a_pattern_must_match_the_whole_text_with_javas_classes_read() -> None:
    limit = Constraint(pattern=r"[\p{L}\p{Z}\p{N}_.:/=+\-@]+")
    assert judge("Größe 1/2", limit) == ()
    assert judge("a\u2192b;c", limit)


def test_an_api_member_is_read_with_all_its_limits() -> None:
    name = model.member("eks:CreateCluster.name")
    assert (name.kind, name.low, name.high, name.required) == ("string", 1, 100, True)
    assert name.pattern.startswith("^[0-9A-Za-z]")
    assert model.member("eks:CreateNodegroup.capacityType").enum == ("ON_DEMAND", "SPOT", "CAPACITY_BLOCK")
    keys = model.member("eks:CreateNodegroup.labels").keys
    assert keys is not None
    assert keys.high == 63
    assert model.member("eks:CreateNodegroup.labels{}").low == 1
    assert model.member("eks:CreateNodegroup.subnets[]").required is False
    assert "g6.xlarge" in model.member("ec2:RunInstances.InstanceType").enum


def test_a_member_of_a_discovery_document_is_read_with_all_its_limits() -> None:
    driver = "gpuDriverInstallationConfig.gpuDriverVersion"
    assert "LATEST" in model.member(f"container.v1:NodePool.config.accelerators[].{driver}").enum
    assert model.member("container.v1:NodePool.config.accelerators[].acceleratorCount").kind == "integer"
    assert model.member("container.v1:NodePool.config.labels").kind == "map"
    assert model.member("container.v1:NodePool.config.labels{}").kind == "string"
    assert model.member("container.v1:NodePool.config.maxRunDuration").words == "seconds such as 3600s"
    assert model.member("compute.v1:Network.name").pattern.startswith("[a-z]")
    assert model.member("compute.v1:Router.bgp.asn").low == 0


@pytest.mark.parametrize(
    "address",
    ["container.v1:NodePool.nope", "container.v1:Nope.name", "nope.v1:NodePool.name", "container.v1:NodePool.name.x"],
)
def test_a_member_that_the_discovery_documents_lack_is_an_answer(address: str) -> None:
    with pytest.raises(model.UnknownMember, match=address):
        model.member(address)


@pytest.mark.parametrize(
    "address", ["eks:CreateNodegroup.nope", "eks:Nope.name", "nope:CreateCluster.name", "eks:CreateCluster.name.x"]
)
def test_a_member_that_the_installed_model_lacks_is_an_answer(address: str) -> None:
    with pytest.raises(model.UnknownMember, match=address):
        model.member(address)


def test_a_rule_of_an_unknown_kind_or_format_is_refused() -> None:
    for text in ("formt:cidr", "format:cdir"):
        with pytest.raises(KeyError):
            formats.rule(text)


@pytest.mark.parametrize(
    ("path", "text"), [("/taints/0/effect", "taints[0].effect"), ("/labels/a~1b", "labels.a/b"), ("", "")]
)
def test_a_pointer_is_spoken_as_people_write_it(path: str, text: str) -> None:
    assert spoken(path) == text


def test_the_sdk_still_tells_names_types_and_what_it_demands() -> None:
    record = inputs.record_of("aws:eks/nodeGroup:NodeGroup")
    assert record is not None
    members = inputs.members(record)
    assert members["scalingConfig"].required
    assert members["scalingConfig"].shape.kinds == {"object"}
    assert not members["amiType"].required
    assert members["subnetIds"].shape == inputs.Shape(frozenset({"list"}), inputs.Shape(frozenset({"string"})))
    assert members["tags"].shape.kinds == {"map"}
    job = inputs.record_of("kubernetes:batch/v1:Job")
    assert job is not None
    assert job.__name__ == "JobInitArgs"
    assert inputs.members(job)["kind"].shape.literals == ("Job",)


def test_a_union_takes_each_of_its_members() -> None:
    record = inputs.record_of("aws:iam/role:Role")
    assert record is not None
    assert inputs.members(record)["assumeRolePolicy"].shape.kinds == {"string", "object"}
