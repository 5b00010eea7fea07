"""What the processes of a run do together. Decisions travel over gloo on the CPU, gradients over what the device has."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeVar, cast

import torch
import torch.distributed as dist

from springtide_workloads.contract import Device
from springtide_workloads.errors import Interrupted, WorkloadError

T = TypeVar("T")

TIMEOUT: Final = timedelta(minutes=5)
"""How long a rank waits for the others before it gives them up."""

MEET_SECONDS: Final = 0.1
"""How often ranks look whether long work of the main rank is done."""

Ballot = tuple[bool, ...]
"""Questions of one vote, each answered yes when any rank says yes."""

_BACKENDS: Final = {Device.CPU: "gloo", Device.CUDA: "cpu:gloo,cuda:nccl"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """This process among all of a run. Every method but `main` must be called by all ranks, in the same order."""

    rank: int
    world: int
    device: torch.device
    control: dist.ProcessGroup
    """Carries flags and small objects, so that asking for them never waits for a GPU."""

    @property
    def main(self) -> bool:
        """Whether this rank speaks for all: prints, publishes, deletes."""
        return self.rank == 0

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any rank."""
        return self.vote(flag)[0]

    def vote(self, *flags: bool) -> Ballot:
        """Which of the flags are set on any rank: one message for all of them, and none where there is one rank."""
        if self.world == 1:
            return flags
        votes = torch.tensor(flags, dtype=torch.uint8)
        dist.all_reduce(votes, op=dist.ReduceOp.MAX, group=self.control)
        return tuple(map(bool, votes.tolist()))

    def group(self) -> dist.ProcessGroup:
        """A new way for all ranks to talk over the CPU, for a thread of its own."""
        made: Any = dist.new_group(backend="gloo", timeout=TIMEOUT)
        return cast("dist.ProcessGroup", made)

    def total(self, value: float) -> float:
        """Sum over the ranks."""
        sums = torch.tensor([value], dtype=torch.float64)
        dist.all_reduce(sums, group=self.control)
        return float(sums.item())

    def mean(self, value: float) -> float:
        """Mean over the ranks."""
        return self.total(value) / self.world

    def each(self, work: Callable[[], T]) -> list[T]:
        """Runs `work` on every rank and gives all results to all. What fails on one fails on every one, alike."""
        results: list[Any] = [None] * self.world
        dist.all_gather_object(results, _outcome(work), group=self.control)
        return [_raised(result) for result in results]

    def once(self, work: Callable[[], T]) -> T:
        """Runs `work` on the main rank and gives its result, or its failure, to all."""
        result = [_outcome(work) if self.main else None]
        dist.broadcast_object_list(result, src=0, group=self.control)
        answer: T = _raised(result[0])
        return answer

    def once_slowly(self, work: Callable[[], T]) -> T:
        """`once` for work of any length, such as an upload: it runs in a thread, and the ranks meet meanwhile."""
        begun: Future[T] = Future()
        if self.main:
            threading.Thread(target=_settle, args=(begun, work), name="once", daemon=True).start()
        while self.any(self.main and not begun.done()):
            time.sleep(MEET_SECONDS)
        return self.once(begun.result)


@contextmanager
def joined(device: Device) -> Iterator[Ranks]:
    """Joins the others, by what the agent left in the environment, and leaves them when all do so together.

    After a failure of one rank nothing is torn down: saying goodbye to ranks that are gone can take for ever.
    """
    local = int(os.environ["LOCAL_RANK"])
    where = torch.device("cuda", local) if device is Device.CUDA else torch.device("cpu")
    if where.type == "cuda":
        torch.cuda.set_device(where)
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    dist.init_process_group(_BACKENDS[device], store=_meeting_place(), rank=rank, world_size=world, timeout=TIMEOUT)
    control: Any = dist.new_group(backend="gloo", timeout=TIMEOUT)
    try:
        yield Ranks(rank=rank, world=world, device=where, control=control)
    except Interrupted:
        dist.destroy_process_group()
        raise
    dist.destroy_process_group()


def _meeting_place() -> Any:
    """The agent's store, seen through this generation's keys."""
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    # torch documents both classes and does not list them as exported
    store = dist.TCPStore(address, port, is_master=False, timeout=TIMEOUT)  # type: ignore[attr-defined]
    return dist.PrefixStore(os.environ["TORCHELASTIC_RUN_ID"], store)  # type: ignore[attr-defined]


def _settle(future: "Future[T]", work: Callable[[], T]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001  it is raised where the result is asked for
        future.set_exception(error)


def _outcome(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except WorkloadError as error:
        return error


def _raised(result: Any) -> Any:
    if isinstance(result, WorkloadError):
        raise result
    return result
