"""From messages to text, as an export says."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.workloads.openai_scenes import export_at

from springtide_workloads.errors import ConfigError, StorageError
from springtide_workloads.serve.openai import Templates
from springtide_workloads.serve.openai.messages import Message
from springtide_workloads.serve.openai.template import Template
from springtide_workloads.storage import Store

MARKED = {"turn": "<|{role}|>{content}<|end|>", "stop": ["<|end|>"]}


def talk(*turns: tuple[str, str]) -> list[Message]:
    return [Message(role=role, content=content) for role, content in turns]


def test_without_a_template_a_message_is_a_line() -> None:
    plain = Template.of(None)
    prompt = plain.prompt(talk(("system", "Be short."), ("user", "Hi"), ("assistant", "Yes?"), ("user", "No.")))
    assert prompt == b"system: Be short.\nuser: Hi\nassistant: Yes?\nuser: No.\nassistant: "
    assert plain.stops == (b"\nuser: ",)


def test_an_exports_template_is_used() -> None:
    marked = Template.of(MARKED)
    assert marked.prompt(talk(("developer", "Be short."), ("user", "Hi"))) == (
        b"<|system|>Be short.<|end|><|user|>Hi<|end|><|assistant|>"
    )
    assert marked.stops == (b"<|end|>",)


@given(st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), st.text()), min_size=1))
def test_an_answer_continues_the_conversation_that_it_becomes_a_part_of(turns: list[tuple[str, str]]) -> None:
    template = Template.of(MARKED)
    answer = "ok"
    whole = template.prompt(talk(*turns, ("assistant", answer), ("user", "")))
    assert whole.startswith(template.prompt(talk(*turns)) + answer.encode())


def test_what_stands_in_braces_in_a_message_is_only_text() -> None:
    assert Template().prompt(talk(("user", "{role} {content}"))) == b"user: {role} {content}\nassistant: "


@pytest.mark.parametrize(
    ("chat", "words"),
    [
        ({"turn": "no places"}, "write {role}, then {content}"),
        ({"turn": "{content} by {role}"}, "write {role}, then {content}"),
        ({"turn": "{role} {content} {content}"}, "write {role}, then {content}"),
        ({"turn": 3}, "Expected `str`"),
        ({"tune": "{role}{content}"}, "unknown field `tune`"),
        ({"stop": [""]}, "must not be empty"),
    ],
)
def test_a_template_that_cannot_be_used_is_told_in_words(chat: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=r"export/config\.json") as caught:
        Template.of(chat)
    assert words in str(caught.value)


def test_templates_are_read_once_and_by_model(tmp_path: Path) -> None:
    store = export_at(tmp_path / "one")
    marked = export_at(tmp_path / "two", recipe={"chat": MARKED})
    missing = Store((tmp_path / "missing").as_uri())
    templates = Templates(store, {"marked": marked, "missing": missing})

    async def read() -> None:
        first = await templates.of("")
        assert first == Template()
        assert await templates.of("tiny") is first
        with pytest.raises(StorageError, match=r"there is no .*missing/export/config\.json"):
            await templates.of("missing")
        assert (await templates.of("marked")).stops == (b"<|end|>",)

    asyncio.run(read())
