"""Draws docs/pictures/local-status.svg: `springtide status local --watch` at three moments of an environment that ran.

Brings stacks/Pulumi.local.yaml up in a folder that goes when it is over, looks every second, asks the server until there are
two of it, and draws what it saw: no figure is made up. It takes root, containerd and runc: with simulated pods there is no
loss and nobody answers.

Usage: python bench/picture.py [--out docs/pictures/local-status.svg] [--seconds 900]
"""

import argparse
import io
import itertools
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from springtide.local.cluster.api import Api
from springtide.local.cluster.errors import ApiError
from springtide.local.cluster.wait import condition
from springtide.local.home import HOME, Home, home
from springtide.local.observe import status_view
from springtide.local.observe.status import Observer, Status
from springtide.local.render.substitution import Here
from springtide.offline.planner import plan_environment
from springtide_workloads.contract import HTTP_PORT

ROOT = Path(__file__).resolve().parent.parent
NAME = "local"
WIDTH = 92
LOOK_EVERY_SECONDS = 1.0
CROWD = 12
"""Requests at once."""
QUESTION = b'{"prompt": "The tide ", "max_tokens": 32}'
ANSWER_SECONDS = 60.0
FONTS = re.compile(r"@font-face \{\{.*?\}\}\s*", re.DOTALL)
"""Rich's own picture asks a server for its font; ours asks nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """An environment as it was once."""

    seconds: float
    """Since `springtide up` began."""
    status: Status


def asleep(status: Status) -> bool:
    """Whether no pool has a node."""
    return not any(pool.nodes for pool in status.pools)


def trains(status: Status) -> bool:
    """Whether a run trains and has said how well."""
    return any(job.phase == "running" and job.diary.loss is not None for job in status.jobs)


def crowded(status: Status) -> bool:
    """Whether a service has grown under load, and says how much it answers."""
    return any(item.ready > 1 and item.reading.per_second for item in status.services)


MOMENTS: Mapping[str, Callable[[Status], bool]] = {
    "every pool is asleep": asleep,
    "a job has woken its pool, and trains": trains,
    "requests have made more of the server": crowded,
}
"""What is waited for, in this order; the first look that shows it is drawn, of the first moment the last one."""


@dataclass(slots=True)
class Crowd:
    """Many who ask at once, as long as it is used as a context."""

    _people: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(CROWD))
    _asking: list[Future[None]] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._people.shutdown(cancel_futures=True)

    def ask(self, servers: Sequence[str]) -> None:
        """Whoever has had an answer asks again."""
        self._asking = [item for item in self._asking if not item.done()]
        free = CROWD - len(self._asking) if servers else 0
        self._asking += [self._people.submit(ask, it) for it in itertools.islice(itertools.cycle(servers), free)]


def ask(server: str) -> None:
    """One request; a server that is about to go may not answer it."""
    url = f"http://{server}:{HTTP_PORT}/v1/completions"
    request = urllib.request.Request(url, QUESTION, {"Content-Type": "application/json"})
    with suppress(OSError), urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310  as above
        answer.read()


def main() -> None:
    """Run, look, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures" / "local-status.svg")
    parser.add_argument("--seconds", type=float, default=900, help="how long all of it may take")
    options = parser.parse_args()
    # Told to end, it takes the environment along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with environment() as here:
        moments = seen(here, options.seconds)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(drawn(moments), encoding="utf-8")


@contextmanager
def environment() -> Iterator[Home]:
    """Folders for the environment, with what is built already; at the end it is down again."""
    cache = home(NAME, ROOT).cache
    with tempfile.TemporaryDirectory(prefix="st-") as folder:
        (Path(folder) / "cache").symlink_to(cache)
        os.environ[HOME] = folder
        try:
            yield home(NAME, ROOT)
        finally:
            springtide("down").wait()


def springtide(verb: str) -> subprocess.Popen[bytes]:
    """The command, as somebody types it."""
    return subprocess.Popen([sys.executable, "-m", "springtide.cli", verb, NAME], cwd=ROOT, stdout=sys.stderr)


def seen(here: Home, seconds: float) -> dict[str, Moment]:
    """The moments by what they show, one after the other.

    Raises:
        SystemExit: one of them did not come.
    """
    plan, began = plan_environment(ROOT, NAME), time.monotonic()
    found: dict[str, Moment] = {}
    with springtide("up") as up, connected(here, up) as api, Crowd() as crowd:
        observer = Observer(api=api, plan=plan, artifacts={f"file://{Here().storage_path}": here.storage})
        while len(found) < len(MOMENTS):
            with suppress(ApiError):  # it does not know yet what a pool is
                now = Moment(seconds=time.monotonic() - began, status=observer.look())
                found |= {title: now for title in current(found) if MOMENTS[title](now.status)}
                crowd.ask([] if any(job.phase == "running" for job in now.status.jobs) else servers(api))
            if time.monotonic() - began > seconds:
                raise SystemExit(f"not within {seconds:.0f} s: {list(MOMENTS)[len(found)]}")
            time.sleep(LOOK_EVERY_SECONDS)
    return found


def current(found: Sized) -> list[str]:
    """What a look may show: the moment that comes next; and the first one as long as it lasts."""
    return list(MOMENTS)[0 if len(found) <= 1 else len(found) : len(found) + 1]


@contextmanager
def connected(here: Home, up: subprocess.Popen[bytes]) -> Iterator[Api]:
    """The API server, once there is one."""
    while not here.kubeconfig.is_file():
        if up.poll() is not None:
            raise SystemExit("`springtide up` ended before there was an API server")
        time.sleep(LOOK_EVERY_SECONDS)
    with Api.connect(here.kubeconfig) as api:
        yield api


def servers(api: Api) -> list[str]:
    """Addresses of pods that answer."""
    found = api.objects("v1", "Pod", labels="app.kubernetes.io/component=serving")
    return [item["status"]["podIP"] for item in found if condition(item, "Ready").get("status") == "True"]


def drawn(moments: Mapping[str, Moment]) -> str:
    """The picture, as SVG."""
    console = Console(record=True, file=io.StringIO(), width=WIDTH, force_terminal=True, highlight=False)
    for index, (title, moment) in enumerate(moments.items()):
        console.print(Text(f"{'' if index == 0 else chr(10)}{moment.seconds:.0f} s: {title}", style="bold cyan"))
        # What is not as in the cloud stands above all of it, and would fill the picture.
        console.print(status_view.figures(moment.status))
    return console.export_svg(
        title=f"springtide status {NAME} --watch", code_format=FONTS.sub("", CONSOLE_SVG_FORMAT), unique_id="status"
    )


if __name__ == "__main__":
    main()
