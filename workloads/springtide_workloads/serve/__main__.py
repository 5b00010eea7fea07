"""The first process of a serving container; its exit code is the contract's, and 0 after SIGTERM."""

import os
import signal
import sys

import uvloop

from springtide_workloads.contract import ExitCode, ServingContract
from springtide_workloads.errors import EXPECTED
from springtide_workloads.tell import tell


def main() -> ExitCode:
    """Serves as the environment says, until told to stop."""
    # until the server handles signals there is nothing to drain; without a handler process 1 would not get them
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(ExitCode.DONE))
    try:
        contract = ServingContract.from_env(os.environ)
        # torch takes seconds to import: wrong settings are told before that
        from springtide_workloads.serve.server import serve  # noqa: PLC0415

        uvloop.run(serve(contract))
    except EXPECTED as error:
        tell(str(error))
        return error.code
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main())
