"""How a field is refused."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from springtide_workloads.serve.http import Refusal


def wrong(field: str, text: str) -> Refusal:
    """A field that does not fit."""
    return Refusal(422, f"{field}: {text}", field=field)


def refuse(body: msgspec.Struct, not_served: Mapping[str, Sequence[Any]], path: str = "") -> None:
    """Refuses the first field that asks for something.

    Args:
        body: whose fields they are.
        not_served: names, and the values beside null that ask for nothing.
        path: of the body, to name fields with.

    Raises:
        Refusal: 422 with the field and what may be sent.
    """
    for name, harmless in not_served.items():
        value = getattr(body, name)
        if value is not None and value not in harmless:
            allowed = "".join(f" or send {_json(each)}" for each in harmless)
            raise wrong(f"{path}{name}", f"is not served here: leave it out{allowed}")


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
