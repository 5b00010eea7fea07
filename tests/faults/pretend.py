"""An agent whose processes pretend to train: real processes, signals and stamps, and neither torch nor a model in them.

`python -m tests.faults.pretend` is the agent. Its processes follow `PRETEND`: `<what>:<rank>`, done by that rank in the
first generation at step 5. Ranks wait for each other through files, as real ones would in a collective.
"""

import os
import signal
import sys
import time
from pathlib import Path

from springtide_workloads.contract import ExitCode, TrainingContract
from springtide_workloads.errors import EXPECTED
from springtide_workloads.train import worker
from springtide_workloads.train.stop import StopFlag, own_agent
from springtide_workloads.train.watch import Watch

STEPS = int(os.environ.get("PRETEND_STEPS", "40"))
STEP_SECONDS = 0.02


def work() -> int:
    """One process: steps, in each of which it waits for the others."""
    place = Path(os.environ["SPRINGTIDE_ARTIFACTS_URL"].removeprefix("file://"), os.environ["TORCHELASTIC_RUN_ID"])
    place.mkdir(parents=True, exist_ok=True)
    stop = StopFlag(agent=own_agent())
    stop.listen()
    watch = Watch.joined()
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    first = os.environ["TORCHELASTIC_RUN_ID"].endswith("/1")
    what, _, who = os.environ.get("PRETEND", ":").partition(":")
    if os.environ.get("PRETEND_STARTS"):
        (place / f"started-{rank}").touch()
        time.sleep(float(os.environ["PRETEND_STARTS"]))
    stop.work_begins()
    for step in range(STEPS):
        watch.phase("data", step)
        if first and who == str(rank) and step == 5:
            act(what)
        watch.phase("wait", step)
        if agreed(place, rank, world, step, asked=stop.asked):
            sys.stdout.write(f"rank {rank} saved after {step}\n")
            return ExitCode.INTERRUPTED
        watch.phase("forward", step)
        time.sleep(STEP_SECONDS * (3 if what == "slow" and who == str(rank) else 1))
    return ExitCode.DONE


def act(what: str) -> None:
    """What the faulty rank does."""
    acts = {"kill": signal.SIGKILL, "freeze": signal.SIGSTOP, "told": signal.SIGTERM}
    if what in acts:
        os.kill(os.getpid(), acts[what])
    elif what == "stuck":
        time.sleep(1000)
    elif what == "compute":
        # under Python's lock for longer than a frozen rank may be silent, as a big C extension would
        sum(range(2 * 10**8))


def agreed(place: Path, rank: int, world: int, step: int, *, asked: bool) -> bool:
    """Waits for all ranks' votes on a step, and says whether any asks to stop."""
    (place / f"{step}-{rank}.part").write_text(str(int(asked)))
    (place / f"{step}-{rank}.part").rename(place / f"{step}-{rank}")
    votes = [place / f"{step}-{each}" for each in range(world)]
    while not all(vote.exists() for vote in votes):
        time.sleep(0.002)
    return any(vote.read_text() == "1" for vote in votes)


def main() -> int:
    """The agent."""
    from springtide_workloads.storage import Store  # noqa: PLC0415  only the agent's process needs them
    from springtide_workloads.train.agent import Agent, Patience  # noqa: PLC0415
    from springtide_workloads.train.agent import _spoken as spoken  # noqa: PLC0415
    from springtide_workloads.train.events import EventLog  # noqa: PLC0415
    from springtide_workloads.train.warm import Standby  # noqa: PLC0415

    stop = StopFlag(leave_after=5)
    stop.listen()
    job = TrainingContract.from_env(os.environ)
    events = EventLog(store=Store(job.artifacts_url), run=job.run)
    try:
        with Standby(preloaded=(__spec__.name,)) as standby:
            patience = Patience(newest=lambda: None)
            codes = Agent(job=job, patience=patience, events=events, stop=stop, standby=standby).run()
        return spoken(codes, events, told=stop.told)
    except EXPECTED as error:
        sys.stderr.write(f"{error}\n")
        return error.code


worker.main = work

if __name__ == "__main__":
    sys.exit(main())
