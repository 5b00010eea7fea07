"""Write `crds/*.json` anew: what the CRDs of the controllers that Springtide installs say about their fields.

    python -m springtide.offline.validate.refresh_crds

The CRDs come from the controllers' own Go modules, by `go mod download`; `SOURCES` pins the versions. What is kept
are facts: names, types, choices, patterns, bounds, what is required. Descriptions are not, nor rules in CEL, which
only an API server runs (their number is kept: nobody shall think that they were checked).
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "crds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the CRDs of one project lie, and under which licence."""

    module: str
    version: str
    files: tuple[str, ...]
    licence: str = "Apache-2.0"


SOURCES = (
    Source(
        module="github.com/aws/karpenter-provider-aws",
        version="v1.14.0",
        files=("pkg/apis/crds/karpenter.sh_nodepools.yaml", "pkg/apis/crds/karpenter.k8s.aws_ec2nodeclasses.yaml"),
    ),
    Source(
        module="sigs.k8s.io/karpenter",
        version="v1.14.1",
        files=("kwok/apis/crds/karpenter.kwok.sh_kwoknodeclasses.yaml",),
    ),
    Source(
        module="github.com/kedacore/keda/v2",
        version="v2.20.2",
        files=("config/crd/bases/keda.sh_scaledobjects.yaml", "config/crd/bases/keda.sh_triggerauthentications.yaml"),
    ),
    Source(
        module="sigs.k8s.io/gateway-api",
        version="v1.5.1",
        files=(
            "config/crd/standard/gateway.networking.k8s.io_gateways.yaml",
            "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
        ),
    ),
    Source(
        module="github.com/GoogleCloudPlatform/gke-networking-api",
        version="v0.2.11",
        files=("config/crds/networking.gke.io_networks.yaml", "config/crds/networking.gke.io_gkenetworkparamsets.yaml"),
    ),
    Source(
        module="github.com/prometheus-operator/prometheus-operator",
        version="v0.85.0",
        files=(
            "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
            "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
        ),
    ),
)
_KEPT = frozenset({
    "type", "enum", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems",
    "minProperties", "maxProperties", "required", "nullable", "x-kubernetes-int-or-string",
    "x-kubernetes-preserve-unknown-fields",
})  # fmt: skip
"""Keywords whose value is a fact as it stands."""
_NESTED = frozenset({"items", "additionalProperties", "not"})
_ALTERNATIVES = frozenset({"anyOf", "oneOf", "allOf"})
_SERVER = frozenset({"apiVersion", "kind", "metadata", "status"})
"""Top-level members that every kind has: the reader of these files adds what Kubernetes says about them."""


def facts(crd: Mapping[str, Any], source: str, licence: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """File name and content, of the version in which a CRD is stored."""
    spec = crd["spec"]
    group, kind = spec["group"], spec["names"]["kind"]
    for version in (item for item in spec["versions"] if item["storage"]):
        schema = version["schema"]["openAPIV3Schema"]
        kept = reduced(schema)
        kept["properties"] = {name: item for name, item in kept["properties"].items() if name not in _SERVER}
        kept["required"] = [name for name in kept.get("required", []) if name not in _SERVER]
        api_version = f"{group}/{version['name']}"
        content = {"source": source, "licence": licence, "complete": True, "rules_in_cel": rules_in_cel(schema)}
        yield f"{api_version.replace('/', '_')}_{kind}.json", {**content, "schema": kept}


def reduced(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema without its prose, defaults and expressions."""
    kept: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword == "properties":
            kept[keyword] = {name: reduced(item) for name, item in value.items()}
        elif keyword in _ALTERNATIVES:
            kept[keyword] = [reduced(item) for item in value]
        elif keyword in _NESTED:
            kept[keyword] = reduced(value) if isinstance(value, dict) else value
        elif keyword == "pattern":
            kept[keyword] = in_python(value)
        elif keyword in _KEPT:
            kept[keyword] = value
    return kept


def in_python(pattern: str) -> str:
    """A pattern of Go's for Python, whose flags for the whole stand at the very beginning."""
    flags = "(?i)"
    return flags + pattern.replace(flags, "", 1) if flags in pattern else pattern


def rules_in_cel(schema: Any) -> int:
    """How many expressions a schema holds, at any depth."""
    if isinstance(schema, list):
        return sum(map(rules_in_cel, schema))
    if not isinstance(schema, dict):
        return 0
    own = schema.get("x-kubernetes-validations")
    return (len(own) if isinstance(own, list) else 0) + sum(map(rules_in_cel, schema.values()))


def refresh(source: Source, folder: Path) -> list[Path]:
    """Download one module and write its files; those that were written."""
    root = _downloaded(f"{source.module}@{source.version}")
    written = []
    for file in source.files:
        crd = yaml.safe_load((root / file).read_text(encoding="utf-8"))
        named = f"{source.module}@{source.version} {file}"
        for name, content in facts(crd, named, source.licence):
            (folder / name).write_text(f"{json.dumps(content, indent=1)}\n", encoding="utf-8")
            written.append(folder / name)
    return written


def _downloaded(module: str) -> Path:
    """The folder in which Go keeps a module."""
    with tempfile.TemporaryDirectory() as elsewhere:
        command = ["go", "mod", "download", "-json", module]
        done = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True, check=False)  # noqa: S603  fixed words
    answer = json.loads(done.stdout or "{}")
    if "Dir" not in answer:
        message = f"go mod download {module}: {answer.get('Error') or done.stderr.strip()}"
        raise SystemExit(message)
    return Path(answer["Dir"])


if __name__ == "__main__":
    for item in SOURCES:
        for path in refresh(item, FOLDER):
            sys.stdout.write(f"{path.name}\n")
