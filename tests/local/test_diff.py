"""What differs between two states of an object, and how it reads."""

import copy

from hypothesis import given
from hypothesis import strategies as st
from tests.local.applied_objects import deployment, settings

from springtide.local.cluster.diff import Change, Difference, asked_difference, property_difference, render, summary
from springtide.local.cluster.refs import Object, Ref
from springtide.offline.diff import ABSENT
from springtide.offline.replacement import Action

REF = Ref.of(settings("work", a="1"))
BOOKKEEPING = {"managedFields": [{}], "resourceVersion": "7", "uid": "u", "generation": 3, "creationTimestamp": "t"}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
objects = st.builds(lambda spec: {**settings("work"), "spec": spec}, json_values)


@given(objects)
def test_nothing_differs_from_itself(item: Object) -> None:
    assert property_difference(item, copy.deepcopy(item)) == ()
    assert asked_difference(item, copy.deepcopy(item)) == ()


@given(objects, json_values)
def test_status_and_bookkeeping_are_no_differences(item: Object, status: object) -> None:
    live = {**item, "status": status, "metadata": {**item["metadata"], **BOOKKEEPING}}
    assert property_difference(live, item) == ()


def test_a_value_that_comes_goes_or_changes_is_named_by_its_path() -> None:
    before, after = settings("work", a="1", b="1"), settings("work", a="2", c="1")
    found = {item.path: (item.old, item.new) for item in property_difference(before, after)}
    assert found == {"/data/a": ("1", "2"), "/data/b": ("1", ABSENT), "/data/c": (ABSENT, "1")}


def test_what_is_asked_for_leaves_the_rest_alone() -> None:
    live, wanted = deployment("work", 1), deployment("work", 2)
    live["spec"]["paused"] = True
    live["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] = "Always"
    assert [item.path for item in asked_difference(live, wanted)] == ["/spec/replicas"]


def test_a_secret_is_never_shown() -> None:
    before, after = ({"apiVersion": "v1", "kind": "Secret", "metadata": {}, "data": {"k": k}} for k in ("aaa", "bbb"))
    change = Change(action=Action.UPDATE, ref=REF, changes=property_difference(before, after))
    told = render(Difference(changes=(change,)))
    assert "/data/k: (secret) → (secret)" in told
    assert "aaa" not in told


def test_dangerous_changes_are_told_first() -> None:
    changes = tuple(
        Change(action=action, ref=REF) for action in (Action.KEEP, Action.CREATE, Action.DELETE, Action.REPLACE)
    )
    told = [line[0] for line in render(Difference(changes=changes)).splitlines()[1:]]
    assert told == ["±", "-", "+", "="]


def test_the_summary_counts() -> None:
    changes = (Change(action=Action.CREATE, ref=REF), Change(action=Action.CREATE, ref=REF))
    assert summary(Difference(changes=changes, unchanged=(REF,))) == "2 created, 1 unchanged"
    assert summary(Difference(unchanged=(REF,))) == "nothing changes, 1 unchanged"


def test_runs_that_are_left_alone_are_no_change() -> None:
    assert Difference(changes=(Change(action=Action.KEEP, ref=REF),)).empty
    assert not Difference(changes=(Change(action=Action.CREATE, ref=REF),)).empty


def test_many_changed_properties_are_counted() -> None:
    before, after = settings("work"), settings("work", **{f"k{i}": "1" for i in range(20)})
    change = Change(action=Action.UPDATE, ref=REF, changes=property_difference(before, after))
    assert "and 12 more properties" in render(Difference(changes=(change,)))


def test_control_characters_of_a_name_do_not_reach_the_terminal() -> None:
    ref = Ref(api_version="v1", kind="ConfigMap", name="a\x1b[31mb")
    assert "\x1b" not in render(Difference(changes=(Change(action=Action.CREATE, ref=ref),)))
