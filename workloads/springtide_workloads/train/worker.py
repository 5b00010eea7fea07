"""One training process. The agent starts it and tells it its rank by environment variables."""

import os
import sys

from springtide_workloads.contract import Device, ExitCode, TrainingContract
from springtide_workloads.train.stop import StopFlag, own_agent
from springtide_workloads.train.watch import Watch


def main() -> int:
    """Trains, and returns the code that says how it went."""
    stop = StopFlag(agent=own_agent())
    stop.listen()
    watch = Watch.joined()
    # torch takes seconds to import: a signal in that time must find the flag
    from springtide_workloads.train.exits import code_of, explain  # noqa: PLC0415

    try:
        _work(stop, watch)
    except Exception as error:  # noqa: BLE001  the edge of the process: every error becomes its exit code
        stop.deafen()
        explain(error)
        return code_of(error)
    return ExitCode.DONE


def _work(stop: StopFlag, watch: Watch) -> None:
    import torch  # noqa: PLC0415  as above

    from springtide_workloads.recipes import resolve  # noqa: PLC0415
    from springtide_workloads.train.loop import train  # noqa: PLC0415
    from springtide_workloads.train.ranks import joined  # noqa: PLC0415

    job = TrainingContract.from_env(os.environ)
    recipe = resolve(job.recipe)
    if job.device is Device.CPU:
        torch.set_num_threads(recipe.threads)
    with joined(job.device) as ranks:
        train(job, recipe, ranks, stop, watch)


if __name__ == "__main__":
    sys.exit(main())
