"""The accessor through which rules read resources."""

import pytest

from springtide_policies.graph import Node, UnknownInputError

INPUTS = {"zero": 0, "nothing": None, "limits": {"nvidia.com/gpu": 8, "a~b": 1}, "list": [{"x": 1}, {"x": None}]}


def node(*unknown: str) -> Node:
    return Node.of(
        {
            "urn": "urn:pulumi:dev::p::springtide:index:GpuPool$aws:eks/nodeGroup:NodeGroup::train-g6",
            "type": "aws:eks/nodeGroup:NodeGroup",
            "name": "train-g6",
            "parent": "urn:pulumi:dev::p::springtide:index:GpuPool::train",
            "inputs": INPUTS,
            "unknown": unknown,
        }
    )


def test_zero_is_a_value_and_null_is_none() -> None:
    assert node().at("zero").value == 0
    assert node().at("zero").given
    assert node().at("nothing").value is None
    assert not node().at("nothing").given


def test_what_is_not_there_is_none_however_deep() -> None:
    assert node().at("a", 3, "b").value is None
    assert node().at("list", 7).value is None
    assert node().at("list", 7).members() == ()
    assert node().at("zero", "inside").value is None


def test_paths_are_json_pointers() -> None:
    assert node().at("limits", "nvidia.com/gpu").path == "/limits/nvidia.com~1gpu"
    assert node().at("limits", "a~b").path == "/limits/a~0b"
    assert [item.get("x").path for item in node().at("list").members()] == ["/list/0/x", "/list/1/x"]


@pytest.mark.parametrize("hidden", ["", "/list", "/list/0", "/list/0/x"])
def test_reading_what_is_unknown_raises_with_the_path_that_is(hidden: str) -> None:
    with pytest.raises(UnknownInputError) as caught:
        _ = node(hidden).at("list", 0, "x").value
    assert caught.value.paths == (hidden,)
    assert caught.value.field.path == "/list/0/x"


def test_a_value_with_an_unknown_part_is_unknown() -> None:
    with pytest.raises(UnknownInputError):
        _ = node("/list/1/x").at("list").value
    assert node("/list/1/x").at("list", 0).value == {"x": 1}
    assert node("/list/1/x").at("list").shown is None


def test_a_sibling_with_a_longer_name_hides_nothing() -> None:
    assert node("/zeros", "/zero/below", "/li").at("list", 0, "x").value == 1


def test_something_unknown_counts_as_given_but_not_inside_something_unknown() -> None:
    assert node("/nothing").at("nothing").given
    with pytest.raises(UnknownInputError):
        _ = node("/nothing").at("nothing", "inside").given


def test_an_unknown_list_has_itself_as_its_only_member() -> None:
    (member,) = node("/list").at("list").members()
    assert member.path == "/list"


def test_a_part_of_a_component_goes_by_both_names() -> None:
    assert node().names == ("train-g6", "train")
    assert node().lineage == ("springtide:index:GpuPool", "aws:eks/nodeGroup:NodeGroup")


def test_a_name_may_hold_the_separator_of_urns() -> None:
    parent = "urn:pulumi:dev::p::kubernetes:core/v1:Namespace::a::b"
    odd = Node.of({"urn": parent, "type": "t", "name": "a::b", "parent": parent})
    assert odd.names == ("a::b", "a::b")
