"""A machine whose programs are asked the same thing once: several checks want the same answer, and each takes seconds."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from springtide.tools import Answer, Machine

_Question = tuple[tuple[str, ...], Path | None, str | None, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """The machine behind it, and what it has been asked so far. Threads may share it."""

    machine: Machine
    _asked: dict[_Question, Future[Answer]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def find(self, program: str) -> str | None:
        """Path of a program that the shell would run under that name."""
        return self.machine.find(program)

    def ask(
        self,
        *command: str,
        folder: Path | None = None,
        given: str | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> Answer:
        """Run a command to its end, or wait for the one that runs it."""
        question = (command, folder, given, tuple(sorted((variables or {}).items())))
        with self._lock:
            first = question not in self._asked
            answer = self._asked.setdefault(question, Future())
        if first:
            _run(answer, lambda: self.machine.ask(*command, folder=folder, given=given, variables=variables))
        return answer.result()


def _run(answer: Future[Answer], ask: Callable[[], Answer]) -> None:
    """Fill in an answer; whoever waits for it must not wait for ever, whatever goes wrong."""
    try:
        answer.set_result(ask())
    except BaseException as error:
        answer.set_exception(error)
        raise
