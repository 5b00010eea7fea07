"""From messages to the text that a model continues.

A model knows conversations in the form in which it read them while it was trained. Its export may say which, under
`recipe` in `export/config.json`:

    "chat": {"turn": "<|{role}|>{content}<|end|>", "stop": ["<|end|>"]}

`turn` is the form of one message. The prompt is the turns one after the other, and the beginning of the assistant's. A
message that holds what separates turns cannot be told from two messages: nothing is escaped.
"""

from collections.abc import Mapping
from typing import Any, Final, Self

import msgspec

from springtide_workloads.errors import ConfigError
from springtide_workloads.serve.openai.messages import Message
from springtide_workloads.serve.openai.refusing import wrong

ROLES: Final = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
"""Roles that messages may have, and what stands in the text."""

ROLE: Final = "{role}"
CONTENT: Final = "{content}"


class Template(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The form of a conversation."""

    turn: str = f"{ROLE}: {CONTENT}\n"
    """One message; `{role}` and `{content}` stand for what they say, once each."""
    stop: tuple[str, ...] | None = None
    """Where an answer ends. Default: where its turn ends and one of the user begins."""

    @classmethod
    def of(cls, chat: Mapping[str, Any] | None) -> Self:
        """The template that an export states; the plain one when it states none.

        Raises:
            ConfigError: it cannot be read.
        """
        try:
            found = msgspec.convert({} if chat is None else chat, cls)
        except msgspec.ValidationError as error:
            raise ConfigError(f"recipe.chat of export/config.json: {error}") from error
        before, _, after = found.turn.partition(CONTENT)
        if before.count(ROLE) != 1 or CONTENT in after or ROLE in after or found.turn.count(CONTENT) != 1:
            raise ConfigError(
                f"recipe.chat.turn of export/config.json is {found.turn!r}: write {ROLE}, then {CONTENT}, once each"
            )
        if found.stop is not None and not all(found.stop):
            raise ConfigError("recipe.chat.stop of export/config.json: a text that ends an answer must not be empty")
        return found

    @property
    def stops(self) -> tuple[bytes, ...]:
        """Where an answer ends."""
        own = (self._end + self._begin("user"),) if self.stop is None else self.stop
        return tuple(each.encode() for each in own)

    def prompt(self, messages: list[Message]) -> bytes:
        """What the model continues with its answer.

        Raises:
            Refusal: 422 naming the message that is no text, or of a role that is not known.
        """
        turns = [self._turn(message, f"messages[{at}]") for at, message in enumerate(messages)]
        return "".join([*turns, self._begin("assistant")]).encode()

    @property
    def _end(self) -> str:
        return self.turn.partition(CONTENT)[2]

    def _begin(self, role: str) -> str:
        return self.turn.partition(CONTENT)[0].replace(ROLE, role)

    def _turn(self, message: Message, path: str) -> str:
        if message.role not in ROLES:
            raise wrong(f"{path}.role", f"{message.role!r} is not served here: use {', '.join(ROLES)}")
        return self._begin(ROLES[message.role]) + message.text(path) + self._end
