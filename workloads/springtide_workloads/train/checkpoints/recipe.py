"""Whether a run goes on as it was started."""

from typing import Any, Final

from springtide_workloads.errors import ConfigError
from springtide_workloads.recipes import Recipe

HOW: Final = frozenset(("accumulate", "checkpoint_activations", "compile", "parallel", "threads"))
"""Fields that say how a step is computed: the mathematics stay, and the last bits may not."""
HOW_OFTEN: Final = frozenset(("name", "eval_every", "keep", "log_every", "save_every"))
"""Fields that leave every bit of a step as it is."""


def same_recipe(then: dict[str, Any], recipe: Recipe) -> None:
    """Checks that a run goes on with the recipe it was started with; what does not change the mathematics may differ.

    Raises:
        ConfigError: naming what differs.
    """
    now = recipe.to_json()
    # a run that asked for the same bits is asked to get them in the same way
    free = HOW_OFTEN if now.get("exact") is not None else HOW_OFTEN | HOW
    changed = sorted(key for key in (then.keys() | now.keys()) - free if then.get(key) != now.get(key))
    if not changed:
        return
    raise ConfigError(
        f"the run was started as {then.get('name')!r} and is asked to go on as {recipe.name!r}, which differs in "
        f"{', '.join(changed)}. "
        "A run keeps its recipe: give the changed one a new run name and artifacts URL."
    )
