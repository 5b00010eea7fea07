"""Other people's programs on this machine: whether they are there, and what they answer. All of it has a time limit."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

LIMIT_SECONDS = 30.0
"""Time for one answer: a command line of a cloud takes a second or two, and longer where it asks the cloud."""
ABSENT, TOO_LATE = 127, 124
"""Exit statuses as shells and `timeout` give them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a program said."""

    status: int
    """Its exit status; `ABSENT` for a program that is not there, `TOO_LATE` for one that was stopped."""
    out: str = ""
    err: str = ""

    @property
    def good(self) -> bool:
        """Whether it did what it was asked for."""
        return self.status == 0

    @property
    def why(self) -> str:
        """The last line of what it complained of, which is where programs say it."""
        said = [line.strip() for line in self.err.splitlines() if line.strip()]
        return said[-1] if said else f"exit status {self.status}"

    def json(self) -> Any:
        """Its output as JSON; None where it is none."""
        try:
            return json.loads(self.out)
        except json.JSONDecodeError:
            return None


class Machine(Protocol):
    """A machine with programs on it."""

    def find(self, program: str) -> str | None:
        """Path of a program that the shell would run under that name."""
        ...

    def ask(
        self,
        *command: str,
        folder: Path | None = None,
        given: str | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> Answer:
        """Run a command to its end.

        Args:
            command: Program and arguments.
            folder: Where it runs. Default: here.
            given: Its standard input; nothing by default, so that no program waits for an answer.
            variables: Environment variables it gets beside ours.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ThisMachine:
    """The machine that we run on."""

    limit_seconds: float = LIMIT_SECONDS

    def find(self, program: str) -> str | None:
        """Path of a program that the shell would run under that name."""
        return shutil.which(program)

    def ask(
        self,
        *command: str,
        folder: Path | None = None,
        given: str | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> Answer:
        """Run a command to its end."""
        path = self.find(command[0])
        if path is None:
            return Answer(status=ABSENT, err=f"{command[0]} is not on the PATH")
        try:
            done = subprocess.run(  # noqa: S603  a list of words, no shell: nothing in them is interpreted
                [path, *command[1:]], cwd=folder, input=given or "", env={**os.environ, **(variables or {})},
                capture_output=True, encoding="utf-8", errors="replace", timeout=self.limit_seconds, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return Answer(status=TOO_LATE, err=f"no answer within {self.limit_seconds:g} s")
        except OSError as error:
            return Answer(status=ABSENT, err=f"{path} cannot be run: {error.strerror}")
        return Answer(status=done.returncode, out=done.stdout, err=done.stderr)
