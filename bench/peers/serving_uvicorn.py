"""Bare uvicorn and httptools: `python serving_uvicorn.py PORT`. A plain ASGI application, the work in one thread."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import uvicorn
from bench.serving_work import Work, knobs

Send = Callable[[dict[str, Any]], Awaitable[None]]
WORK = Work.told()
THREAD = ThreadPoolExecutor(1)


async def app(_scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], send: Send) -> None:
    """One request."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    x = json.loads(body)["x"]
    y = await asyncio.get_running_loop().run_in_executor(THREAD, WORK.one, x)
    answer = json.dumps({"y": y}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


if __name__ == "__main__":
    loop = "asyncio" if "asyncio" in knobs() else "auto"
    uvicorn.run(
        app, host="127.0.0.1", port=int(sys.argv[1]), http="httptools", loop=loop, lifespan="off", log_level="warning"
    )
