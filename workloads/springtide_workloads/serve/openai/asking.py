"""From a body to what the engine is asked: one `Generate` for each answer that is wanted."""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Protocol

from springtide_workloads.serve.generate.request import ALL, Generate
from springtide_workloads.serve.http import Refusal
from springtide_workloads.serve.openai.bodies import SEEDS, Body, ChatBody, CompletionBody, ContinueFrom
from springtide_workloads.serve.openai.refusing import wrong
from springtide_workloads.serve.openai.template import Template

Prompt = bytes | tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextLimits:
    """What one request may ask for. Time is bounded by the line, length by the model's context."""

    max_tokens: int | None = None
    """Tokens of one answer at most, so that a drain ends. Default None: what fits the model's context."""
    default_tokens: int = 64
    """Tokens of an answer when the request does not say how many, or as many as fit."""
    max_choices: int = 16
    """Answers to one request at most: prompts × n."""
    waiting_seconds: float = 10.0
    """How long a stream may be silent before a comment is sent, so that nobody between takes it for dead."""


class TextEngine(Protocol):
    """What computes texts. Its methods are quick and may be called on any thread."""

    @property
    def names(self) -> Sequence[str]:
        """Models that may be named; the first one is what a request without a name gets."""
        ...

    def context(self, name: str = "") -> int:
        """Tokens that a model sees at most. Raises `Refusal` 404 when it is not here."""
        ...

    def check(self, asked: Generate) -> None:
        """Raises `Refusal` for what cannot be computed."""
        ...

    def cost(self, asked: Generate) -> float:
        """How long it takes, in the unit of the line's pace."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One answer that is wanted."""

    index: int
    """Its place among the choices."""
    asked: Generate
    seed: int
    prompt: Prompt
    """What the client sent; `asked` also has what it was given before."""
    given: tuple[int, ...] = ()
    """Tokens of it that the client has."""
    echo: bool = False
    first: bool = True
    """Whether it is the first one to its prompt."""
    in_bytes: bool = True
    """Whether the model's tokens are bytes, so that they can be told as text."""


def of_completion(body: CompletionBody, engine: TextEngine, limits: TextLimits) -> list[Question]:
    """What a body for `/v1/completions` asks.

    Raises:
        Refusal: 404 for a model that is not here, 422 with the field for what is not served or does not fit.
    """
    body.refuse_not_served()
    if body.echo and body.logprobs is not None:
        raise wrong("echo", "log-probabilities of a prompt are not served: leave out echo or logprobs")
    asked = [_generate(body, prompt, body.max_tokens, engine, limits) for prompt in body.prompts]
    asked = [replace(each, stop=body.stops, logprobs=body.logprobs) for each in asked]
    return _questions(body, asked, engine, limits, echo=bool(body.echo))


def of_chat(body: ChatBody, engine: TextEngine, limits: TextLimits, template: Template) -> list[Question]:
    """What a body for `/v1/chat/completions` asks.

    Raises:
        Refusal: as above.
    """
    body.refuse_not_served()
    asked = _generate(body, template.prompt(body.messages), body.most, engine, limits)
    asked = replace(asked, stop=(*body.stops, *template.stops), logprobs=body.logprobs_of)
    try:
        return _questions(body, [asked], engine, limits)
    except Refusal as refusal:
        if refusal.field != "prompt":
            raise
        raise Refusal(refusal.status, f"messages, as a {refusal}", field="messages") from refusal


def _generate(body: Body, prompt: Prompt, most: int | None, engine: TextEngine, limits: TextLimits) -> Generate:
    """Everything but stop sequences and log-probabilities, which the two kinds of bodies name differently."""
    name = body.model or ""
    room = engine.context(name) - len(prompt)
    if limits.max_tokens is not None:
        room = min(room, limits.max_tokens)
        if most is not None and most > limits.max_tokens:
            raise wrong("max_tokens", f"it is {most}, and one answer of this server has at most {limits.max_tokens}")
    return Generate(
        prompt=prompt,
        # without room the engine refuses, in words about the prompt
        max_tokens=max(1, min(limits.default_tokens, room)) if most is None else most,
        temperature=_or(body.temperature, 1.0),
        top_p=_or(body.top_p, 1.0),
        top_k=ALL if body.top_k is None else body.top_k,
        model=name,
    )


def _questions(
    body: Body, asked: list[Generate], engine: TextEngine, limits: TextLimits, *, echo: bool = False
) -> list[Question]:
    count = len(asked) * body.choices
    if count > limits.max_choices:
        raise wrong("n", f"prompts × n is {count}, and one request gets at most {limits.max_choices} answers")
    for each in asked:
        engine.check(each)
    if body.continued is None:
        found = list(_begun(body, asked, echo=echo))
    else:
        found = [_continued(body.continued, asked[0], count)]
        engine.check(found[0].asked)
    in_bytes = _in_bytes(engine, asked[0].model)
    return found if in_bytes else [replace(each, in_bytes=False) for each in found]


def _begun(body: Body, asked: list[Generate], *, echo: bool) -> Iterator[Question]:
    for index, (each, at) in enumerate(product(asked, range(body.choices))):
        # an answer is told with its seed, so that it can be continued: it always has one
        seed = secrets.randbelow(SEEDS) if body.seed is None else (body.seed + at) % SEEDS
        seeded = replace(each, seed=seed)
        yield Question(index=index, asked=seeded, seed=seed, prompt=each.prompt, echo=echo, first=at == 0)


def _continued(where: ContinueFrom, asked: Generate, count: int) -> Question:
    path = "springtide.continue_from"
    if count != 1:
        raise wrong(path, f"goes on with one answer, and {count} are asked for: send one prompt and n = 1")
    given = tuple(where.ids)
    left = asked.max_tokens - len(given)
    if left < 1:
        raise wrong(f"{path}.ids", f"has {len(given)} tokens and max_tokens is {asked.max_tokens}: the answer is whole")
    rest = replace(asked, prompt=(*asked.prompt, *given), max_tokens=left, seed=where.seed, skip=len(given))
    return Question(index=0, asked=rest, seed=where.seed, prompt=asked.prompt, given=given)


def _in_bytes(engine: TextEngine, name: str) -> bool:
    try:
        engine.check(Generate(prompt=b"\n", max_tokens=1, model=name))
    except Refusal:
        return False
    return True


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
