"""Steps whose result is the same bits for any number of processes.

A batch is cut into S slots, fixed when the run starts. Each is computed alone, with random numbers of its own, on whatever
rank has it now; the gradients of the slots are added up along one tree that only S decides. Floating-point sums depend on
their order, and here nothing else decides the order.
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Self

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.nn.modules.batchnorm import _BatchNorm

from springtide_workloads.data.dataset import Batch
from springtide_workloads.errors import ConfigError
from springtide_workloads.train.divide import checkpoint_activations, compile_blocks
from springtide_workloads.train.parallel import Options, Parallel, mesh

Node = tuple[int, int]
"""Level and place in the tree: `(level, place)` stands for the slots from `place << level` to `(place + 1) << level`."""

Nodes = dict[Node, Tensor]

CUBLAS_WORKSPACE: Final = ":4096:8"
"""With it cuBLAS gives equal bits; torch asks for it. Source: torch.use_deterministic_algorithms."""


def slots_of(slots: int, rank: int, world: int) -> range:
    """Slots that a rank computes: neighbours, as equally many as can be."""
    return range(slots * rank // world, slots * (rank + 1) // world)


def grow(nodes: Mapping[Node, Tensor], slots: int) -> Nodes:
    """Adds up what can be: two siblings become their parent; a node that the tree's end leaves alone rises as it is."""
    grown = dict(nodes)
    for level in range(height(slots)):
        for here, place in sorted(node for node in grown if node[0] == level):
            sibling = (here, place ^ 1)
            if (place ^ 1) << level >= slots:
                grown[here + 1, place >> 1] = grown.pop((here, place))
            elif place % 2 == 0 and sibling in grown:
                grown[here + 1, place >> 1] = grown.pop((here, place)) + grown.pop(sibling)
    return grown


def height(slots: int) -> int:
    """Level of the tree's root."""
    return (slots - 1).bit_length()


def cover(held: range, slots: int) -> list[Node]:
    """Nodes that a rank with these slots is left with when it has added up all it can, in order of their slots."""
    marks = grow({(0, slot): torch.zeros(()) for slot in held}, slots)
    return sorted(marks, key=lambda node: node[1] << node[0])


