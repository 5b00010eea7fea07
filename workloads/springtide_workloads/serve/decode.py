"""Bodies to typed values, and what is said to whoever sent one that does not fit."""

import re
from typing import Final, TypeVar

import msgspec

from springtide_workloads.serve.http import Refusal

T = TypeVar("T")


def decoded(decoder: "msgspec.json.Decoder[T]", body: bytes) -> T:
    """The value in a body.

    Raises:
        Refusal: 400 for what is not JSON, 422 with the path of the field for what does not fit.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        message, field = readable(str(error))
        raise Refusal(422, message, field=field) from error
    except msgspec.DecodeError as error:
        raise Refusal(400, f"the body is not JSON: {error}") from error


_NAMED: Final = re.compile(r"(?:required|unknown) field `(\w+)`")


def readable(text: str) -> tuple[str, str]:
    """Message and field of msgspec's text, which ends in a path, and names a field that is missing or not known.

    >>> readable("Expected `int`, got `str` - at `$.items[0].count`")
    ('items[0].count: Expected `int`, got `str`', 'items[0].count')
    """
    message, _, place = text.partition(" - at `$")
    path = place.rstrip("`").removeprefix(".")
    named = _NAMED.search(message)
    field = ".".join(part for part in (path, named[1] if named else "") if part) or "body"
    return f"{field}: {message}", field
