"""What is kept of a CRD: facts, and no prose."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from springtide.offline.validate import refresh_crds
from springtide.offline.validate.refresh_crds import Source, facts, in_python, reduced, refresh, rules_in_cel

SPEC: dict[str, Any] = {
    "type": "object",
    "description": "What the pool is.",
    "required": ["description"],
    "x-kubernetes-validations": [{"rule": "self.weight > 0", "message": "no"}],
    "properties": {
        "description": {"type": "string", "description": "A field that is called so.", "maxLength": 8},
        "weight": {
            "anyOf": [{"type": "integer", "default": 1}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
        },
        "labels": {"additionalProperties": {"type": "string", "x-kubernetes-validations": [{"rule": "true"}]}},
    },
}
CRD: dict[str, Any] = {
    "spec": {
        "group": "example.dev",
        "names": {"kind": "Pool"},
        "versions": [
            {"name": "v1alpha1", "served": True, "storage": False, "schema": {"openAPIV3Schema": {}}},
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "required": ["metadata", "spec"],
                        "properties": {"kind": {"type": "string"}, "metadata": {}, "spec": SPEC, "status": {}},
                    }
                },
            },
        ],
    }
}


def test_only_facts_are_kept() -> None:
    assert reduced(SPEC) == {
        "type": "object",
        "required": ["description"],
        "properties": {
            "description": {"type": "string", "maxLength": 8},
            "weight": {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True},
            "labels": {"additionalProperties": {"type": "string"}},
        },
    }


def test_the_version_that_is_stored_is_written_without_what_all_kinds_have() -> None:
    ((name, content),) = facts(CRD, "example.dev/pool@v1.0.0 pool.yaml", "Apache-2.0")
    assert name == "example.dev_v1_Pool.json"
    assert content["schema"]["properties"].keys() == {"spec"}
    assert content["schema"]["required"] == ["spec"]
    assert (content["source"], content["licence"]) == ("example.dev/pool@v1.0.0 pool.yaml", "Apache-2.0")


def test_expressions_are_counted_and_not_kept() -> None:
    assert rules_in_cel(CRD) == 2
    assert "rule" not in json.dumps(reduced(SPEC))


def go(monkeypatch: pytest.MonkeyPatch, answer: dict[str, str]) -> list[list[str]]:
    """Stand in for the go command; the commands that it was given."""
    given: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        given.append(command)
        return subprocess.CompletedProcess(command, 0, json.dumps(answer), "")

    monkeypatch.setattr(subprocess, "run", run)
    return given


def test_a_refresh_downloads_a_pinned_module_and_writes_its_kinds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pool.yaml").write_text(yaml.safe_dump(CRD))
    given = go(monkeypatch, {"Dir": str(tmp_path)})
    source = Source(module="example.dev/pool", version="v1.0.0", files=("pool.yaml",))
    assert refresh(source, tmp_path) == [tmp_path / "example.dev_v1_Pool.json"]
    assert given == [["go", "mod", "download", "-json", "example.dev/pool@v1.0.0"]]


def test_a_module_that_cannot_be_had_ends_the_refresh_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go(monkeypatch, {"Error": "403 Forbidden"})
    with pytest.raises(SystemExit, match=r"example\.dev/pool@v1\.0\.0: 403 Forbidden"):
        refresh(Source(module="example.dev/pool", version="v1.0.0", files=()), tmp_path)


@pytest.mark.parametrize("source", refresh_crds.SOURCES, ids=lambda source: source.module)
def test_each_source_has_its_files_and_its_version_in_them(source: Source) -> None:
    written = [json.loads(file.read_text())["source"] for file in refresh_crds.FOLDER.glob("*.json")]
    for file in source.files:
        assert f"{source.module}@{source.version} {file}" in written


def test_a_pattern_of_gos_is_one_of_pythons() -> None:
    assert in_python("^(?i)(abort|warn)?$") == "(?i)^(abort|warn)?$"
    assert re.search(in_python("^(?i)(abort|warn)?$"), "WARN")
    assert in_python("^[a-z]+$") == "^[a-z]+$"
