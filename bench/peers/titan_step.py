"""Training steps of torchtitan's Llama model on one GPU, as its own trainer sets them up; prints one JSON line.

Its model, its compilation of each block and of the loss, its autocast and its fused AdamW; random tokens, so that no loader is
measured. Parts of torchtitan that steps do not need (datasets, logging) may be missing where it runs.

Usage: python titan_step.py --layers 12 --width 768 --heads 12 --vocab 256 --context 1024 --batch 32 --steps 30
"""

import argparse
import importlib.abc
import importlib.machinery
import importlib.util
import json
import sys
import time
from types import ModuleType
from typing import Any

UNUSED = ("datasets", "torchdata", "tokenizers", "torch.utils.tensorboard", "wandb", "tomli")
"""What torchtitan imports beside its model: for data, tokens, logs and its command line."""


class Hollow(ModuleType):
    """A module that nobody uses."""

    def __getattr__(self, name: str) -> Any:
        """A class that can be made with anything."""
        if name == "__version__":
            return "1.0"
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {"__init__": lambda *_, **__: None, "__class_getitem__": lambda _: object})


class Absent(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Puts something importable in the place of an unused package that is not installed."""

    def find_spec(self, name: str, *_: Any) -> importlib.machinery.ModuleSpec | None:
        """Of `name` or a module below it."""
        unused = any(f"{name}.".startswith(f"{package}.") for package in UNUSED)
        return importlib.machinery.ModuleSpec(name, self) if unused else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """A module in which every name is an empty class."""
        module = Hollow(spec.name)
        module.__path__ = []
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run."""


def main() -> None:
    """Measure and print."""
    options = parse()
    sys.meta_path.insert(0, Absent())
    import torch  # noqa: PLC0415  after the finder
    from torch.nn import functional as F  # noqa: N812, PLC0415
    from torchtitan.models.llama3.model.args import TransformerModelArgs  # noqa: PLC0415
    from torchtitan.models.llama3.model.model import Transformer  # noqa: PLC0415

    torch.manual_seed(0)
    shape = TransformerModelArgs(
        dim=options.width, n_layers=options.layers, n_heads=options.heads, vocab_size=options.vocab,
        max_seq_len=options.context,
    )  # fmt: skip
    with torch.device("cuda"):
        model = Transformer(shape)
    with torch.no_grad():
        model.init_weights()
    for name, block in model.layers.named_children():
        model.layers.register_module(name, torch.compile(block, fullgraph=True))

    def cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(0, 1))

    loss_of = torch.compile(cross_entropy)
    optimizer = torch.optim.AdamW(model.parameters(), lr=8e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    tokens = torch.randint(options.vocab, (options.batch, options.context + 1), device="cuda")

    def step() -> torch.Tensor:
        with torch.autocast("cuda", dtype=torch.bfloat16):
            loss = loss_of(model(tokens[:, :-1]), tokens[:, 1:])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
        optimizer.step()
        return loss.detach()

    for _ in range(5):
        step()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    for _ in range(options.steps):
        loss = step()
    torch.cuda.synchronize()
    seconds = time.perf_counter() - started
    row = {
        "tokens_per_s": round(options.steps * options.batch * options.context / seconds),
        "peak_mib": round(torch.cuda.max_memory_allocated() / 2**20),
        "parameters": sum(p.numel() for p in model.parameters()),
        "loss": round(float(loss), 3),
        "torch": torch.__version__,
    }
    print(json.dumps(row))


def parse() -> argparse.Namespace:
    """The shape."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    for name, default in (
        ("layers", 12), ("width", 768), ("heads", 12), ("vocab", 256), ("context", 1024), ("batch", 32), ("steps", 30),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser.parse_args()


if __name__ == "__main__":
    main()
