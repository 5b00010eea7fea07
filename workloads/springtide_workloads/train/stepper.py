"""One step of the optimizer on one batch: what the loop calls, whatever the parallelism."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from springtide_workloads.data.dataset import Batch
from springtide_workloads.train.divide import parallelize
from springtide_workloads.train.exact import Exact
from springtide_workloads.train.parallel import Options, check, data_place, mesh

Phase = Callable[[str], None]
"""Told what begins: forward, backward, optimizer. Waiting for the other ranks belongs to the one before it."""


class Stepper(Protocol):
    """A model, its optimizer, and how they make a step together. All ranks call every method, in the same order."""

    model: nn.Module
    """What is saved."""
    optimizer: torch.optim.Optimizer
    part: range
    """Samples of each batch that this process takes."""
    mesh: DeviceMesh
    lockstep: bool
    """Whether evaluation needs every rank in each forward pass, as shards do."""

    @property
    def place(self) -> tuple[int, int]:
        """Which part of the data is this process's, of how many: ranks that compute layers together have the same one."""

    def step(self, batch: Batch, *, lr: float, number: int) -> Tensor:
        """Trains on this process's part of batch `number`; the loss, as a tensor, so that nobody has to wait for it.

        The mean over the ranks is that of the whole batch.
        """

    def loss(self, batch: Batch) -> Tensor:
        """Mean loss of a batch that nothing is learnt from."""

    def warm_up(self, batch: Batch) -> None:
        """Compiles what a step and an evaluation of such a batch need. Weights, optimizer and random numbers stay."""


def stepper(  # noqa: PLR0913  what a process is, and what it trains
    model: nn.Module,
    options: Options,
    *,
    rank: int,
    world: int,
    device: torch.device,
    phase: Phase = lambda _: None,
) -> Stepper:
    """Divides the model over the ranks, builds its optimizer, and gives what makes the steps. Every rank brings equal weights.

    Raises:
        ConfigError: with everything in the recipe that does not fit.
    """
    check(options, world, device)
    if options.exact is not None:
        return Exact.prepare(model, options, options.exact, rank=rank, world=world, device=device, phase=phase)
    found = mesh(options.parallel, world, device)
    forward = parallelize(model, options, found, device)
    place, parts = data_place(found)
    size = options.batch // parts
    return Standard(
        model=model, optimizer=options.optimizer.build(model), part=range(place * size, (place + 1) * size), mesh=found,
        place=(place, parts),
        lockstep=options.parallel.sharded, forward=forward, options=options, device=device, phase=phase,
    )  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Standard:
    """Steps of DDP, FSDP and tensor parallelism, and of all of them together."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    part: range
    mesh: DeviceMesh
    place: tuple[int, int]
    lockstep: bool
    forward: nn.Module
    options: Options
    device: torch.device
    phase: Phase

    def step(self, batch: Batch, *, lr: float, number: int) -> Tensor:  # noqa: ARG002  slots need the number
        """See `Stepper`."""
        parts = self.options.accumulate
        total = torch.zeros((), device=self.device)
        self.optimizer.zero_grad()
        for last, part in _parts(on_device(batch, self.device), parts):
            with self._synchronized(wanted=last):
                self.phase("forward")
                with self._precision():
                    loss = self.options.loss(self.forward, part) / parts
                self.phase("backward")
                loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        self.phase("optimizer")
        descend(self.optimizer, self.model, lr=lr, clip=self.options.clip)
        return total

    @torch.no_grad()
    def loss(self, batch: Batch) -> Tensor:
        """See `Stepper`."""
        with self._precision():
            return self.options.loss(self.model, on_device(batch, self.device))

    def warm_up(self, batch: Batch) -> None:
        """See `Stepper`."""
        part = of_length(on_device(batch, self.device), len(self.part) // self.options.accumulate)
        with torch.random.fork_rng(), self._synchronized(wanted=True):
            with self._precision():
                loss = self.options.loss(self.forward, part)
            loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.zero_grad()
        evaluated(self, batch)

    def _precision(self) -> AbstractContextManager[Any]:
        """The arithmetic of the forward pass; where weights are sharded, FSDP casts them."""
        return autocast(self.device, enabled=self.options.bf16 and not isinstance(self.model, FSDPModule))

    def _synchronized(self, *, wanted: bool) -> AbstractContextManager[Any]:
        """Gradients travel once a step: with its last part."""
        if isinstance(self.forward, FSDPModule):
            self.forward.set_requires_gradient_sync(wanted)
        if isinstance(self.forward, DistributedDataParallel) and not wanted:
            return self.forward.no_sync()
        return contextlib.nullcontext()


def on_device(batch: Batch, device: torch.device) -> Batch:
    """The batch where the model is."""
    return tuple(tensor.to(device, non_blocking=True) for tensor in batch)


def autocast(device: torch.device, *, enabled: bool) -> AbstractContextManager[Any]:
    """Matrix products in bfloat16."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)


def of_length(batch: Batch, rows: int) -> Batch:
    """So many rows of a batch, again from the first where it has fewer."""
    return tuple(tensor[torch.arange(rows, device=tensor.device) % len(tensor)] for tensor in batch)


def evaluated(run: Stepper, batch: Batch) -> None:
    """The loss once in evaluation mode."""
    run.model.eval()
    run.loss(batch)
    run.model.train()


def descend(optimizer: torch.optim.Optimizer, model: nn.Module, *, lr: float, clip: float) -> None:
    """Clips the gradients by the norm of all of them, over all shards, and steps."""
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    if isinstance(norm, DTensor):
        norm = norm.full_tensor()
    torch.nn.utils.clip_grads_with_norm_(model.parameters(), clip, norm)
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.step()


def _parts(batch: Batch, parts: int) -> Iterator[tuple[bool, Batch]]:
    """The batch in equal parts; whether it is the last one."""
    pieces = [tensor.chunk(parts) for tensor in batch]
    for at, part in enumerate(zip(*pieces, strict=True)):
        yield at == parts - 1, part
