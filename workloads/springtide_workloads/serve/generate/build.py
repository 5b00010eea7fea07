"""From a module to a batch that computes with it."""

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor, nn

from springtide_workloads.errors import ConfigError
from springtide_workloads.models import ModelConfig
from springtide_workloads.models.gpt import GPT, GPTConfig
from springtide_workloads.models.placement import place, size
from springtide_workloads.serve.generate.batch import Batch
from springtide_workloads.serve.generate.cache import Cache, page_bytes
from springtide_workloads.serve.generate.compiled import compiled
from springtide_workloads.serve.generate.kernel import Kernel, PagedGPT, WholeText
from springtide_workloads.serve.generate.options import Options
from springtide_workloads.serve.generate.pages import Pages
from springtide_workloads.serve.generate.rows import Rows

MIB: Final = 2**20
CPU_CACHE_MIB: Final = 1024
"""What the cache takes on a CPU at most, unless the options say otherwise."""


def batch_over(
    model: nn.Module,
    config: ModelConfig,
    device: torch.device,
    options: Options,
    adapt: Callable[[Tensor | None], None] = lambda _: None,
) -> Batch:
    """Slots and a cache for a model, whose weights are put where they are computed with.

    Raises:
        ConfigError: when the cache cannot hold one text of the model's context, or the weights fit nowhere.
    """
    _settle(model, device, options)
    dtype = next(model.parameters()).dtype
    pages = Pages(_page_count(config, device, options, dtype))
    whole = pages.needed(config.context)
    if pages.count < whole:
        raise ConfigError(
            f"the cache has {pages.count} pages and one text of the model's context ({config.context} tokens) takes {whole}: "
            f"set cache_mib to {-(-whole * page_bytes(config, dtype) // MIB)} or more"
        )
    batch = Batch(
        kernel=_kernel(model, config, pages.count, device),
        pages=pages,
        rows=Rows(options.slots, whole, spare_page=pages.count, device=device),
        slots=options.slots,
        step_tokens=options.step_tokens,
        adapt=adapt,
    )
    return compiled(batch) if options.compile else batch


def _kernel(model: nn.Module, config: ModelConfig, pages: int, device: torch.device) -> Kernel:
    if isinstance(model, GPT) and isinstance(config, GPTConfig):
        return PagedGPT(model, Cache(config, pages, device, next(model.parameters()).dtype))
    return WholeText(model, pages=pages, context=config.context, device=device)


def _settle(model: nn.Module, device: torch.device, options: Options) -> None:
    """Weights on the device, as far as they may be."""
    if options.weights_mib is None or device.type == "cpu":
        model.to(device)
    else:
        place(model, {device: options.weights_mib * MIB, torch.device("cpu"): size(model)})


def _page_count(config: ModelConfig, device: torch.device, options: Options, dtype: torch.dtype) -> int:
    if options.pages is not None:
        return options.pages
    each = page_bytes(config, dtype)
    if options.cache_mib is not None:
        return options.cache_mib * MIB // each
    free = torch.cuda.mem_get_info(device)[0] // 2 if device.type == "cuda" else CPU_CACHE_MIB * MIB
    return min(options.slots * Pages(0).needed(config.context), free // each)
