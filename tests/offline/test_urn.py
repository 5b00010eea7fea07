"""URNs are the engine's; tests/engine holds them against the real one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.offline.urn import Urn

words = st.text(st.characters(codec="utf-8", exclude_characters=":$"), min_size=1)
tokens = st.tuples(words, words, words).map(":".join)
urns = st.builds(
    Urn,
    stack=words,
    project=words,
    types=st.lists(tokens, min_size=1, max_size=4).map(tuple),
    name=st.text(min_size=1),
)


@given(urns)
def test_a_urn_is_read_as_it_was_written(urn: Urn) -> None:
    assert Urn.parse(str(urn)) == urn


@given(urns, tokens, words)
def test_a_child_carries_the_types_of_all_its_ancestors(urn: Urn, token: str, name: str) -> None:
    child = urn.child(token, name)
    assert child.types == (*urn.types, token)
    assert (child.type, child.name, child.stack, child.project) == (token, name, urn.stack, urn.project)


def test_the_root_stack_leaves_no_trace_in_its_childrens_types() -> None:
    stack = Urn.of_stack("house", "dev")
    network = stack.child("springtide:index:Network", "main")
    vpc = network.child("aws:ec2/vpc:Vpc", "main")
    assert str(stack) == "urn:pulumi:dev::house::pulumi:pulumi:Stack::house-dev"
    assert str(network) == "urn:pulumi:dev::house::springtide:index:Network::main"
    assert str(vpc) == "urn:pulumi:dev::house::springtide:index:Network$aws:ec2/vpc:Vpc::main"


@pytest.mark.parametrize("text", ["", "urn:pulumi:dev", "urn:pulumi:dev::house::a:b:c", "dev::house::a:b:c::name"])
def test_what_is_no_urn_is_refused_with_the_form_of_one(text: str) -> None:
    with pytest.raises(ValueError, match="must read urn:pulumi:<stack>"):
        Urn.parse(text)
