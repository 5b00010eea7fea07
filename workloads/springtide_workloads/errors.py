"""Ways a workload ends that are not bugs. Each says which exit code it means and is shown without a traceback.

WorkloadError
├── ConfigError       a setting cannot work: somebody has to change it
├── StorageError      an object store or disk failed, after its own retries
├── Interrupted       told to stop; what was done is saved
└── NoProgress        restarted again and again without a new checkpoint
"""

from typing import ClassVar

from springtide_workloads.contract import ContractError, ExitCode


class WorkloadError(Exception):
    """The message is meant for whoever runs the workload: what is wrong and what to do."""

    code: ClassVar[ExitCode]


class ConfigError(WorkloadError):
    """A setting, recipe or piece of data that cannot work as it stands."""

    code = ExitCode.CONFIG


class StorageError(WorkloadError):
    """Reading or writing failed for good."""

    code = ExitCode.STORAGE


class Interrupted(WorkloadError):  # noqa: N818  an interruption is no error
    """The run was told to stop, and every rank agreed."""

    code = ExitCode.INTERRUPTED


class NoProgress(WorkloadError):  # noqa: N818  named like its exit code
    """Restarts that lead nowhere."""

    code = ExitCode.NO_PROGRESS


EXPECTED = (WorkloadError, ContractError)
"""What an entry catches and shows as text; anything else is a bug and keeps its traceback."""
