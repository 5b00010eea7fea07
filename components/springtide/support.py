"""What each cloud can do, as a table for people: made from the capabilities themselves, so that it cannot say otherwise.

`python -m springtide.support README.md` writes it between the two marks in that file.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from springtide import catalog, clouds
from springtide.clouds.capabilities import WISHES_OF_POOLS, WISHES_OF_QUEUES, WISHES_OF_SERVICES, WISHES_OF_STORAGE

BEGIN, END = "<!-- support: made by `python -m springtide.support README.md` -->", "<!-- /support -->"
_YES, _NO = "✓", "–"
_WORDS = {"an order of kinds of capacity": "order of capacity kinds (ladder)", "sharing of a GPU": "GPU sharing"}


def table() -> str:
    """The capabilities of every cloud, in Markdown."""
    names = clouds.available()
    rows = [(what, [cell(name) for name in names]) for what, cell in _rows()]
    head = f"| | {' | '.join(names)} |\n|---|{'---|' * len(names)}"
    return "\n".join([head, *(f"| {what} | {' | '.join(cells)} |" for what, cells in rows)])


def written(text: str) -> str:
    """A text with the table between its two marks.

    Raises:
        ValueError: it lacks them.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the text needs two lines: {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


def _rows() -> Sequence[tuple[str, Callable[[str], str]]]:
    wishes: list[tuple[str, type]] = [("pools that wake from zero", clouds.SupportsWaking)]
    wishes += [
        (_WORDS.get(wish.what, wish.what), wish.protocol)
        for wish in (*WISHES_OF_POOLS, *WISHES_OF_QUEUES, *WISHES_OF_STORAGE, *WISHES_OF_SERVICES)
    ]
    return [
        ("accelerators", _own(_accelerators)),
        ("machine types with them", _own(_machine_types)),
        ("regions in the catalog", _own(lambda name: str(len(catalog.regions(name))))),
        *((what, _has(protocol)) for what, protocol in wishes),
        ("controllers it keeps itself", lambda name: ", ".join(clouds.load(name).addons) or _NO),
        ("charts every cluster gets", lambda name: ", ".join(clouds.load(name).charts) or _NO),
    ]


def _has(protocol: type) -> Callable[[str], str]:
    return lambda name: _YES if isinstance(clouds.load(name), protocol) else _NO


def _own(what: Callable[[str], str]) -> Callable[[str], str]:
    """What the catalog says of a cloud; of one that has no machines itself, whose it imitates."""

    def cell(name: str) -> str:
        machines = clouds.load(name).machines
        return what(name) if name in machines else f"those of {' or '.join(machines)}"

    return cell


def _machine_types(name: str) -> str:
    return str(sum(1 for item in catalog.machine_types(name) if _usable(item)))


def _accelerators(name: str) -> str:
    return ", ".join(item.name for item in catalog.accelerators(name) if not item.unusable)


def _usable(machine: catalog.MachineType) -> bool:
    return bool(machine.gpu) and not machine.unusable


if __name__ == "__main__":
    for file in map(Path, sys.argv[1:]):
        file.write_text(written(file.read_text(encoding="utf-8")), encoding="utf-8")
