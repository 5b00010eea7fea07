"""OpenAI's endpoints, asked without sockets: whole answers."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.workloads.openai_scenes import CONTEXT, TEXT, Api, answered, serving

from springtide_workloads.serve.generate.request import Generate

WHOLE = TEXT.decode()


def test_a_completion_has_the_shape_that_openai_documents(tmp_path: Path) -> None:
    async def talk(api: Api) -> None:
        answer = await api.complete(prompt="hé", seed=7)
        assert answer.pop("id").startswith("cmpl-")
        assert answer.pop("created") > 1_700_000_000
        mark = {"seed": 7, "tokens": 8}
        choice = {"index": 0, "text": "Grüße,", "finish_reason": "length", "logprobs": None, "springtide": mark}
        usage = {
            "prompt_tokens": 3,
            "completion_tokens": 8,
            "total_tokens": 11,
            "prompt_tokens_details": {"cached_tokens": 1},
        }
        assert answer == {"object": "text_completion", "model": "tiny", "choices": [choice], "usage": usage}

    serving(tmp_path, talk)


def test_a_chat_has_the_shape_that_openai_documents(tmp_path: Path) -> None:
    async def talk(api: Api) -> None:
        answer = await api.chat(("system", "Be short."), ("user", "Hi"), model="other", seed=1)
        assert answer["id"].startswith("chatcmpl-")
        assert (answer["object"], answer["model"]) == ("chat.completion", "other")
        message = {"role": "assistant", "content": "Grüße,", "refusal": None}
        mark = {"seed": 1, "tokens": 8}
        assert answer["choices"] == [
            {"index": 0, "message": message, "springtide": mark, "finish_reason": "length", "logprobs": None}
        ]
        assert api.model.asked[0].prompt == b"system: Be short.\nuser: Hi\nassistant: "
        assert api.model.asked[0].stop == (b"\nuser: ",)

    serving(tmp_path, talk)


def test_models_are_listed_and_found_by_name(tmp_path: Path) -> None:
    async def talk(api: Api) -> None:
        listed = await api.ask("/v1/models")
        assert [each["id"] for each in listed["data"]] == ["tiny", "other"]
        assert await api.ask("/v1/models/other") == listed["data"][1]
        assert listed["data"][1]["object"] == "model"
        assert (await api.refused("/v1/models/none")).status == 404

    serving(tmp_path, talk)


def test_settings_reach_the_engine(tmp_path: Path) -> None:
    async def talk(api: Api) -> None:
        await api.complete(temperature=0.5, top_p=0.9, top_k=3, seed=4, stop="xyz", max_tokens=2, model="other")
        expected = Generate(
            prompt=b"a", max_tokens=2, temperature=0.5, top_p=0.9, top_k=3, seed=4, stop=(b"xyz",), model="other"
        )
        assert api.model.asked == [expected]

    serving(tmp_path, talk)


def test_null_means_that_nothing_is_said(tmp_path: Path) -> None:
    async def talk(api: Api) -> None:
        names = (
            "temperature",
            "top_p",
            "n",
            "stop",
            "seed",
            "stream",
            "stream_options",
            "logit_bias",
            "best_of",
            "suffix",
        )
        answer = await api.complete(**dict.fromkeys(names))
        assert len(answer["choices"]) == 1

    serving(tmp_path, talk)


def test_every_prompt_gets_n_answers_in_its_place_and_is_read_once(tmp_path: Path) -> None:
    async def talk(api: Api) -> None:
        answer = await api.complete(prompt=["ab", "ab"], n=2, seed=5, temperature=1, max_tokens=4)
        assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2, 3]
        assert [choice["springtide"]["seed"] for choice in answer["choices"]] == [5, 6, 5, 6]
        texts = [choice["text"] for choice in answer["choices"]]
        assert texts[:2] == texts[2:]
        assert texts[0] != texts[1]
        assert (answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"]) == (4, 16)

    serving(tmp_path, talk)


def test_without_a_seed_every_answer_has_another(tmp_path: Path) -> None:
    async def talk(api: Api) -> None:
        answer = await api.complete(prompt=["a", "a"], n=4)
        assert len({choice["springtide"]["seed"] for choice in answer["choices"]}) == 8

    serving(tmp_path, talk)


@pytest.mark.parametrize("prompt", [[72, 105], [[72, 105]], ["Hi"], "Hi"])
def test_a_prompt_may_be_text_or_token_ids(tmp_path: Path, prompt: Any) -> None:
    async def talk(api: Api) -> None:
        await api.complete(prompt=prompt)
        assert bytes(api.model.asked[0].prompt) == b"Hi"

    serving(tmp_path, talk)


def test_an_echo_is_before_the_answer_and_counts_as_read(tmp_path: Path) -> None:
    async def talk(api: Api) -> None:
        answer = await api.complete(prompt=["Ü: ", "b"], echo=True, max_tokens=2)
        assert [choice["text"] for choice in answer["choices"]] == ["Ü: Gr", "bGr"]
        assert answer["usage"]["completion_tokens"] == 4

    serving(tmp_path, talk)


def test_an_answer_ends_before_a_stop_sequence(tmp_path: Path) -> None:
    async def talk(api: Api) -> None:
        answer = await api.complete(stop=["nothing", "世界"], max_tokens=40)
        assert answer["choices"][0]["text"] == "Grüße, "
        assert answer["choices"][0]["finish_reason"] == "stop"

    serving(tmp_path, talk)


def test_bytes_that_are_no_text_are_replaced_where_python_replaces_them(tmp_path: Path) -> None:
    async def talk(api: Api) -> None:
        answer = await api.complete(temperature=1, seed=3, max_tokens=100)
        assert answer["choices"][0]["text"] == answered(api.model.asked[0]).decode(errors="replace")

    serving(tmp_path, talk)


def test_log_probabilities_have_both_shapes(tmp_path: Path) -> None:
    async def talk(api: Api) -> None:
        told = (await api.complete(logprobs=2, max_tokens=3))["choices"][0]["logprobs"]
        assert told["tokens"] == ["G", "r", "bytes:\\xc3"]
        assert told["token_logprobs"] == [-1.0] * 3
        assert told["top_logprobs"][0] == {"h": -1.0, "bytes:\\xc3": -2.0}
        content = (await api.chat(logprobs=True, top_logprobs=2, max_tokens=3))["choices"][0]["logprobs"]["content"]
        assert [(each["token"], each["bytes"]) for each in content] == [
            ("G", [71]),
            ("r", [114]),
            ("bytes:\\xc3", [195]),
        ]
        assert [each["token"] for each in content[0]["top_logprobs"]] == ["h", "bytes:\\xc3"]
        assert api.model.asked[1].logprobs == 2

    serving(tmp_path, talk)


def test_without_a_number_of_tokens_an_answer_has_the_servers_own_or_what_fits(tmp_path: Path) -> None:
    async def talk(api: Api) -> None:
        await api.complete(max_tokens=None)
        await api.complete(max_tokens=None, prompt="x" * (CONTEXT - 5))
        await api.chat(max_tokens=None, max_completion_tokens=9)
        assert [asked.max_tokens for asked in api.model.asked] == [20, 5, 9]

    serving(tmp_path, talk, default_tokens=20)


def test_deadline_priority_and_cost_reach_the_line(tmp_path: Path) -> None:
    async def talk(api: Api) -> None:
        seen: list[Any] = []
        enter = api.line.enter

        async def watched(asked: Generate, **how: Any) -> Any:
            seen.append(how)
            return await enter(asked, **how)

        api.line.enter = watched  # type: ignore[method-assign]
        deadline = asyncio.get_running_loop().time() + 60
        await api.ask("/v1/completions", {"prompt": "x" * 16, "max_tokens": 4}, deadline=deadline, priority=2)
        assert seen == [{"cost": 6.0, "deadline": deadline, "priority": 2}]

    serving(tmp_path, talk)


def test_a_client_that_goes_takes_all_its_answers_along(tmp_path: Path) -> None:
    async def talk(api: Api) -> None:
        api.model.let.clear()
        leaving = asyncio.ensure_future(api.complete(n=3))
        while not api.model.asked:  # noqa: ASYNC110  another thread's state has no event to wait for
            await asyncio.sleep(0.005)
        leaving.cancel()
        await asyncio.wait({leaving})
        assert api.line.waiting == 0
        api.model.let.set()
        await api.complete()
        assert len(api.model.gone) == 1

    serving(tmp_path, talk)


def test_an_answer_that_breaks_off_is_refused_and_never_given_as_whole(tmp_path: Path) -> None:
    async def talk(api: Api) -> None:
        api.model.break_after = 3
        refusal = await api.refused("/v1/completions", {"prompt": "a", "n": 2})
        assert (refusal.status, refusal.retry_after, refusal.reason) == (503, 1, "stopped")

    serving(tmp_path, talk)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a", 1]}, "prompt"),
        ({"prompt": [[1], []]}, "prompt"),
        ({"prompt": [-1]}, "prompt"),
        ({"prompt": [256]}, "prompt"),
        ({"prompt": "a", "tempreature": 1}, "tempreature"),
        ({"prompt": "a", "temperature": 2.1}, "temperature"),
        ({"prompt": "a", "max_tokens": 0}, "max_tokens"),
        ({"prompt": "a", "max_tokens": 51}, "max_tokens"),
        ({"prompt": "a", "n": 5}, "n"),
        ({"prompt": ["a"] * 5, "n": 4}, "n"),
        ({"prompt": "a", "stop": ["a"] * 5}, "stop"),
        ({"prompt": "a", "stop": [""]}, "stop[0]"),
        ({"prompt": "a", "seed": -1}, "seed"),
        ({"prompt": "a", "best_of": 2}, "best_of"),
        ({"prompt": "a", "suffix": "b"}, "suffix"),
        ({"prompt": "a", "logit_bias": {"50": 1}}, "logit_bias"),
        ({"prompt": "a", "presence_penalty": 0.1}, "presence_penalty"),
        ({"prompt": "a", "echo": True, "logprobs": 1}, "echo"),
        ({"prompt": "a", "stream_options": {"include_usage": True}}, "stream_options"),
        (
            {"prompt": "a", "stream": True, "stream_options": {"include_obfuscation": True}},
            "stream_options.include_obfuscation",
        ),
        ({"prompt": "a", "model": "none"}, "model"),
    ],
)
def test_a_completion_that_is_not_served_is_refused_naming_the_field(tmp_path: Path, body: Any, field: str) -> None:
    async def talk(api: Api) -> None:
        refusal = await api.refused("/v1/completions", body)
        assert refusal.field == field
        assert refusal.status == (404 if field == "model" else 422)
        assert refusal.body["error"]["param"] == field
        assert api.model.asked == []

    serving(tmp_path, talk, max_tokens=50)


USER = {"role": "user", "content": "Hi"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [USER | {"role": "tool"}]}, "messages[0].role"),
        ({"messages": [USER | {"name": "Ann"}]}, "messages[0].name"),
        ({"messages": [USER, {"role": "assistant", "content": None}]}, "messages[1].content"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "messages[0].content[0].type",
        ),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "x"}]}]}, "messages[0].tool_calls"),
        ({"messages": [USER | {"content": "x" * CONTEXT}]}, "messages"),
        ({"messages": [USER], "tools": [{"type": "function"}]}, "tools"),
        ({"messages": [USER], "response_format": {"type": "json_object"}}, "response_format"),
        ({"messages": [USER], "store": True}, "store"),
        ({"messages": [USER], "max_tokens": 1, "max_completion_tokens": 2}, "max_tokens"),
        ({"messages": [USER], "top_logprobs": 2}, "top_logprobs"),
    ],
)
def test_a_chat_that_is_not_served_is_refused_naming_the_field(tmp_path: Path, body: Any, field: str) -> None:
    async def talk(api: Api) -> None:
        refusal = await api.refused("/v1/chat/completions", body)
        assert (refusal.status, refusal.field) == (422, field)
        assert api.model.asked == []

    serving(tmp_path, talk)


def test_values_that_ask_for_nothing_are_taken(tmp_path: Path) -> None:
    harmless = {
        "tools": [],
        "tool_choice": "auto",
        "response_format": {"type": "text"},
        "presence_penalty": 0.0,
        "frequency_penalty": 0,
        "logit_bias": {},
        "store": False,
        "service_tier": "auto",
        "user": "ann",
        "metadata": {"team": "red"},
        "safety_identifier": "x",
        "parallel_tool_calls": True,
    }

    async def talk(api: Api) -> None:
        previous: Any = {"role": "assistant", "content": "Yes.", "refusal": None, "annotations": [], "tool_calls": None}
        parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
        told = [previous, {"role": "developer", "content": parts}]
        await api.ask("/v1/chat/completions", {"messages": told} | harmless)
        assert api.model.asked[0].prompt == b"assistant: Yes.\nsystem: ab\nassistant: "

    serving(tmp_path, talk)
