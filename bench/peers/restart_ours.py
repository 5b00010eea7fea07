"""Our agent over the very processes that `restart_worker` gives torchrun: `python -m bench.peers.restart_ours`."""

import os
import sys

from springtide_workloads.contract import TrainingContract
from springtide_workloads.train import worker
from springtide_workloads.train.warm import PRELOADED, Standby


def work() -> int:
    """One process; one that lost the others says so by its code, as our own worker does."""
    from bench.peers import restart_worker
    from springtide_workloads.train.exits import code_of

    try:
        return restart_worker.main()
    except Exception as error:
        return code_of(error)


def main() -> int:
    """The agent, as `springtide_workloads.train` starts it."""
    standby = Standby(preloaded=(*PRELOADED, "bench.peers.restart_ours", "bench.peers.restart_worker"))
    standby.begin()
    from springtide_workloads.storage import Store
    from springtide_workloads.train.agent import Agent, Patience
    from springtide_workloads.train.events import EventLog
    from springtide_workloads.train.stop import StopFlag

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
