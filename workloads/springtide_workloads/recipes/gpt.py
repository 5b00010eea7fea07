"""GPTs on bytes of text."""

from springtide_workloads.data.dataset import TextData
from springtide_workloads.models.gpt import GPTConfig
from springtide_workloads.recipes.config import AdamW, Recipe
from springtide_workloads.train.parallel import Parallel


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
    parallel: str = "replicate",
    accumulate: int = 1,
    exact: int = 0,
    bf16: bool = False,
    compile: bool = False,  # noqa: A002  the field's name
    checkpoint_activations: str = "none",
) -> Recipe:
    """0.4 million parameters; under a minute on two CPU cores. Shows that everything works, learns Python's manual.

    `exact` is the number of logical slots; 0 for runs whose bits may differ with the number of processes.
    """
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
        parallel=Parallel.parse(parallel),
        accumulate=accumulate,
        exact=exact if exact > 0 else None,
        bf16=bf16,
        compile=compile,
        checkpoint_activations=checkpoint_activations,
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
    parallel: str = "replicate",
    accumulate: int = 1,
    exact: int = 0,
    bf16: bool = True,
    compile: bool = True,  # noqa: A002  the field's name
    checkpoint_activations: str = "none",
) -> Recipe:
    """85 million parameters, context 1024, bfloat16, compiled: for GPUs. The shape is GPT-2's smallest."""
    return _for_gpus(
        GPTConfig(layers=12, heads=12, width=768, context=1024),
        name=name,
        steps=steps,
        batch=batch,
        lr=lr,
        save_every=save_every,
        eval_every=eval_every,
        seed=seed,
        parallel=parallel,
        accumulate=accumulate,
        exact=exact,
        bf16=bf16,
        compiled=compile,
        checkpoint_activations=checkpoint_activations,
    )


def gpt_medium(  # noqa: PLR0913  as above
    *,
    name: str,
    steps: int = 20000,
    batch: int = 128,
    lr: float = 3e-4,
    save_every: int = 500,
    eval_every: int = 1000,
    seed: int = 0,
    parallel: str = "shard",
    accumulate: int = 1,
    exact: int = 0,
    bf16: bool = True,
    compile: bool = True,  # noqa: A002  the field's name
    checkpoint_activations: str = "selective",
) -> Recipe:
    """302 million parameters, context 1024, sharded over all GPUs."""
    return _for_gpus(
        GPTConfig(layers=24, heads=16, width=1024, context=1024),
        name=name,
        steps=steps,
        batch=batch,
        lr=lr,
        save_every=save_every,
        eval_every=eval_every,
        seed=seed,
        parallel=parallel,
        accumulate=accumulate,
        exact=exact,
        bf16=bf16,
        compiled=compile,
        checkpoint_activations=checkpoint_activations,
    )


def gpt_1b(  # noqa: PLR0913  as above
    *,
    name: str,
    steps: int = 50000,
    batch: int = 256,
    lr: float = 2e-4,
    save_every: int = 500,
    eval_every: int = 2000,
    seed: int = 0,
    parallel: str = "shard",
    accumulate: int = 1,
    bf16: bool = True,
    compile: bool = True,  # noqa: A002  the field's name
    checkpoint_activations: str = "full",
) -> Recipe:
    """1.0 billion parameters, context 2048, sharded over all GPUs: 16 GB of weights, gradients and optimizer in all."""
    return _for_gpus(
        GPTConfig(layers=20, heads=16, width=2048, context=2048),
        name=name,
        steps=steps,
        batch=batch,
        lr=lr,
        save_every=save_every,
        eval_every=eval_every,
        seed=seed,
        parallel=parallel,
        accumulate=accumulate,
        exact=0,
        bf16=bf16,
        compiled=compile,
        checkpoint_activations=checkpoint_activations,
    )


def _for_gpus(  # noqa: PLR0913  what the recipes above let through
    model: GPTConfig,
    *,
    name: str,
    steps: int,
    batch: int,
    lr: float,
    save_every: int,
    eval_every: int,
    seed: int,
    parallel: str,
    accumulate: int,
    exact: int,
    bf16: bool,
    compiled: bool,
    checkpoint_activations: str,
) -> Recipe:
    """What the bigger ones have in common."""
    return Recipe(
        name=name,
        model=model,
        data=TextData(context=model.context, seed=seed),
        optimizer=AdamW(lr=lr, warmup=0.02, floor=0.1),
        steps=steps,
        batch=batch,
        save_every=save_every,
        eval_every=eval_every,
        log_every=20,
        seed=seed,
        parallel=Parallel.parse(parallel),
        accumulate=accumulate,
        exact=exact if exact > 0 else None,
        bf16=bf16,
        compile=compiled,
        checkpoint_activations=checkpoint_activations,
    )
