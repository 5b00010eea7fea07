"""The first process of a training container; its exit code is the contract's."""

import os
import sys

from springtide_workloads.contract import ExitCode, TrainingContract
from springtide_workloads.errors import EXPECTED
from springtide_workloads.tell import tell
from springtide_workloads.train.stop import leave_when_told
from springtide_workloads.train.warm import Standby


def main() -> ExitCode:
    """Trains as the environment says, and tells how it ended."""
    leave_when_told()
    try:
        job = TrainingContract.from_env(os.environ)
        standby = Standby()
        standby.begin()
        # torch takes seconds to import: wrong settings are told, signals heard and the standby started before that
        from springtide_workloads.train.agent import run  # noqa: PLC0415

        code = run(job, standby)
    except EXPECTED as error:
        tell(str(error))
        code = error.code
    tell(f"exit {code:d} ({code.name})")
    return code


if __name__ == "__main__":
    sys.exit(main())
