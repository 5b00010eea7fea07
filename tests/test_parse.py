"""From untrusted values to specs, apart from any one environment file."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.parse import demand, docstrings, independent, read, sound
from springtide.pool import GpuPoolArgs
from springtide.sections import EnvironmentFile, JobSection
from springtide.spec import Finding, PoolSpec, ReplicasSpec, ServiceSpec, SpecError, below, refuse

POOL: dict[str, Any] = {"gpu": "L4", "max_nodes": 9}
PLACE = {"cloud": "aws", "account": "1", "region": "r", "cluster": {"version": "1", "access": ["0.0.0.0/0"]}}
SPECS = (EnvironmentFile, PoolSpec, ServiceSpec, ReplicasSpec, JobSection)
KEYS = st.sampled_from(sorted({key for spec in SPECS for key in spec.__dataclass_fields__} | {"unknown", ""}))
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


def paths(findings: list[Finding]) -> list[str]:
    return [finding.path for finding in findings]


@pytest.mark.parametrize(
    ("value", "meant"),
    [("3", 3), (3.0, 3), ("3.0", 3), (0, 0), ("0", 0), ("-0", 0)],
)
def test_a_number_may_be_written_as_text_and_zero_is_one(value: Any, meant: int) -> None:
    spec, _ = read(PoolSpec, {**POOL, "min_nodes": value})
    assert spec is not None
    assert spec.min_nodes == meant


@pytest.mark.parametrize(
    "value", [True, False, None, "", "three", 2.5, "2.5", float("nan"), float("inf"), [3], {"n": 3}]
)
def test_nothing_else_is_a_number(value: Any) -> None:
    spec, found = read(PoolSpec, {**POOL, "min_nodes": value})
    assert spec is None
    assert paths(found) == ["/min_nodes"]


def test_a_mistake_does_not_hide_what_the_rules_say_about_the_rest() -> None:
    _, found = read(PoolSpec, {**POOL, "max_nodes": "many", "purpose": "x", "disk_gib": 1, "gup": "L4"}, "/pools/a")
    assert sorted(paths(found)) == ["/pools/a/disk_gib", "/pools/a/gup", "/pools/a/max_nodes", "/pools/a/purpose"]


def test_a_wrong_item_of_a_list_is_the_mistake_and_not_the_list() -> None:
    _, found = read(PoolSpec, {**POOL, "capacity": [3]})
    assert paths(found) == ["/capacity/0"]


def test_a_nested_mistake_has_its_whole_path() -> None:
    _, found = read(ServiceSpec, {"model": {"job": "a"}, "replicas": {"min": "x", "mux": 1}}, "/services/a")
    assert sorted(paths(found)) == ["/services/a/replicas/min", "/services/a/replicas/mux"]


def test_a_value_that_is_no_mapping_at_all_is_refused_as_a_whole() -> None:
    _, found = read(PoolSpec, "L4")
    assert [(item.path, item.message) for item in found] == [("", "'L4' is not a mapping.")]


def test_demanding_gives_the_spec_or_all_mistakes_by_the_name_of_their_subject() -> None:
    assert demand(PoolSpec, POOL, "GpuPool a") == PoolSpec(gpu="L4", max_nodes=9)
    with pytest.raises(SpecError, match="2 mistakes in GpuPool a"):
        demand(PoolSpec, {}, "GpuPool a")


@given(st.dictionaries(KEYS, ANYTHING, max_size=5))
def test_whatever_a_file_holds_it_is_read_or_refused_and_what_is_sound_is_judged(config: dict[str, Any]) -> None:
    value = {**PLACE, **config}
    spec, found = read(EnvironmentFile, value)
    assert (spec is None) == bool(found)
    assert all(item.fix and item.message for item in found)
    rest = sound(EnvironmentFile, value)
    assert spec is None or spec == rest


def test_what_is_sound_keeps_everything_that_fits() -> None:
    pools = {"a": {**POOL, "min_nodes": "x"}, "b": 3, "c": {"gpu": "T4", "max_nodes": 1, "colour": "blue"}}
    rest = sound(EnvironmentFile, {**PLACE, "pools": pools, "zones": "two", "cluster": {"version": 1.35}})
    assert rest.pools["a"] == PoolSpec(gpu="L4", max_nodes=9)
    assert rest.pools["b"] == PoolSpec(gpu="", max_nodes=0)
    assert rest.pools["c"] == PoolSpec(gpu="T4", max_nodes=1)
    assert (rest.zones, rest.cluster.version, rest.cluster.access) == (2, "", ())


def finding(path: str) -> Finding:
    return refuse("a/b", path, None, "wrong.", "mend it")


@pytest.mark.parametrize(
    ("path", "mistaken", "told"),
    [
        ("/pools/a/gpu", "/pools/a/gpu", False),
        ("/pools/a/gpu/0", "/pools/a/gpu", False),
        ("/pools/a/gpus_per_node", "/pools/a/gpu", True),
        ("/pools/ab", "/pools/a", True),
        ("/pools/a", "/pools/a/gpu", True),
        ("/pools/a/capacity", "/pools/a/capacity/0", False),
        ("", "/pools", True),
    ],
)
def test_what_is_a_mistake_already_is_not_told_again(path: str, mistaken: str, told: bool) -> None:
    assert bool(independent([finding(path)], [finding(mistaken)])) is told


def test_findings_of_a_part_are_seen_from_the_whole() -> None:
    assert paths(below("/pools/a", [finding("/gpu"), finding("")])) == ["/pools/a/gpu", "/pools/a"]


def test_the_text_under_an_attribute_describes_it() -> None:
    assert docstrings(GpuPoolArgs)["min_nodes"] == "Nodes kept warm. Default 0: the pool sleeps when nothing runs."
    assert docstrings(JobSection)["pool"] == "Name of the pool it runs on."
    assert docstrings(JobSection).keys() == {"pool", "checkpoints", "data", "queue"}
