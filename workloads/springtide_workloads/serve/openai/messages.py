"""Messages of a conversation, as `POST /v1/chat/completions` takes them."""

from typing import Any

import msgspec

from springtide_workloads.serve.openai.refusing import refuse, wrong


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a message."""

    type: str
    text: str | None = None
    image_url: Any = None
    input_audio: Any = None
    file: Any = None
    refusal: Any = None
    prompt_cache_breakpoint: Any = None


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A turn of a conversation, also one that this server gave."""

    role: str
    content: str | list[Part] | None = None
    name: Any = None
    refusal: Any = None
    annotations: Any = None
    audio: Any = None
    function_call: Any = None
    tool_calls: Any = None
    tool_call_id: Any = None

    def text(self, path: str) -> str:
        """What is said.

        Raises:
            Refusal: 422 with the field, when it is anything but text.
        """
        fields = ("name", "refusal", "audio", "function_call", "tool_call_id")
        refuse(self, dict.fromkeys(fields, ()) | {"tool_calls": ([],), "annotations": ([],)}, f"{path}.")
        if isinstance(self.content, str):
            return self.content
        if self.content is None:
            raise wrong(f"{path}.content", "is missing: send text, or a list of parts of type text")
        return "".join(_part(part, f"{path}.content[{at}]") for at, part in enumerate(self.content))


def _part(part: Part, path: str) -> str:
    if part.type != "text":
        raise wrong(f"{path}.type", f"{part.type!r} is not served here: send parts of type text")
    if part.text is None:
        raise wrong(f"{path}.text", "is missing")
    return part.text
