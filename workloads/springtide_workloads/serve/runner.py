"""The thread that an engine computes on, and whether it still does."""

import asyncio
import threading
import traceback
from http import HTTPStatus
from typing import Any

from springtide_workloads.serve.http import Refusal
from springtide_workloads.serve.line import Line
from springtide_workloads.serve.work import Engine
from springtide_workloads.tell import tell


class Runner:
    """Loads an engine and lets it compute, on one thread of its own. Made on the event loop's thread."""

    def __init__(self, engine: Engine[Any, Any], line: Line[Any, Any], *, stuck_seconds: float) -> None:
        """A thread that is not started yet.

        Args:
            engine: what to run.
            line: where its requests come from.
            stuck_seconds: computing for longer than this without a sign means that it hangs.
        """
        self._engine = engine
        self._line = line
        self._stuck_seconds = stuck_seconds
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self.loaded: asyncio.Future[None] = self._loop.create_future()
        """Done once the engine is loaded; or why it could not be."""

    def start(self) -> None:
        """Begin to load, then to compute."""
        self._thread.start()

    def join(self, seconds: float) -> None:
        """Wait until the thread has ended, so long at most."""
        if self._thread.ident is not None:
            self._thread.join(seconds)

    @property
    def trouble(self) -> str | None:
        """Why nothing is computed, in words; None while all is well, or it still loads."""
        if not self.loaded.done():
            return None
        if self.loaded.exception() is not None or not self._thread.is_alive():
            return "the thread that computes has ended"
        if (seconds := self._line.silent) > self._stuck_seconds:
            return f"the thread that computes has said nothing for {seconds:.0f} s"
        return None

    def _run(self) -> None:
        try:
            self._engine.load()
        except BaseException as error:  # noqa: BLE001  whatever it is, whoever waits for the model must learn of it
            self._tell(_settle, self.loaded, error)
            return
        self._tell(_settle, self.loaded, None)
        try:
            self._engine.run(self._line)
        except BaseException as error:  # noqa: BLE001  the same: a thread that ends in silence leaves a mute server
            tell(f"the engine failed, and this server with it:\n{''.join(traceback.format_exception(error))}")
        if not self._line.closed:
            self._tell(self._line.stop, _ended)

    def _tell(self, what: Any, *args: object) -> None:
        try:
            self._loop.call_soon_threadsafe(what, *args)
        except RuntimeError:
            return  # the loop is closed: nobody is left who could be told


def _settle(loaded: "asyncio.Future[None]", error: BaseException | None) -> None:
    if loaded.done():
        return
    if error is None:
        loaded.set_result(None)
        return
    # a future cannot hold what ends the interpreter
    loaded.set_exception(error if isinstance(error, Exception) else RuntimeError(f"loading ended with {error!r}"))


def _ended() -> Refusal:
    return Refusal(
        HTTPStatus.SERVICE_UNAVAILABLE, "the engine of this server ended: another one answers", retry_after=1
    )
