"""Our agent over the very processes that `restart_worker` gives torchrun: `python -m bench.peers.restart_ours`."""

import os
import sys

from springtide_workloads.contract import TrainingContract
from springtide_workloads.train import worker
from springtide_workloads.train.warm import PRELOADED, Standby


def work() -> int:
    """One process; one that lost the others says so by its code, as our own worker does."""
    from bench.peers import restart_worker  # noqa: PLC0415  the standby imports it, the agent does not

    from springtide_workloads.train.exits import code_of  # noqa: PLC0415  as above

    try:
        return restart_worker.main()
    except Exception as error:  # noqa: BLE001  every error becomes its exit code
        return code_of(error)


def main() -> int:
    """The agent, as `springtide_workloads.train` starts it."""
    standby = Standby(preloaded=(*PRELOADED, "bench.peers.restart_ours", "bench.peers.restart_worker"))
    standby.begin()
    # imports torch: the standby has begun before
    from springtide_workloads.storage import Store  # noqa: PLC0415
    from springtide_workloads.train.agent import Agent, Patience  # noqa: PLC0415
    from springtide_workloads.train.events import EventLog  # noqa: PLC0415
    from springtide_workloads.train.stop import StopFlag  # noqa: PLC0415

    job = TrainingContract.from_env(os.environ)
    stop = StopFlag(leave_after=5)
    stop.listen()
    events = EventLog(store=Store(job.artifacts_url), run=job.run)
    with standby:
        Agent(job=job, patience=Patience(newest=lambda: None), events=events, stop=stop, standby=standby).run()
    return 0


worker.main = work

if __name__ == "__main__":
    sys.exit(main())
