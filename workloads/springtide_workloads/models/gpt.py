"""A small GPT: pre-norm transformer with rotary positions, PyTorch's own causal attention, output tied to the input."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  PyTorch's own name for it

from springtide_workloads.errors import ConfigError

INIT_STD: Final = 0.02
ROTARY_BASE: Final = 10_000.0

Mix = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Attention: turned queries, turned keys and values, all `[batch, heads, time, size]`, to one value for each query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GPTConfig:
    """Shape of a GPT. `build()` makes the module with freshly drawn weights."""

    kind: ClassVar = "gpt"
    layers: int
    heads: int
    width: int
    """Size of the residual stream; a multiple of twice the `heads`."""
    context: int
    """How many tokens the model sees at most."""
    vocab: int = 256
    """Tokens it knows. Default 256: bytes."""
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.heads < 1 or self.width < 1 or self.width % (2 * self.heads):
            allowed = f"a multiple of {2 * self.heads}, twice the number of heads"
            raise ConfigError(f"a GPT of width {self.width} cannot be built: the width must be {allowed}")

    def build(self) -> "GPT":
        """The module, its weights drawn from torch's global generator."""
        return GPT(self)

    def to_json(self) -> dict[str, Any]:
        """Plain data for an export's `config.json`; `GPTConfig(**data)` reads it back."""
        return asdict(self)


class GPT(nn.Module):
    """Maps tokens `[batch, time]` to logits `[batch, time, vocab]`."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocab, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.RMSNorm(config.width)
        self.head = Tied()
        self.register_buffer("rotation", _rotation(config.context, config.width // config.heads), persistent=False)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=INIT_STD)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of the next token at every place."""
        x = self.tokens(tokens)
        rotation = self.get_buffer("rotation")[:, : tokens.shape[1]]
        for block in self.blocks:
            x = block(x, rotation)
        logits: Tensor = self.head(self.norm(x), self.tokens.weight)
        return logits

    def tensor_plan(self, parts: int) -> Mapping[str, str]:
        """How the layers are split over `parts` ranks: whole heads, so that attention needs no word from the others.

        Raises:
            ConfigError: when the heads or the vocabulary cannot be shared evenly.
        """
        counts = {"heads": self.config.heads, "vocab": self.config.vocab}
        uneven = [f"{name} is {count}" for name, count in counts.items() if count % parts]
        if uneven:
            raise ConfigError(f"parallel.tensor is {parts} and the GPT's {' and '.join(uneven)}: it must divide both")
        block = {
            "attend_norm": "copies",
            "qkv": "columns",
            "attend_out": "rows",
            "think_norm": "copies",
            "think_in": "columns",
            "think_out": "rows",
        }
        within = {f"blocks.*.{name}": style for name, style in block.items()}
        return {"tokens": "vocabulary", **within, "norm": "copies", "head": "copies"}


class Tied(nn.Module):
    """Logits by the embedding's own table. A module without weights, so that tensor parallelism finds it."""

    def forward(self, x: Tensor, table: Tensor) -> Tensor:
        """Logits `[batch, time, vocab]`."""
        return F.linear(x, table)


class Block(nn.Module):
    """Attention, then a two-layer network; each reads a normed copy of the residual stream and adds to it."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.head_size = config.width // config.heads
        self.dropout = config.dropout
        self.attend_norm = nn.RMSNorm(config.width)
        self.qkv = nn.Linear(config.width, 3 * config.width, bias=False)
        self.attend_out = nn.Linear(config.width, config.width, bias=False)
        self.think_norm = nn.RMSNorm(config.width)
        self.think_in = nn.Linear(config.width, 4 * config.width, bias=False)
        self.think_out = nn.Linear(4 * config.width, config.width, bias=False)

    def forward(self, x: Tensor, rotation: Tensor, mix: Mix | None = None) -> Tensor:
        """The residual stream `[batch, time, width]` after this block.

        Args:
            x: the stream before it.
            rotation: of the places of `x`.
            mix: attention by other means, such as a server's cache. Default: each place sees itself and those before it.
        """
        x = x + self._drop(self._attend(self.attend_norm(x), rotation, mix or _causal))
        return x + self._drop(self.think_out(F.gelu(self.think_in(self.think_norm(x)))))

    def _attend(self, x: Tensor, rotation: Tensor, mix: Mix) -> Tensor:
        batch, time, _ = x.shape
        # heads outermost: a rank that has some columns has whole heads, each with its query, key and value
        q, k, v = self.qkv(x).view(batch, time, -1, 3, self.head_size).permute(3, 0, 2, 1, 4)
        q, k = _rotate(q, rotation), _rotate(k, rotation)
        out: Tensor = self.attend_out(mix(q, k, v).transpose(1, 2).reshape(batch, time, -1))
        return out

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training)


def _causal(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def _rotation(time: int, size: int) -> Tensor:
    """Cosines and sines `[2, time, size / 2]` by which each place turns its queries and keys."""
    angles = torch.arange(time)[:, None] * ROTARY_BASE ** (-torch.arange(0, size, 2) / size)
    return torch.stack((angles.cos(), angles.sin()))


def _rotate(x: Tensor, rotation: Tensor) -> Tensor:
    cos, sin = rotation.to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
