"""Values cross the wire and come back; secrets are known on this side and hidden on the other."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from springtide.offline import wire
from springtide.offline.paths import steps

leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
values = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
objects = st.dictionaries(st.text(), values)


def _at(value: Any, path: str) -> Any:
    for step in steps(path):
        value = value[int(step)] if isinstance(value, list) else value[step]
    return value


@given(objects)
def test_plain_data_comes_back_equal_with_integers_as_integers(data: dict[str, Any]) -> None:
    back = wire.plain(wire.struct(data))
    assert back == data
    assert not [leaf for leaf in _leaves(back) if isinstance(leaf, float) and leaf.is_integer() and abs(leaf) < 2**53]


def _leaves(value: Any) -> list[Any]:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [leaf for item in items for leaf in _leaves(item)] or [value]


@given(objects)
def test_a_value_differs_from_itself_nowhere(data: dict[str, Any]) -> None:
    assert list(wire.differing_paths(data, data)) == []


@given(objects, objects)
def test_two_values_differ_where_the_paths_say_and_nowhere_else(one: dict[str, Any], other: dict[str, Any]) -> None:
    paths = list(wire.differing_paths(one, other))
    assert bool(paths) == (json.dumps(one, sort_keys=True) != json.dumps(other, sort_keys=True))
    assert all(json.dumps(_at(one, path)) != json.dumps(_at(other, path)) for path in paths)


@given(st.text(min_size=8), objects)
def test_a_secret_is_never_shown_and_always_found(text: str, around: dict[str, Any]) -> None:
    data = {"around": around, "in~/it": [{"deep": wire.Secret(text)}]}
    assert wire.plain(wire.struct(data)) == data
    assert list(wire.secret_paths(data)) == ["/in~0~1it/0/deep"]
    shown = wire.redacted(data)
    assert shown["around"] == around
    assert shown["in~/it"][0]["deep"].keys() == {"$secret"}
    assert wire.revealed(data) == {"around": around, "in~/it": [{"deep": text}]}


def test_equal_secrets_have_equal_digests_whatever_the_order_of_their_keys() -> None:
    one, other = wire.Secret({"a": 1, "b": 2}), wire.Secret({"b": 2, "a": 1})
    assert wire.redacted(one) == wire.redacted(other) != wire.redacted(wire.Secret({"a": 1, "b": 3}))
