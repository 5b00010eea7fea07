"""One answer while it comes in: what of it may be told, and where it stands."""

from dataclasses import dataclass

from springtide_workloads.serve.generate.request import Finish, Logprobs, Tokens
from springtide_workloads.serve.openai.asking import Question
from springtide_workloads.serve.openai.text import Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A part of an answer: whole characters, and the tokens that made them."""

    text: str = ""
    ids: tuple[int, ...] = ()
    logprobs: tuple[Logprobs, ...] = ()
    finish: Finish | None = None
    first: bool = False
    """Whether nothing of this answer was told before."""


class Choice:
    """An answer that is being computed."""

    def __init__(self, question: Question) -> None:
        self.index, self.seed, self.in_bytes = question.index, question.seed, question.in_bytes
        self.tokens = len(question.given)
        """Tokens that were told, those of before included."""
        self.computed = 0
        """Tokens that came in."""
        self.cached = 0
        """Tokens of its prompt that needed no reading."""
        self.finish: Finish | None = None
        self._echo = bytes(question.prompt).decode(errors="replace") if question.echo and question.in_bytes else ""
        self._text = Text(bytes(question.given)) if question.in_bytes else None
        self._ids: tuple[int, ...] = ()
        self._logprobs: tuple[Logprobs, ...] = ()
        self._first = True

    def take(self, piece: Tokens) -> Said | None:
        """What may be told now; None while it ends within a character."""
        self.computed += len(piece.ids)
        self.cached += piece.cached
        self.finish = piece.finish
        self._ids += piece.ids
        self._logprobs += piece.logprobs
        text = self._echo
        if self._text is not None:
            text += self._text.feed(bytes(piece.ids), last=piece.finish is not None)
        if not text and piece.finish is None and self.in_bytes:
            return None
        return self._told(text)

    def _told(self, text: str) -> Said:
        said = Said(text=text, ids=self._ids, logprobs=self._logprobs, finish=self.finish, first=self._first)
        self.tokens += len(self._ids)
        self._ids, self._logprobs, self._echo, self._first = (), (), "", False
        return said


def joined(parts: list[Said]) -> Said:
    """The parts of a whole answer as one."""
    return Said(
        text="".join(each.text for each in parts),
        ids=tuple(token for each in parts for token in each.ids),
        logprobs=tuple(one for each in parts for one in each.logprobs),
        finish=parts[-1].finish,
        first=True,
    )
