"""JSON Pointers and Pulumi's property paths: how a plan names a value inside a resource's inputs."""

import re

WHOLE = ""
"""The pointer to everything."""

_STEP = re.compile(r"""\["((?:[^"\\]|\\.)*)"\]|\[(\*|\d+)\]|([^.\[\]]+)""")


def child(path: str, key: str | int) -> str:
    """The pointer one step below `path`, with the key escaped (RFC 6901)."""
    return f"{path}/{str(key).replace('~', '~0').replace('/', '~1')}"


def steps(path: str) -> tuple[str, ...]:
    """The unescaped steps of a pointer; none for the whole."""
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:])


def pointer_of(property_path: str) -> str:
    """The pointer for a Pulumi property path such as `spec.template`, `taints[0]`, `tags["a.b"]` or `*`.

    A pointer is taken as it is. From the first wildcard on, the path is cut: what it covers is everything below.
    """
    if property_path.startswith("/"):
        return property_path
    pointer = WHOLE
    for quoted, index, name in _STEP.findall(property_path):
        step = quoted.replace('\\"', '"') or index or name
        if step == "*":
            break
        pointer = child(pointer, step)
    return pointer


def covers(outer: str, inner: str) -> bool:
    """Whether `inner` is the value at `outer` or lies within it."""
    return inner == outer or inner.startswith(f"{outer}/")


def overlaps(one: str, other: str) -> bool:
    """Whether one of two pointers lies within the other, so that a change of one is a change of both."""
    return covers(one, other) or covers(other, one)
