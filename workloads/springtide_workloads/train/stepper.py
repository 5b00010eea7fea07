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
from springtide_workloads.errors import ConfigError
from springtide_workloads.train import exact, parallel

Phase = Callable[[str], None]
"""Told what begins: forward, backward, optimizer. Waiting for the other ranks belongs to the one before it."""


class Builds(Protocol):
    """A recipe's choice of optimizer."""

    def build(self, model: nn.Module) -> torch.optim.Optimizer:
        """The optimizer over a model's parameters."""


class Options(parallel.Options, Protocol):
    """What a recipe says about a step."""

    @property
    def optimizer(self) -> Builds:
        """The optimizer."""

    @property
    def loss(self) -> Callable[[nn.Module, Batch], Tensor]:
        """What is made small: the mean over the batch's rows."""

    @property
    def batch(self) -> int:
        """Samples a step, over all ranks."""

    @property
    def accumulate(self) -> int:
        """Parts that a rank computes its share in."""

    @property
    def exact(self) -> int | None:
        """Logical slots; None where exact bits are not asked for."""

    @property
    def clip(self) -> float:
        """Largest norm of the gradient."""

    @property
    def threads(self) -> int:
        """Threads of a process on a CPU."""

    @property
    def seed(self) -> int:
        """Where randomness begins."""


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

    def step(self, batch: Batch, *, lr: float, number: int) -> Tensor:
        """Trains on this process's part of batch `number`; the loss, as a tensor, so that nobody has to wait for it.

        The mean over the ranks is that of the whole batch.
        """

    def loss(self, batch: Batch) -> Tensor:
        """Mean loss of a batch that nothing is learnt from."""


def check(options: Options, world: int, device: torch.device) -> None:
    """Checks what a recipe says about its steps.

    Raises:
        ConfigError: with every mistake.
    """
    division, slots = options.parallel, options.exact
    mistakes = division.mistakes(world)
    if not mistakes and slots is None:
        mistakes += _uneven(options, division.sizes(world).data)
    if options.accumulate < 1:
        mistakes.append(f"accumulate is {options.accumulate}: it must be at least 1")
    if options.checkpoint_activations not in parallel.CHECKPOINTING:
        allowed = ", ".join(parallel.CHECKPOINTING)
        mistakes.append(f"checkpoint_activations is {options.checkpoint_activations!r}: it must be one of {allowed}")
    if slots is not None:
        mistakes += exact.mistakes(options, slots, world, device)
    if mistakes:
        raise ConfigError("the recipe does not fit:" + "".join(f"\n  - {mistake}" for mistake in mistakes))


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
        return exact.Exact.prepare(model, options, options.exact, rank=rank, world=world, device=device, phase=phase)
    mesh = parallel.mesh(options.parallel, world, device)
    forward = parallel.parallelize(model, options, mesh, device)
    place, parts = parallel.data_place(mesh)
    size = options.batch // parts
    return Standard(
        model=model, optimizer=options.optimizer.build(model), part=range(place * size, (place + 1) * size), mesh=mesh,
        lockstep=options.parallel.sharded, forward=forward, options=options, device=device, phase=phase,
    )  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Standard:
    """Steps of DDP, FSDP and tensor parallelism, and of all of them together."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    part: range
    mesh: DeviceMesh
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

    def _precision(self) -> AbstractContextManager[Any]:
        """The arithmetic of the forward pass; where weights are sharded, FSDP casts them."""
        return autocast(self.device, enabled=self.options.bf16 and not isinstance(self.model, FSDPModule))

    def _synchronized(self, *, wanted: bool) -> AbstractContextManager[Any]:
        """Gradients travel once a step: with its last part."""
        if isinstance(self.forward, FSDPModule):
            self.forward.set_requires_gradient_sync(wanted)
        if isinstance(self.forward, DistributedDataParallel) and not wanted:
            return self.forward.no_sync()  # type: ignore[no-any-return]
        return contextlib.nullcontext()


def on_device(batch: Batch, device: torch.device) -> Batch:
    """The batch where the model is."""
    return tuple(tensor.to(device, non_blocking=True) for tensor in batch)


def autocast(device: torch.device, *, enabled: bool) -> AbstractContextManager[Any]:
    """Matrix products in bfloat16."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)


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


def _uneven(options: Options, parts: int) -> list[str]:
    """Equal parts make the mean over parts the mean over samples."""
    whole = parts * max(1, options.accumulate)
    if options.batch % whole == 0:
        return []
    how = f"{parts} processes cannot share evenly" + (
        f" in {options.accumulate} parts each" if options.accumulate > 1 else ""
    )
    return [f"batch is {options.batch}, which {how}: it must be a multiple of {whole}"]
