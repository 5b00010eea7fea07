"""A trained model, read back from its export."""

import hashlib
from dataclasses import dataclass

import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from torch import Tensor, nn

from springtide_workloads.contract import Layout
from springtide_workloads.errors import ConfigError, StorageError
from springtide_workloads.export import Export, exported
from springtide_workloads.finish.quantize import quantized
from springtide_workloads.models.config import ModelConfig, config_of
from springtide_workloads.storage import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What an export says, its model's configuration, and the weights on the CPU."""

    about: Export
    config: ModelConfig
    tensors: dict[str, Tensor]

    def build(self) -> nn.Module:
        """The model, as it is stored: quantized where the export is."""
        module = quantized(self.config.build(), self.about.quantization, rounded=False)
        load_weights(module, self.tensors, source="the export")
        return module.eval()


def read(store: Store) -> Exported:
    """Reads `export/` and checks the weights against their digest.

    Raises:
        StorageError: there is no export, or it is damaged.
        ConfigError: this image has no such model.
    """
    about = exported(store)
    weights = store.read(Layout.EXPORT_WEIGHTS)
    if about is None or weights is None:
        missing = f"{store.url}/{Layout.EXPORT}"
        raise StorageError(f"there is no finished model at {missing}: training writes it as its last act")
    if hashlib.sha256(weights).hexdigest() != about.sha256:
        raise StorageError(f"{store.url}/{Layout.EXPORT_WEIGHTS} does not match the digest that its config.json has")
    return Exported(about=about, config=config_of(about.model), tensors=from_bytes(weights))


def weights_at(url: str) -> dict[str, Tensor]:
    """Weights to start from: a `*.safetensors` file, or the export below the URL of a run.

    Raises:
        StorageError: they are not there, or damaged.
    """
    if not url.endswith(".safetensors"):
        return read(Store(url)).tensors
    folder, _, name = url.rpartition("/")
    data = Store(folder).read(name)
    if data is None:
        raise StorageError(f"there are no weights to start from at {url}")
    try:
        return from_bytes(data)
    except SafetensorError as error:
        raise StorageError(f"{url} is no safetensors file: {error}") from error


def load_weights(module: nn.Module, tensors: dict[str, Tensor], *, source: str) -> None:
    """Puts weights into a module. What a module has beyond them must be adapters, which begin at nothing.

    Raises:
        ConfigError: naming every tensor that is missing, is of another shape, or has no place.
    """
    from springtide_workloads.models.lora import ADAPTER  # noqa: PLC0415  it imports this package

    own = {name: tensor.shape for name, tensor in module.state_dict().items() if ADAPTER not in name}
    given = {name: tensor.shape for name, tensor in tensors.items()}
    wrong = [f"{name} is missing" for name in own.keys() - given.keys()]
    wrong += [f"{name} has no place in the model" for name in given.keys() - own.keys()]
    wrong += [
        f"{name} is {list(given[name])} and must be {list(own[name])}"
        for name in own.keys() & given.keys()
        if own[name] != given[name]
    ]
    if wrong:
        listed = "".join(f"\n  - {line}" for line in sorted(wrong)[:20])
        raise ConfigError(f"the weights of {source} do not fit the model ({len(wrong)} tensors):{listed}")
    with torch.no_grad():
        module.load_state_dict(tensors, strict=False)
