"""Where a value stands in an environment file: the line that a finding's path leads to."""

from collections.abc import Iterable
from dataclasses import replace

import yaml

from springtide.spec import Finding


def located(findings: Iterable[Finding], text: str, file: str, project: str) -> list[Finding]:
    """The findings with `where` filled in: `file:line` of the value, or of the nearest thing above it that is there."""
    places = lines(text, project)
    return [
        finding if finding.where or finding.urn else replace(finding, where=f"{file}:{_nearest(finding.path, places)}")
        for finding in findings
    ]


def lines(text: str, project: str) -> dict[str, int]:
    """Line of every value below `config`, by JSON Pointer, counted from 1; keys lose the project's prefix.

    Text that is no YAML has no lines; whoever reads the values says what is wrong with it.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return {"": 1}
    config = _children(root).get("config", root)
    return {"": 1 if root is None else config.start_mark.line} | dict(_walk(config, "", f"{project}:"))


def _walk(node: yaml.Node | None, path: str, prefix: str) -> Iterable[tuple[str, int]]:
    for name, child in _children(node).items():
        below = f"{path}/{name.removeprefix(prefix)}"
        yield below, child.start_mark.line + 1
        yield from _walk(child, below, prefix)


def _children(node: yaml.Node | None) -> dict[str, yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): value for key, value in node.value}
    return {str(i): item for i, item in enumerate(node.value)} if isinstance(node, yaml.SequenceNode) else {}


def _nearest(path: str, places: dict[str, int]) -> int:
    while path and path not in places:
        path = path.rpartition("/")[0]
    return places.get(path, 1)
