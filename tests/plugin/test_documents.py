"""The YAML program of docs/other-languages.md, made resource by resource, as Pulumi's YAML host would ask for it."""

import re
from typing import Any

import pytest
import yaml
from tests.plugin.calls import urn
from tests.plugin.language_host import ROOT, Plugin, output
from tests.plugin.snapshots import SCHEMA

TEXT = (ROOT / "docs" / "other-languages.md").read_text(encoding="utf-8")
[PROGRAM] = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)]
COMPONENTS = {name: it for name, it in PROGRAM["resources"].items() if it["type"].startswith("springtide:")}
REFERENCE = re.compile(r'\$\{(\w+)\.(\w+)(?:\["([^"]+)"\])?\}')


@pytest.mark.enable_socket
@pytest.mark.parametrize("name", list(COMPONENTS))
def test_each_component_of_the_program_can_be_made(plugin: Plugin, name: str) -> None:
    it = COMPONENTS[name]
    made = plugin.construct(it["type"].partition(":")[2], name, wired(it["properties"]))
    assert len(made.children()) >= 1


def wired(value: Any) -> Any:
    """Properties with an output in place of each reference; it fails where no component has such an output."""
    if isinstance(value, dict):
        return {key: wired(item) for key, item in value.items()}
    if isinstance(value, list):
        return [wired(item) for item in value]
    if not isinstance(value, str) or "$" not in value:
        return value
    found = REFERENCE.fullmatch(value)
    assert found is not None, value
    name, key, _ = found.groups()
    kind = f"springtide:index:{COMPONENTS[name]['type'].partition(':')[2]}"
    assert key in SCHEMA["resources"][kind]["properties"], value
    return output(f"{name}-{key}", urn(kind, name))


def test_the_programs_use_every_way_to_refer_to_another_component() -> None:
    assert {found[0] for found in REFERENCE.findall(str(COMPONENTS))} == {"network", "cluster"}
    [typescript] = re.findall(r"```ts\n(.*?)```", TEXT, re.DOTALL)
    used = {(kind, name) for kind, name in re.findall(r"const (\w+) = new springtide\.(\w+)\(", typescript)}
    for variable, component in used:
        outputs = SCHEMA["resources"][f"springtide:index:{component}"]["properties"]
        assert set(re.findall(rf"\b{variable}\.(\w+)", typescript)) <= set(outputs), component
    assert len(used) == 6
