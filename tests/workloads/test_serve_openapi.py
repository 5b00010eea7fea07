"""The description of the interface: for programs and for people."""

from enum import Enum
from typing import Annotated, Any

import msgspec
import pytest
from tests.workloads.serving_scenes import Asked, serving

from springtide_workloads.serve.http import About
from springtide_workloads.serve.openapi import document, example_of, page_of


class Kind(Enum):
    FIRST = "first"


class Deep(msgspec.Struct):
    text: Annotated[str, msgspec.Meta(min_length=1)]
    kinds: list[Kind]
    number: int | None
    left_out: float = 1.0


def test_the_document_names_types_errors_and_headers() -> None:
    async def talk(server: Asked) -> None:
        spec = (await server.ask("GET", "/openapi.json")).body
        operation = spec["paths"]["/v1/predict"]["post"]
        body = operation["requestBody"]["content"]["application/json"]
        assert body == {"schema": {"$ref": "#/components/schemas/Question"}, "example": {"n": 1}}
        assert set(operation["responses"]) >= {"200", "413", "422", "429", "503", "504"}
        assert {each["name"] for each in operation["parameters"]} == {"x-request-timeout-ms", "x-request-priority"}
        assert {"Question", "Inner", "Reply", "Error"} <= set(spec["components"]["schemas"])
        assert operation["summary"] == "Doubles a number."

    serving(talk, "Doubles")


def test_the_page_stands_alone_and_shows_a_request_to_try() -> None:
    async def talk(server: Asked) -> None:
        answer = await server.ask("GET", "/docs")
        page = b"".join(answer.chunks).decode()
        assert answer.headers["content-type"].startswith("text/html")
        assert "/v1/predict" in page
        assert "&quot;n&quot;: 1" in page
        assert not any(word in page for word in ("http://", "https://", "<script"))

    serving(talk, "Doubles")


@pytest.mark.parametrize(
    ("kind", "example"),
    [(Deep, {"text": "text", "kinds": ["first"], "number": 1}), (list[int], [1]), (dict[str, int], {}), (Any, None)],
)
def test_an_example_is_made_from_a_type(kind: Any, example: Any) -> None:
    assert example_of(About(summary="", takes=kind)) == example


def test_where_a_key_is_asked_for_the_description_says_so() -> None:
    async def handler(_request: Any) -> Any: ...

    spec = document({("GET", "/v1/models/{id}"): handler}, title="<b>", keys=True)
    assert spec["security"] == [{"key": []}]
    assert spec["paths"]["/v1/models/{id}"]["get"]["parameters"][0]["name"] == "id"
    page = page_of(spec)
    assert "Bearer $KEY" in page
    assert "<b></h1>" not in page
