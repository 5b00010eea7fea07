"""Processes of ours that the state file does not tell of: it was lost, or written by a command that was killed."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import psutil

from springtide.local.home import Home
from springtide.local.plane import process, programs

_PACKAGES = ("springtide.local.", programs.GATEWAY)
"""How modules of ours that run as processes begin: `python -m springtide.local.…`."""
_TOLD_APART = 3
"""Words of a gateway's command line, from its module on, that say whose it is: each has a kubeconfig of its own."""


def strays(home: Home) -> list[psutil.Process]:
    """Processes of an environment, whoever started them: its folder stands in their command lines.

    So it may in those of people, who look at a log or ask kubectl: only what is named like a program of ours counts.
    """
    mark = f"{home.root}/"
    found = ((item, _words(item)) for item in psutil.process_iter())
    return [item for item, words in found if _ours(words) and any(mark in word for word in words)]


def like(home: Home, words: Sequence[str]) -> list[psutil.Process]:
    """Those that run the program of a command line."""
    return [item for item in strays(home) if _kind(_words(item)) == _kind(words)]


def end(found: Iterable[psutil.Process]) -> None:
    """End them. What they were doing can be done again."""
    for item in found:
        try:
            item.kill()
            item.wait(timeout=process.PATIENCE_SECONDS)
        except psutil.Error:
            continue


def _ours(words: Sequence[str]) -> bool:
    kind = _kind(words)
    return kind in programs.NAMES or kind.startswith(_PACKAGES)


def _kind(words: Sequence[str]) -> str:
    """The module of ours that a command line runs, else the name of its program."""
    at = next((at for at, word in enumerate(words[:3]) if at and word.startswith(_PACKAGES)), None)
    if at is None:
        return Path(words[0]).name if words else ""
    return " ".join(words[at : at + _TOLD_APART]) if words[at] == programs.GATEWAY else words[at]


def _words(item: psutil.Process) -> list[str]:
    try:
        return item.cmdline()
    except psutil.Error:
        return []
