"""The models of one server: exports read, told apart into models and adapters, and made ready to compute."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from safetensors.torch import load as from_bytes
from torch import Tensor, nn

from springtide_workloads.contract import Layout
from springtide_workloads.errors import ConfigError
from springtide_workloads.finish.quantize import NONE, quantized
from springtide_workloads.models import ModelConfig
from springtide_workloads.models.exported import Exported, read
from springtide_workloads.serve.generate.adapters import Adapter, adapt, adapter_of
from springtide_workloads.serve.generate.batch import Batch
from springtide_workloads.serve.generate.build import batch_over
from springtide_workloads.serve.generate.options import STORED, Options
from springtide_workloads.storage import Store
from springtide_workloads.tell import tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A model as requests name it."""

    batch: Batch
    """Adapters share that of their model."""
    config: ModelConfig
    adapter: int = 0
    """Number of the adapter; 0 for none."""


def served(first: Store, further: Mapping[str, Store], device: torch.device, options: Options) -> dict[str, Served]:
    """Models by name, the first one first: it is named like the run that trained it.

    Raises:
        StorageError: an export is missing, or damaged.
        ConfigError: an export or option that cannot be served.
    """
    base = _read(first, options)
    if base.about.run in further:
        raise ConfigError(
            f"two models are named {base.about.run}: the first one has the name of its run, choose another"
        )
    adapters: dict[str, Adapter] = {}
    whole: dict[str, Exported] = {}
    for name, store in further.items():
        found = _read(store, options)
        adapter = adapter_of(base, found, _learnt(store))
        if adapter is None:
            whole[name] = found
        else:
            adapters[name] = adapter
        tell(f"{name} is {'a model of its own' if adapter is None else f'an adapter of {base.about.run}'}")
    module = _built(base, options)
    chosen = adapt(module, list(adapters.values()))
    batch = batch_over(module, base.config, device, options, chosen)
    models = {base.about.run: Served(batch=batch, config=base.config)}
    models |= {
        name: Served(batch=batch, config=base.config, adapter=number) for number, name in enumerate(adapters, start=1)
    }
    for name, each in whole.items():
        models[name] = Served(batch=batch_over(_built(each, options), each.config, device, options), config=each.config)
    return {name: models[name] for name in (base.about.run, *further)}


def _read(store: Store, options: Options) -> Exported:
    found = read(store)
    if found.about.quantization not in {NONE, options.quantize} and options.quantize != NONE:
        raise ConfigError(
            f"{store.url} is stored as {found.about.quantization} and the option quantize says {options.quantize}: "
            "leave the option out, or serve the export of the run"
        )
    return found


def _built(found: Exported, options: Options) -> nn.Module:
    module = found.build().requires_grad_(requires_grad=False)
    if options.dtype != STORED:
        module.to(getattr(torch, options.dtype))
    return quantized(module, options.quantize) if found.about.quantization == NONE else module


def _learnt(store: Store) -> Mapping[str, Tensor] | None:
    data = store.read(Layout.EXPORT_ADAPTERS)
    return None if data is None else from_bytes(data)