def seed_of(seed: int, step: int, slot: int) -> int:
    """Where the random numbers of a slot begin in a step: there is nothing to save."""
    digest = hashlib.sha256(f"{seed}/{step}/{slot}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


@dataclass(slots=True, kw_only=True)
class Exact:
    """Steps over logical slots. Weights and optimizer are whole on every rank, as with DDP."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    part: range
    mesh: DeviceMesh
    options: Options
    slots: int
    rank: int
    world: int
    device: torch.device
    phase: Callable[[str], None]
    lockstep: bool = False

    @property
    def place(self) -> tuple[int, int]:
        """See `Stepper`."""
        return self.rank, self.world

    @classmethod
    def prepare(  # noqa: PLR0913  what a process is, and what it trains
        cls,
        model: nn.Module,
        options: Options,
        slots: int,
        *,
        rank: int,
        world: int,
        device: torch.device,
        phase: Callable[[str], None],
    ) -> Self:
        """Makes the machine compute alike each time, and the model ready.

        Raises:
            ConfigError: when the model takes statistics of a batch, which slots would not share.
        """
        if any(isinstance(module, _BatchNorm) for module in model.modules()):
            raise ConfigError(
                f"exact is {slots} and the model has batch normalization: its statistics differ from slot to slot; "
                "use another normalization, or leave exact out"
            )
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", CUBLAS_WORKSPACE)
        torch.use_deterministic_algorithms(mode=True)
        model.to(device)
        checkpoint_activations(model, options.checkpoint_activations)
        if options.compile:
            compile_blocks(model)
        held, size = slots_of(slots, rank, world), options.batch // slots
        return cls(
            model=model, optimizer=options.optimizer.build(model), part=range(held.start * size, held.stop * size),
            mesh=mesh(Parallel(), world, device), options=options, slots=slots, rank=rank, world=world,
            device=device, phase=phase,
        )  # fmt: skip

    def step(self, batch: Batch, *, lr: float, number: int) -> Tensor:
        """See `Stepper`; the loss is that of the whole batch, the same on every rank."""
        from springtide_workloads.train.stepper import descend, on_device  # noqa: PLC0415  it imports this module

        held = slots_of(self.slots, self.rank, self.world)
        pieces = zip(*(tensor.chunk(len(held)) for tensor in on_device(batch, self.device)), strict=True)
        nodes: Nodes = {}
        for slot, piece in zip(held, pieces, strict=True):
            nodes[0, slot] = self._slot(piece, seed_of(self.options.seed, number, slot))
            nodes = grow(nodes, self.slots)
        total = self._reduced(nodes).div_(self.slots)
        self.phase("optimizer")
        self._hand_out(total)
        descend(self.optimizer, self.model, lr=lr, clip=self.options.clip)
        return total[-1].clone()

    @torch.no_grad()
    def loss(self, batch: Batch) -> Tensor:
        """See `Stepper`."""
        from springtide_workloads.train.stepper import autocast, on_device  # noqa: PLC0415  it imports this module

        with autocast(self.device, enabled=self.options.bf16):
            return self.options.loss(self.model, on_device(batch, self.device))

    def warm_up(self, batch: Batch) -> None:
        """See `Stepper`."""
        from springtide_workloads.train.stepper import evaluated, of_length, on_device  # noqa: PLC0415  it imports this module

        with torch.random.fork_rng():
            self._slot(of_length(on_device(batch, self.device), self.options.batch // self.slots), seed=0)
        self.optimizer.zero_grad()
        evaluated(self, batch)

    def _slot(self, piece: Batch, seed: int) -> Tensor:
        """Gradients of a slot in one row of float32, its loss behind them."""
        from springtide_workloads.train.stepper import autocast  # noqa: PLC0415  it imports this module

        self.optimizer.zero_grad()
        torch.manual_seed(seed)
        self.phase("forward")
        with autocast(self.device, enabled=self.options.bf16):
            loss = self.options.loss(self.model, piece)
        self.phase("backward")
        loss.backward()  # type: ignore[no-untyped-call]
        rows = [p.new_zeros(p.numel()) if p.grad is None else p.grad.reshape(-1) for p in self._trained()]
        return torch.cat([*(row.float() for row in rows), loss.detach().float().reshape(1)])

    def _reduced(self, nodes: Nodes) -> Tensor:
        """The root of the tree, on every rank: each finishes a chunk of the row for all, then they are put together."""
        root = (height(self.slots), 0)
        if self.world == 1:
            return nodes[root]
        size = next(iter(nodes.values())).numel()
        chunk = -(-size // self.world)
        nodes = grow(self._exchanged(nodes, chunk), self.slots)
        whole = torch.empty(chunk * self.world, device=self.device)
        dist.all_gather_into_tensor(whole, nodes[root], group=self.mesh.get_group("replicate"))
        return whole[:size]

    def _exchanged(self, nodes: Nodes, chunk: int) -> Nodes:
        """This rank's chunk of every node that any rank has."""
        covers = [cover(slots_of(self.slots, rank, self.world), self.slots) for rank in range(self.world)]
        rows = torch.stack([nodes[node] for node in covers[self.rank]])
        padded = nn.functional.pad(rows, (0, chunk * self.world - rows.shape[1]))
        sent = padded.view(len(rows), self.world, chunk).transpose(0, 1).reshape(-1)
        counts = [len(each) * chunk for each in covers]
        received = torch.empty(sum(counts), device=self.device)
        dist.all_to_all_single(
            received, sent, counts, [len(rows) * chunk] * self.world, group=self.mesh.get_group("replicate")
        )
        found = [node for each in covers for node in each]
        return dict(zip(found, received.view(-1, chunk), strict=True))

    def _hand_out(self, row: Tensor) -> None:
        trained = self._trained()
        for parameter, piece in zip(trained, torch.split(row[:-1], [p.numel() for p in trained]), strict=True):
            parameter.grad = piece.view_as(parameter).to(parameter.dtype)

    def _trained(self) -> list[nn.Parameter]:
        return [p for p in self.model.parameters() if p.requires_grad]
