"""What recipes, checkpoints and servers need of a model: a frozen configuration that builds a module."""

import importlib
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self

from torch import nn

from springtide_workloads.errors import ConfigError


class ModelConfig(Protocol):
    """What a recipe and an export need of a model: tokens `[batch, time]` in, logits `[batch, time, vocab]` out.

    A dataclass of plain values serves as it is; one of other configurations has a `from_json` as well.
    """

    kind: ClassVar[str]
    """Name in an export's `config.json`: one of the house's, or `module:Class` of your own, importable where it is served."""

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


class FromJson(Protocol):
    """A configuration that is more than its plain values."""

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_json`."""


OURS = {
    "gpt": "springtide_workloads.models.gpt:GPTConfig",
    "lora": "springtide_workloads.models.lora:LoRAConfig",
}
"""Kinds of this package, and where they are."""


def config_of(data: Mapping[str, Any]) -> ModelConfig:
    """The configuration that `{"kind": …, **to_json()}` came from.

    Raises:
        ConfigError: when this image has no such kind, or it cannot be made of these values.
    """
    values = dict(data)
    kind = str(values.pop("kind", ""))
    module, _, name = OURS.get(kind, kind).partition(":")
    try:
        cls: Any = getattr(importlib.import_module(module), name)
        made: ModelConfig = cls.from_json(values) if hasattr(cls, "from_json") else cls(**values)
    except (ImportError, AttributeError, ValueError) as error:
        known = ", ".join(OURS)
        raise ConfigError(
            f"the model is of kind {kind!r}, which this image does not have ({error}): it knows {known}, and module:Class of "
            "what is installed; use a newer image, or one with that module"
        ) from error
    except (KeyError, TypeError) as error:
        raise ConfigError(f"a model of kind {kind!r} cannot be made of {values}: {error}") from error
    return made


def described(config: ModelConfig) -> dict[str, Any]:
    """The configuration as plain data with its kind: what `config_of` reads."""
    return {"kind": config.kind, **config.to_json()}
