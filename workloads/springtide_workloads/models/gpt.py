"""A small GPT: pre-norm transformer with rotary positions, PyTorch's own causal attention, output tied to the input."""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  PyTorch's own name for it

from springtide_workloads.errors import ConfigError

INIT_STD: Final = 0.02
ROTARY_BASE: Final = 10_000.0


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
        return F.linear(self.norm(x), self.tokens.weight)


class Block(nn.Module):
    """Attention, then a two-layer network; each reads a normed copy of the residual stream and adds to it."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.dropout = config.dropout
        self.attend_norm = nn.RMSNorm(config.width)
        self.qkv = nn.Linear(config.width, 3 * config.width, bias=False)
        self.attend_out = nn.Linear(config.width, config.width, bias=False)
        self.think_norm = nn.RMSNorm(config.width)
        self.think_in = nn.Linear(config.width, 4 * config.width, bias=False)
        self.think_out = nn.Linear(4 * config.width, config.width, bias=False)

    def forward(self, x: Tensor, rotation: Tensor) -> Tensor:
        """The residual stream `[batch, time, width]` after this block."""
        x = x + self._drop(self._attend(self.attend_norm(x), rotation))
        return x + self._drop(self.think_out(F.gelu(self.think_in(self.think_norm(x)))))

    def _attend(self, x: Tensor, rotation: Tensor) -> Tensor:
        batch, time, width = x.shape
        q, k, v = self.qkv(x).view(batch, time, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k = _rotate(q, rotation), _rotate(k, rotation)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        out: Tensor = self.attend_out(mixed.transpose(1, 2).reshape(batch, time, width))
        return out

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training)


def _rotation(time: int, size: int) -> Tensor:
    """Cosines and sines `[2, time, size / 2]` by which each place turns its queries and keys."""
    angles = torch.arange(time)[:, None] * ROTARY_BASE ** (-torch.arange(0, size, 2) / size)
    return torch.stack((angles.cos(), angles.sin()))


def _rotate(x: Tensor, rotation: Tensor) -> Tensor:
    cos, sin = rotation.to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
