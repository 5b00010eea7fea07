"""Fine-tuning: training that begins with the weights of a finished run."""

from springtide_workloads.data.dataset import TextData
from springtide_workloads.errors import ConfigError
from springtide_workloads.export import exported
from springtide_workloads.models import ModelConfig, config_of
from springtide_workloads.models.lora import LoRAConfig
from springtide_workloads.recipes.config import AdamW, Recipe
from springtide_workloads.storage import Store


def tuned(  # noqa: PLR0913  each argument may be overridden by name in the recipe's text
    *,
    name: str,
    start: str = "",
    adapters: int = 0,
    alpha: float = 16.0,
    steps: int = 200,
    batch: int = 8,
    lr: float = 0.0,
    save_every: int = 50,
    eval_every: int = 100,
    seed: int = 0,
) -> Recipe:
    """Trains a given model on other data: all of its weights, or low-rank adapters beside them.

    Args:
        name: As it was asked for.
        start: URL of the finished run whose model is tuned.
        adapters: Rank of the adapters (LoRA). Default 0: all weights are trained.
        alpha: Weight of the adapters.
        steps: Steps to train.
        batch: Samples a step.
        lr: Highest learning rate. Default 0: 1e-3 for adapters, 1e-4 for all weights.
        save_every: Steps from checkpoint to checkpoint.
        eval_every: Steps from evaluation to evaluation.
        seed: Where randomness begins.

    Raises:
        ConfigError: `start` names no finished run.
        StorageError: it cannot be read.
    """
    base = _model_of(start)
    return Recipe(
        name=name,
        model=LoRAConfig(base=base, rank=adapters, alpha=alpha) if adapters else base,
        data=TextData(context=base.context, seed=seed),
        optimizer=AdamW(lr=lr or (1e-3 if adapters else 1e-4), weight_decay=0.0),
        start=start,
        steps=steps,
        batch=batch,
        save_every=save_every,
        eval_every=eval_every,
        seed=seed,
    )


def _model_of(start: str) -> ModelConfig:
    found = exported(Store(start)) if "://" in start else None
    if found is None:
        raise ConfigError(
            f"start is {start!r}: it must be the URL of a finished run, whose export holds the model to tune "
            "(tuned:start=s3://bucket/jobs/gpt/first, file:///data/runs/gpt)"
        )
    return config_of(found.model)
