"""How much of what a provider takes is judged: every path of a type, not only those that a plan happens to hold."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from springtide.offline.validate import inputs, table

FULL = (
    "aws:ec2/launchTemplate:LaunchTemplate", "aws:eks/cluster:Cluster", "aws:eks/nodeGroup:NodeGroup",
    "aws:fsx/lustreFileSystem:LustreFileSystem", "aws:efs/fileSystem:FileSystem", "gcp:container/cluster:Cluster",
    "gcp:container/nodePool:NodePool", "gcp:filestore/instance:Instance", "gcp:lustre/instance:Instance",
)  # fmt: skip
"""Types of which nine paths in ten must be judged."""
NOT_TAKEN = "the API fills it in; it takes none"
ENOUGH = 0.9


class Coverage(NamedTuple):
    taken: int
    checked: int
    unlisted: list[str]


def leaves(shape: inputs.Shape, path: str = "", seen: tuple[type, ...] = ()) -> Iterator[str]:
    """Patterns of every value that the SDK lets a resource hold; an object inside itself is entered once."""
    if shape.record is not None and shape.record not in seen:
        for name, member in inputs.members(shape.record).items():
            yield from leaves(member.shape, f"{path}/{name}", (*seen, shape.record))
    elif shape.item is not None:
        yield from leaves(shape.item, f"{path}/*", seen)
    elif shape.record is None:
        yield path


def entry(token: str, path: str) -> table.Entry | None:
    found = table._entry(token, path, "", "")
    return found or table._entry(token, path.removesuffix("/*"), "", "")


def coverage(token: str) -> Coverage:
    record = inputs.record_of(token)
    assert record is not None
    entries = {path: entry(token, path) for path in leaves(inputs.Shape(frozenset({"object"}), record=record))}
    listed = [item for item in entries.values() if item is not None]
    taken = [item for item in listed if item.checks or item.why != NOT_TAKEN]
    unlisted = [path for path, item in entries.items() if item is None]
    return Coverage(len(taken) + len(unlisted), sum(item.checks for item in taken), unlisted)


@pytest.mark.parametrize("token", FULL)
def test_of_what_decides_a_cluster_nine_paths_in_ten_are_judged(token: str) -> None:
    found = coverage(token)
    assert found.checked >= ENOUGH * found.taken, f"{found.checked} of {found.taken}"


TYPES = sorted({row.type for row in table.lines() if row.type.startswith(("aws:", "gcp:")) and "*" not in row.type})


@pytest.mark.parametrize("token", TYPES)
def test_each_path_of_a_listed_type_is_judged_or_listed_with_a_reason(token: str) -> None:
    assert coverage(token).unlisted == []


def test_a_path_that_is_listed_as_unchecked_says_why() -> None:
    lines = [line for line in table.lines() if line.rule == table.UNCHECKED]
    found = {line: entry(line.type, line.path.removesuffix(table.BELOW)) for line in lines}
    assert lines
    assert [line for line, item in found.items() if item is None or not (item.why or item.checks)] == []
