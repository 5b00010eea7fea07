"""Custom resources: each fact of each CRD refuses by itself, and what nobody described is counted as such."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.offline.validate.narrow import JOB_SET, KARPENTER, changed, resource

from springtide.offline.paths import child
from springtide.offline.validate import custom, kubernetes, validate

FILES = tuple(sorted((Path(custom.__file__).parent / "crds").glob("*.json")))
BROKEN = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """One fact of one kind: a value that breaks it, and where."""

    kind: custom.Kind
    path: str
    fact: str
    value: Any

    def __str__(self) -> str:
        return f"{self.kind.kind}{self.path} {self.fact}"


def kinds() -> Iterator[custom.Kind]:
    for file in FILES:
        group, version, kind = file.stem.rsplit("_", 2)
        found = custom.known(f"{group}/{version}", kind)
        assert found is not None
        yield found


def mutations(kind: custom.Kind, schema: dict[str, Any], path: str = "") -> Iterator[Mutation]:
    """A broken value for every fact at and below `path`; objects of Kubernetes itself are its own schemas' business."""
    for fact, broken in BREAKING.items():
        value = broken(schema[fact]) if fact in schema else BROKEN
        if value is not BROKEN:
            yield Mutation(kind=kind, path=path, fact=fact, value=value)
    for name, item in schema.get("properties", {}).items():
        yield from mutations(kind, item, child(path, name))
    for word, step in (("items", "0"), ("additionalProperties", "key")):
        if isinstance(schema.get(word), dict):
            yield from mutations(kind, schema[word], child(path, step))


WRONG: dict[str, Any] = {"object": 1, "array": "x", "string": 1, "integer": "x", "number": "x", "boolean": "x"}
BREAKING: dict[str, Callable[[Any], Any]] = {
    "type": WRONG.__getitem__,
    "enum": lambda _: "no-such-value",
    "pattern": lambda pattern: next(text for text in ("\x00 / \x00", "never", "/") if not re.search(pattern, text)),
    "minimum": lambda low: low - 1,
    "maximum": lambda high: high + 1,
    "minLength": lambda low: "x" * (low - 1) if low else BROKEN,
    "maxLength": lambda high: "x" * (high + 1),
    "minItems": lambda low: [{}] * (low - 1) if low else BROKEN,
    "maxItems": lambda high: [{}] * (high + 1),
    "maxProperties": lambda high: {f"key-{index}": "x" for index in range(high + 1)},
    "required": lambda names: {} if names else BROKEN,
    "x-kubernetes-int-or-string": lambda _: [],
}


@pytest.mark.parametrize("kind", tuple(kinds()), ids=lambda kind: kind.kind)
def test_each_fact_of_a_kind_refuses_a_value_that_breaks_it(kind: custom.Kind) -> None:
    all_of_it = [mutation for mutation in mutations(kind, kind.facts) if mutation.path]
    assert len(all_of_it) > 1
    assert [str(mutation) for mutation in all_of_it if not refused(mutation)] == []


def refused(mutation: Mutation) -> bool:
    made = resource(token(mutation.kind), nested(mutation.path.split("/")[1:], mutation.value))
    paths = {finding.path for finding in validate([made]).findings if finding.stops}
    return bool(paths & ({mutation.path} | {child(mutation.path, name) for name in required_of(mutation)}))


def required_of(mutation: Mutation) -> list[str]:
    schema: Any = mutation.kind.facts
    for step in mutation.path.split("/")[1:]:
        inside = schema.get("items") or schema.get("additionalProperties")
        schema = schema.get("properties", {}).get(step) or inside
    return list(schema.get("required", []))


def token(kind: custom.Kind) -> str:
    return f"kubernetes:{kind.api_version}:{kind.kind}"


def nested(steps: list[str], value: Any) -> Any:
    if not steps:
        return value
    first, *rest = steps
    inside = nested(rest, value)
    return [inside] if first == "0" else {first: inside}


@pytest.mark.parametrize("kind", tuple(kinds()), ids=lambda kind: kind.kind)
def test_an_unknown_field_is_refused_exactly_where_the_crd_is_known_whole(kind: custom.Kind) -> None:
    made = resource(token(kind), {"metadata": {"name": "x"}, "spec": {"noSuchField": 1}})
    found = validate([made])
    refused = "/spec/noSuchField" in {finding.path for finding in found.findings}
    uncounted = found.unchecked.get(made.type, {}).get("/spec/noSuchField", "")
    assert (refused, bool(uncounted)) == (kind.complete, not kind.complete)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_names_its_source_and_its_licence_and_holds_no_prose(file: Path) -> None:
    text = file.read_text()
    content = json.loads(text)
    assert content["licence"] == "Apache-2.0"
    assert content["source"].endswith(".yaml" if content["complete"] else "by hand")
    assert '"description": "' not in text


def test_what_an_unlisted_field_holds_is_counted_as_unchecked_once() -> None:
    found = validate([changed(JOB_SET, "/spec/coordination", {"a": {"b": 1}})])
    assert found.unchecked == {JOB_SET: {"/spec/coordination": "not among the fields known of JobSet"}}
    assert found.findings == ()


def test_a_core_object_inside_is_held_against_the_clusters_own_version() -> None:
    path = "/spec/replicatedJobs/0/template/spec/template/spec/workloadRef"
    job = changed(JOB_SET, path, {"name": "gpt", "podGroup": "workers"})
    assert list(kubernetes.check(job, "1.34"))
    assert not list(kubernetes.check(job, "1.35"))


def test_a_number_or_a_text_is_taken_where_the_crd_takes_both() -> None:
    for value in (64, "64"):
        assert validate([changed(KARPENTER, "/spec/limits/nvidia.com~1gpu", value)]).findings == ()


def test_a_value_that_only_the_cloud_knows_is_not_judged() -> None:
    path = "/spec/template/spec/nodeClassRef/name"
    made = changed(KARPENTER, path, "«urn#/metadata/name»" + "x" * 300, unknown=(path,))
    assert validate([made]).findings == ()


@pytest.mark.parametrize("other", ["aws:ec2/vpc:Vpc", "kubernetes:batch/v1:Job", "pulumi:providers:kubernetes", "x"])
def test_nothing_else_is_a_custom_resource(other: str) -> None:
    assert custom.of(other) is None
