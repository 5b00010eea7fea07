"""The description of a server's interface: an OpenAPI document from the types of its routes, and a page to read it on."""

import html
import inspect
import json
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, Final, get_args, get_origin

import msgspec

from springtide_workloads.contract import LIVE_PATH, PRIORITIES, PRIORITY_HEADER, READY_PATH, TIMEOUT_HEADER
from springtide_workloads.serve.http import About, Answer, Handler, Plain, Request, Routes, about_of, described

OPENAPI_PATH: Final = "/openapi.json"
DOCS_PATH: Final = "/docs"

_ERROR: Final = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"], "description": "Path of the field that is wrong."},
                "code": {"type": ["string", "null"]},
            },
            "required": ["message", "type", "param", "code"],
        }
    },
    "required": ["error"],
}
_REFUSALS: Final = {
    "400": "Not JSON, or a header that cannot be read.",
    "413": "The body is too long.",
    "422": "A field does not fit; `param` names it.",
    "429": "No answer can be expected in time; Retry-After says when to ask again.",
    "503": "Not ready; Retry-After says when to ask again.",
    "504": "There was no answer within the time that was given.",
}
_HEADERS: Final = [
    {
        "name": TIMEOUT_HEADER,
        "in": "header",
        "description": "Milliseconds until the client gives up. What cannot be answered by then is refused at once.",
        "schema": {"type": "number", "exclusiveMinimum": 0},
    },
    {
        "name": PRIORITY_HEADER,
        "in": "header",
        "description": "Where there is more to do than can be done, the lowest is refused first.",
        "schema": {"type": "string", "enum": list(PRIORITIES), "default": "normal"},
    },
]


def document(routes: Routes, *, title: str, keys: bool) -> dict[str, Any]:
    """The OpenAPI 3.1 document of these routes.

    Args:
        routes: what is described; each handler says what it takes and gives.
        title: name of what is served.
        keys: whether a key is asked for.
    """
    abouts = {route: about_of(handler) for route, handler in routes.items()}
    kinds = [kind for about in abouts.values() for kind in (about.takes, about.gives) if kind is not None]
    refs, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    schemas = iter(refs)
    paths: dict[str, Any] = {}
    for (method, path), about in abouts.items():
        takes = None if about.takes is None else next(schemas)
        gives = {} if about.gives is None else next(schemas)
        paths.setdefault(path, {})[method.lower()] = _named(path) | _operation(about, takes, gives)
    found: dict[str, Any] = {"schemas": components | {"Error": _ERROR}}
    if keys:
        found["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1"},
        "paths": paths,
        "components": found,
    } | ({"security": [{"key": []}]} if keys else {})


