"""A GitHub on loopback, as far as comment.yml asks it: pull requests, artifacts behind a redirect, and comments."""

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

BOT = "github-actions[bot]"
REPOSITORY = {"id": 1, "full_name": "owner/springtide"}
FORK = {"id": 2, "owner": {"login": "stranger"}}
BRANCH = "patch-1&state=all"  # a branch may be called so
COMMIT = "c0ffee" + "0" * 34


def pull(number: int, *, commit: str = COMMIT, fork: int | None = 2, base: int = 1) -> dict[str, Any]:
    head = {"sha": commit, "repo": None if fork is None else {"id": fork}}
    return {"number": number, "head": head, "base": {"repo": {"id": base}}}


def event(*, fork: dict[str, Any] | None = FORK) -> dict[str, Any]:
    run = {
        "id": 9,
        "head_repository": fork,
        "head_branch": BRANCH,
        "head_sha": COMMIT,
        "html_url": "https://run.example",
    }
    return {"repository": REPOSITORY, "workflow_run": run}


def archive(text: str | bytes, *, member: str = "plan.markdown") -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as folder:
        folder.writestr(member, text)
    return content.getvalue()


@dataclass
class GitHub:
    """What it holds and what it was asked. `size` is what the artifact claims to be."""

    pulls: list[dict[str, Any]] = field(default_factory=lambda: [pull(7)])
    artifact: bytes | None = field(default_factory=lambda: archive("the plan"))
    size: int | None = None
    comments: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    seen_by_storage: list[str | None] = field(default_factory=list)
    url: str = ""

    def comment(self, body: str, *, author: str = BOT) -> None:
        self.comments.append({"id": len(self.comments) + 100, "user": {"login": author}, "body": body})

    def answer(self, method: str, url: str, body: dict[str, Any] | None) -> Any:
        path, query = urlsplit(url).path.removeprefix("/repos/owner/springtide"), parse_qs(urlsplit(url).query)
        self.asked.append(f"{method} {path}")
        match method, path.split("/")[1:]:
            case "GET", ["pulls"]:
                wanted = {"state": ["open"], "head": [f"stranger:{BRANCH}"], "per_page": ["100"]}
                return self.pulls if query == wanted else []
            case "GET", ["actions", "runs", "9", "artifacts"]:
                return {"artifacts": self.listed() if query == {"name": ["preview-comment"]} else []}
            case "GET", ["issues", "7", "comments"]:
                first = 100 * (int(query["page"][0]) - 1)
                return self.comments[first : first + 100]
            case "POST", ["issues", "7", "comments"] if body is not None:
                return self.comment(body["body"])
            case "PATCH", ["issues", "comments", number] if body is not None:
                return self.comments[int(number) - 100].update(body)
        raise LookupError(url)

    def listed(self) -> list[dict[str, Any]]:
        if self.artifact is None:
            return []
        size = len(self.artifact) if self.size is None else self.size
        return [{"id": 41, "size_in_bytes": 1}, {"id": 42, "size_in_bytes": size}]


@contextmanager
def serving(github: GitHub) -> Iterator[GitHub]:
    """The API on one port and the artifact's storage on another, until the block ends."""
    with _listening(_storage(github)) as storage, _listening(_api(github, storage)) as api:
        github.url = api
        yield github


@contextmanager
def _listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class _Quiet(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def reply(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _storage(github: GitHub) -> type[BaseHTTPRequestHandler]:
    class Storage(_Quiet):
        def do_GET(self) -> None:
            github.seen_by_storage.append(self.headers["Authorization"])
            self.reply(200, github.artifact or b"")

    return Storage


def _api(github: GitHub, storage: str) -> type[BaseHTTPRequestHandler]:
    class Api(_Quiet):
        def do(self) -> None:
            if self.headers["Authorization"] != "Bearer the-token":
                return self.reply(401)
            if self.path.endswith("/actions/artifacts/42/zip"):
                return self.reply(302, Location=storage)
            content = self.rfile.read(int(self.headers["Content-Length"] or 0))
            answer = github.answer(self.command, self.path, json.loads(content) if content else None)
            return self.reply(200, json.dumps(answer).encode())

        do_GET = do_POST = do_PATCH = do  # noqa: N815  the names that the server calls

    return Api
