"""A small GPT: pre-norm transformer, causal attention by PyTorch's own kernel, output tied to the embedding."""

from dataclasses import asdict, dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  PyTorch's own name for it

INIT_STD: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class GPTConfig:
    """Shape of a GPT. `build()` makes the module with freshly drawn weights."""

    layers: int
    heads: int
    width: int
    """Size of the residual stream; a multiple of `heads`."""
    context: int
    """How many tokens the model sees at most."""
    vocab: int = 256
    """Tokens it knows. Default 256: bytes."""
    dropout: float = 0.0

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
        self.positions = nn.Embedding(config.context, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.RMSNorm(config.width)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=INIT_STD)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of the next token at every place."""
        x = self.tokens(tokens) + self.positions.weight[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        return F.linear(self.norm(x), self.tokens.weight)

    @torch.no_grad()
    def last_logits(self, tokens: Tensor) -> Tensor:
        """Logits of what follows `tokens` `[time]`, seen through the last `context` of them."""
        logits: Tensor = self(tokens[None, -self.config.context :])
        return logits[0, -1]


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

    def forward(self, x: Tensor) -> Tensor:
        x = x + self._drop(self._attend(self.attend_norm(x)))
        return x + self._drop(self.think_out(F.gelu(self.think_in(self.think_norm(x)))))

    def _attend(self, x: Tensor) -> Tensor:
        batch, time, width = x.shape
        q, k, v = self.qkv(x).view(batch, time, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.attend_out(mixed.transpose(1, 2).reshape(batch, time, width))

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training)
