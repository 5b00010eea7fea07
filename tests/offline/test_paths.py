import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.offline.paths import WHOLE, child, covers, overlaps, pointer_of, steps


@given(st.lists(st.text(max_size=8), max_size=5))
def test_steps_undo_child_whatever_is_in_a_key(keys: list[str]) -> None:
    path = WHOLE
    for key in keys:
        path = child(path, key)
    assert steps(path) == tuple(keys)


@pytest.mark.parametrize(
    ("property_path", "pointer"),
    [
        ("scalingConfig.desiredSize", "/scalingConfig/desiredSize"),
        ("taints[0].value", "/taints/0/value"),
        ('tags["a.b/c"]', "/tags/a.b~1c"),
        ("rules[*].id", "/rules"),
        ("*", WHOLE),
        ("/already/a/pointer", "/already/a/pointer"),
    ],
)
def test_property_paths_become_pointers(property_path: str, pointer: str) -> None:
    assert pointer_of(property_path) == pointer


def test_a_pointer_covers_what_lies_below_it_and_not_its_namesakes() -> None:
    assert covers("/spec", "/spec/template")
    assert not covers("/spec", "/special")
    assert covers(WHOLE, "/anything")


def test_overlap_has_no_direction() -> None:
    assert overlaps("/spec", "/spec/template")
    assert overlaps("/spec/template", "/spec")
    assert not overlaps("/spec", "/status")
