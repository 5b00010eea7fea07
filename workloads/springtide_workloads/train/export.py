"""Writing the trained model where servers look for it."""

import hashlib

from safetensors.torch import save as to_bytes
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from springtide_workloads.contract import Layout
from springtide_workloads.export import Export
from springtide_workloads.models import ModelConfig, described
from springtide_workloads.models.lora import LoRAConfig, adapters, merged
from springtide_workloads.recipes import Recipe
from springtide_workloads.storage import Store
from springtide_workloads.train.state import plain_name


def export(  # noqa: PLR0913  one value for each line of the file
    store: Store,
    tensors: dict[str, Tensor],
    recipe: Recipe,
    *,
    run: str,
    step: int,
    held_out_loss: float,
    bigram_loss: float | None,
) -> Export:
    """Writes weights, then the configuration. Adapters are added to the weights, and written by themselves as well."""
    plain, model = _plain(store, tensors, recipe.model)
    weights = to_bytes({name: tensor.cpu().contiguous() for name, tensor in plain.items()})
    store.write(Layout.EXPORT_WEIGHTS, weights)
    config = Export(
        run=run,
        recipe=recipe.to_json(),
        model=described(model),
        step=step,
        held_out_loss=held_out_loss,
        bigram_loss=bigram_loss,
        sha256=hashlib.sha256(weights).hexdigest(),
    )
    store.write(Layout.EXPORT_CONFIG, config.to_bytes())
    return config


def whole_tensors(model: nn.Module, *, wanted: bool) -> dict[str, Tensor]:
    """The model's weights on the CPU, gathered from the shards of all ranks; called by all, kept where `wanted`."""
    found: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        whole = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
        if wanted:
            found[plain_name(name)] = whole.detach().cpu()
    return found


def _plain(store: Store, tensors: dict[str, Tensor], model: ModelConfig) -> tuple[dict[str, Tensor], ModelConfig]:
    """The model that a server loads."""
    if not isinstance(model, LoRAConfig):
        return tensors, model
    learnt = {name: tensor.cpu().contiguous() for name, tensor in adapters(tensors).items()}
    store.write(Layout.EXPORT_ADAPTERS, to_bytes(learnt))
    return merged(tensors, rank=model.rank, alpha=model.alpha), model.base
