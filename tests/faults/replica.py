"""A model server in a process of its own, so that it can die while it computes. It writes down what it began."""

import asyncio
import os
import sys
from pathlib import Path

from aiohttp import web


async def main(port: int, seconds: float, diary: Path) -> None:
    async def work(request: web.Request) -> web.Response:
        await request.read()
        with diary.open("a") as lines:
            lines.write(f"{request.headers['X-Number']}\n")
        await asyncio.sleep(seconds)
        return web.Response(text=f"{os.getpid()}")

    async def ready(_request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_get("/health/ready", ready)
    app.router.add_route("*", "/work", work)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])))
