"""Where a value stands in an environment file: the line that a finding's path leads to."""

from collections.abc import Iterable, Iterator
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
    """Line of every key and item below `config`, by JSON Pointer, counted from 1; keys lose the project's prefix.

    Text that is no YAML has no lines; whoever reads the values says what is wrong with it.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return {"": 1}
    found = next((entry for entry in _children(root) if entry[0] == "config"), None)
    return {} if found is None else {"": found[1], **dict(_walk(found[2], "", f"{project}:", set()))}


def _walk(node: yaml.Node, path: str, prefix: str, seen: set[int]) -> Iterator[tuple[str, int]]:
    if id(node) in seen:  # an alias: what it stands for has lines where it was written, which may be around the alias
        return
    seen.add(id(node))
    for name, line, child in _children(node):
        below = f"{path}/{name.removeprefix(prefix)}"
        yield below, line
        yield from _walk(child, below, "", seen)


def _children(node: yaml.Node | None) -> Iterator[tuple[str, int, yaml.Node]]:
    """Name, line and value of each entry of a mapping or a list."""
    if isinstance(node, yaml.MappingNode):
        yield from ((str(key.value), key.start_mark.line + 1, value) for key, value in node.value)
    if isinstance(node, yaml.SequenceNode):
        yield from ((str(i), item.start_mark.line + 1, item) for i, item in enumerate(node.value))


def _nearest(path: str, places: dict[str, int]) -> int:
    while path and path not in places:
        path = path.rpartition("/")[0]
    return places.get(path, 1)
