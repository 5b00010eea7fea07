"""Models: each is a frozen configuration that builds a module."""

from typing import Any, ClassVar, Final, Protocol

from torch import nn

from springtide_workloads.models.gpt import GPTConfig


class ModelConfig(Protocol):
    """What a recipe and an export need of a model: tokens `[batch, time]` in, logits `[batch, time, vocab]` out."""

    kind: ClassVar[str]
    """Name in an export's `config.json`."""

    @property
    def context(self) -> int:
        """Tokens it sees at most."""

    @property
    def vocab(self) -> int:
        """Tokens it knows."""

    def build(self) -> nn.Module:
        """The module with freshly drawn weights."""

    def to_json(self) -> dict[str, Any]:
        """Plain data from which the same configuration can be made again."""


KINDS: Final[dict[str, type[GPTConfig]]] = {GPTConfig.kind: GPTConfig}
"""Configurations by the name an export gives them."""
