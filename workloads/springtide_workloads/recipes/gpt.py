"""GPTs on bytes of text."""

from springtide_workloads.data.dataset import TextData
from springtide_workloads.models.gpt import GPTConfig
from springtide_workloads.recipes.config import AdamW, Recipe


def gpt_tiny(  # noqa: PLR0913  each argument may be overridden by name in the recipe's text
    *,
    name: str,
    steps: int = 1000,
    batch: int = 8,
    context: int = 128,
    width: int = 128,
    layers: int = 2,
    dropout: float = 0.0,
    lr: float = 6e-3,
    save_every: int = 100,
    eval_every: int = 250,
    keep: int = 3,
    seed: int = 0,
) -> Recipe:
    """0.4 million parameters; under a minute on two CPU cores. Shows that everything works, learns Python's manual."""
    return Recipe(
        name=name,
        model=GPTConfig(layers=layers, heads=4, width=width, context=context, dropout=dropout),
        data=TextData(context=context, seed=seed),
        optimizer=AdamW(lr=lr),
        steps=steps,
        batch=batch,
        save_every=save_every,
        eval_every=eval_every,
        keep=keep,
        seed=seed,
    )


def gpt_small(  # noqa: PLR0913  as above
    *,
    name: str,
    steps: int = 5000,
    batch: int = 64,
    lr: float = 6e-4,
    save_every: int = 250,
    eval_every: int = 500,
    seed: int = 0,
) -> Recipe:
    """85 million parameters, context 1024, bfloat16: for GPUs. Not yet run on one; the shape is GPT-2's smallest."""
    return Recipe(
        name=name,
        model=GPTConfig(layers=12, heads=12, width=768, context=1024),
        data=TextData(context=1024, seed=seed),
        optimizer=AdamW(lr=lr, warmup=0.02, floor=0.1),
        steps=steps,
        batch=batch,
        save_every=save_every,
        eval_every=eval_every,
        log_every=20,
        bf16=True,
        seed=seed,
    )