def _named(path: str) -> dict[str, Any]:
    """The parameter of a path that ends in a name."""
    if not path.endswith("{id}"):
        return {}
    return {"parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}]}


def _operation(about: About, takes: Any, gives: Any) -> dict[str, Any]:
    media = "text/event-stream" if about.streams else "application/json"
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    operation: dict[str, Any] = {
        "summary": about.summary,
        "responses": {"200": {"description": "The answer.", "content": {media: {"schema": gives}}}},
    }
    if takes is None:
        return operation
    body: dict[str, Any] = {"schema": takes}
    if (example := example_of(about)) is not None:
        body["example"] = example
    operation["parameters"] = _HEADERS
    operation["requestBody"] = {"required": True, "content": {"application/json": body}}
    operation["responses"] |= {code: {"description": text, "content": error} for code, text in _REFUSALS.items()}
    return operation


def example_of(about: About) -> Any:
    """A body to try: the one that is given, or one with a value for each field that has no default."""
    return about.example if about.example is not None else _made(about.takes)


_PLAIN: Final[Mapping[Any, Any]] = {str: "text", int: 1, float: 1.0, bool: True, bytes: "dGV4dA==", dict: {}, list: []}


def _made(kind: Any) -> Any:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        fields = msgspec.structs.fields(kind)
        return {field.encode_name: _made(field.type) for field in fields if field.required}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(iter(kind)).value
    if kind in _PLAIN:
        return _PLAIN[kind]
    origin, inner = get_origin(kind), get_args(kind)
    if origin in {list, tuple, set, frozenset} and inner:
        return [_made(inner[0])]
    if origin is dict:
        return {}
    # Annotated and unions: the first of what is allowed
    return _made(inner[0]) if inner and inner[0] is not kind else None


def pages(routes: Routes, *, title: str, keys: bool) -> Routes:
    """Routes for the document and the page, made once."""
    described_routes = document(routes, title=title, keys=keys)
    spec = msgspec.json.encode(described_routes)
    page = page_of(described_routes).encode()
    headers = {"content-type": "text/html; charset=utf-8", "content-security-policy": _POLICY}
    return {
        ("GET", OPENAPI_PATH): _fixed(Plain(body=spec), "This description, as OpenAPI has it."),
        ("GET", DOCS_PATH): _fixed(Plain(body=page, headers=headers), "This description, to read."),
    }


def _fixed(answer: Plain, summary: str) -> Handler:
    @described(About(summary=summary))
    async def handler(_request: Request) -> Answer:
        return answer

    return handler


def page_of(spec: Mapping[str, Any]) -> str:
    """The page: one file, nothing is fetched from anywhere."""
    title = html.escape(spec["info"]["title"])
    keyed = "security" in spec
    sections = "\n".join(_sections(spec["paths"], keyed=keyed))
    schemas = html.escape(json.dumps(spec["components"]["schemas"], indent=2))
    probes = f"<code>{LIVE_PATH}</code> and <code>{READY_PATH}</code> answer probes"
    return inspect.cleandoc(_PAGE).format(
        title=title,
        style=_STYLE,
        sections=sections,
        schemas=schemas,
        openapi=OPENAPI_PATH,
        probes=f"{probes}, without a key." if keyed else f"{probes}.",
    )


def _sections(paths: Mapping[str, Any], *, keyed: bool) -> Iterable[str]:
    for path, methods in paths.items():
        for method, operation in methods.items():
            command = html.escape(_curl(method.upper(), path, operation, keyed=keyed))
            codes = "".join(
                f"<tr><td>{code}</td><td>{html.escape(each['description'])}</td></tr>"
                for code, each in operation["responses"].items()
            )
            yield (
                f"<section><h2><b>{method.upper()}</b> {html.escape(path)}</h2><p>{html.escape(operation['summary'])}</p>"
                f"<pre>{command}</pre><table>{codes}</table></section>"
            )


def _curl(method: str, path: str, operation: Mapping[str, Any], *, keyed: bool) -> str:
    parts = [f'curl -sN "$URL{path}"']
    if keyed:
        parts.append('-H "authorization: Bearer $KEY"')
    if "requestBody" in operation:
        body = operation["requestBody"]["content"]["application/json"].get("example")
        text = json.dumps(body, ensure_ascii=False).replace("'", "'\\''")
        parts += [f"-H '{TIMEOUT_HEADER}: 30000'", f"-d '{text}'"]
    elif method != "GET":
        parts.append(f"-X {method}")
    return " \\\n  ".join(parts)


_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem;color:#1a2a33;background:#fff}"
    "h1{font-size:1.6rem}h2{font-size:1.1rem;font-weight:400}h2 b{color:#0a7d6e}"
    "section{border-top:1px solid #d5dfe3;padding:.5rem 0}"
    "pre{background:#f2f6f7;padding:.8rem;overflow-x:auto;font-size:.85rem}td{padding:.1rem .8rem .1rem 0;vertical-align:top}"
    "@media(prefers-color-scheme:dark){body{background:#10181c;color:#d8e3e7}pre{background:#1a252b}section{border-color:#2b3a42}}"
)
_PAGE: Final = """
    <!doctype html>
    <html lang="en">
    <meta charset="utf-8"><meta name="viewport" content="width=device-width">
    <title>{title}</title>
    <style>{style}</style>
    <h1>{title}</h1>
    <p>What may be asked of this server, with requests to try. <code>URL</code> is where it answers.
    <a href="{openapi}">{openapi}</a> says the same to programs; {probes}</p>
    {sections}
    <section><h2>Types</h2><details><summary>JSON schemas</summary><pre>{schemas}</pre></details></section>
    </html>
"""
