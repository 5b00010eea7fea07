"""The two shapes in which one answer may be told: a text or a message."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from msgspec import UNSET, UnsetType

from springtide_workloads.serve.openai import answers
from springtide_workloads.serve.openai.choice import Choice, Said
from springtide_workloads.serve.openai.logprobs import of_message, of_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What every chunk of an answer says."""

    id: str
    created: int
    model: str

    @property
    def fields(self) -> dict[str, Any]:
        """For a struct."""
        return {"id": self.id, "created": self.created, "model": self.model}


NoUsage = UnsetType | None


class Shape(Protocol):
    """How an answer is told."""

    prefix: str
    """Of its id."""

    def whole(self, head: Head, said: Sequence[tuple[Choice, Said]], usage: answers.Usage) -> Any:
        """All of it."""
        ...

    def chunk(self, head: Head, choice: Choice, said: Said, usage: NoUsage) -> Any:
        """A part of it."""
        ...

    def last(self, head: Head, usage: answers.Usage) -> Any:
        """The chunk that has the usage and nothing else."""
        ...


class TextShape:
    """Of `/v1/completions`."""

    prefix = "cmpl-"

    def whole(self, head: Head, said: Sequence[tuple[Choice, Said]], usage: answers.Usage) -> answers.Completion:
        """All of it."""
        choices = [self._choice(choice, each, _mark(choice, each, whole=True)) for choice, each in said]
        return answers.Completion(**head.fields, choices=choices, usage=usage)

    def chunk(self, head: Head, choice: Choice, said: Said, usage: NoUsage) -> answers.Completion:
        """A part of it."""
        return answers.Completion(**head.fields, choices=[self._choice(choice, said, _mark(choice, said))], usage=usage)

    def last(self, head: Head, usage: answers.Usage) -> answers.Completion:
        """The usage."""
        return answers.Completion(**head.fields, choices=[], usage=usage)

    def _choice(self, choice: Choice, said: Said, mark: answers.Mark) -> answers.CompletionChoice:
        return answers.CompletionChoice(
            index=choice.index,
            text=said.text,
            springtide=mark,
            finish_reason=said.finish,
            logprobs=of_text(zip(said.ids, said.logprobs, strict=True)) if said.logprobs else None,
        )


class ChatShape:
    """Of `/v1/chat/completions`."""

    prefix = "chatcmpl-"

    def whole(self, head: Head, said: Sequence[tuple[Choice, Said]], usage: answers.Usage) -> answers.Chat:
        """All of it."""
        choices = [
            answers.ChatChoice(
                index=choice.index,
                message=answers.Said(content=each.text),
                springtide=_mark(choice, each, whole=True),
                finish_reason=each.finish,
                logprobs=_of_message(each),
            )
            for choice, each in said
        ]
        return answers.Chat(**head.fields, choices=choices, usage=usage)

    def chunk(self, head: Head, choice: Choice, said: Said, usage: NoUsage) -> answers.ChatChunk:
        """A part of it."""
        part = answers.ChatChunkChoice(
            index=choice.index,
            delta=answers.Delta(content=said.text, role="assistant" if said.first else UNSET),
            springtide=_mark(choice, said),
            finish_reason=said.finish,
            logprobs=_of_message(said),
        )
        return answers.ChatChunk(**head.fields, choices=[part], usage=usage)

    def last(self, head: Head, usage: answers.Usage) -> answers.ChatChunk:
        """The usage."""
        return answers.ChatChunk(**head.fields, choices=[], usage=usage)


def _of_message(said: Said) -> answers.ChatLogprobs | None:
    return of_message(zip(said.ids, said.logprobs, strict=True)) if said.logprobs else None


def _mark(choice: Choice, said: Said, *, whole: bool = False) -> answers.Mark:
    told = UNSET if whole and choice.in_bytes else list(said.ids)
    return answers.Mark(seed=choice.seed, tokens=choice.tokens, ids=told)
