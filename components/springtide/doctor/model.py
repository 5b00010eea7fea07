"""What a check of the doctor says."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from springtide.target import Target
from springtide.tools import ABSENT, Answer, Machine

Version = tuple[int, ...]


class State(StrEnum):
    """How a check came out; only `WRONG` keeps an environment from being deployed."""

    GOOD = "good"
    LATER = "later"
    """Not needed for a first `pulumi up`: for one command, say, or made by itself, or enough to begin with."""
    UNKNOWN = "cannot tell"
    """It could not be found out, for the reason that is given."""
    WRONG = "wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing that was looked at."""

    check: str
    state: State
    found: str
    fix: str = ""


Check = Callable[[Machine, Target], Sequence[Row]]


def good(check: str, found: str) -> list[Row]:
    """All is well."""
    return [Row(check=check, state=State.GOOD, found=found)]


def wrong(check: str, found: str, fix: str) -> list[Row]:
    """Nothing can be deployed until this is mended."""
    return [Row(check=check, state=State.WRONG, found=found, fix=fix)]


def later(check: str, found: str, fix: str) -> list[Row]:
    """It can wait."""
    return [Row(check=check, state=State.LATER, found=found, fix=fix)]


def unknown(check: str, found: str, fix: str = "") -> list[Row]:
    """It could not be found out."""
    return [Row(check=check, state=State.UNKNOWN, found=found, fix=fix)]


def unanswered(check: str, program: str, answer: Answer, fix: str) -> list[Row]:
    """A program that should know did not say."""
    if answer.status == ABSENT:
        return unknown(check, f"only {program} could say, and it is not there", f"as for {program}, above")
    return unknown(check, answer.why, fix)


def version_in(text: str) -> Version:
    """The first version number in what a program says of itself; empty where there is none."""
    found = re.search(r"\d+(?:\.\d+)+", text)
    return () if found is None else tuple(int(part) for part in found[0].split("."))


def shown(version: Version) -> str:
    """A version as people write it."""
    return ".".join(map(str, version))
