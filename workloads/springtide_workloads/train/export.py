"""Writing the trained model where servers look for it."""

import hashlib

from safetensors.torch import save as to_bytes
from torch import nn

from springtide_workloads.contract import Layout
from springtide_workloads.export import Export
from springtide_workloads.recipes import Recipe
from springtide_workloads.storage import Store


def export(  # noqa: PLR0913  one value for each line of the file
    store: Store, model: nn.Module, recipe: Recipe, *, run: str, step: int, held_out_loss: float, bigram_loss: float
) -> Export:
    """Writes weights, then the configuration."""
    weights = to_bytes({name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()})
    store.write(Layout.EXPORT_WEIGHTS, weights)
    config = Export(
        run=run,
        recipe=recipe.to_json(),
        step=step,
        held_out_loss=held_out_loss,
        bigram_loss=bigram_loss,
        sha256=hashlib.sha256(weights).hexdigest(),
    )
    store.write(Layout.EXPORT_CONFIG, config.to_bytes())
    return config
