"""Whether a run goes on as it was started."""

from typing import Any, Final

from springtide_workloads.errors import ConfigError
from springtide_workloads.recipes import Recipe

_HOW = ("accumulate", "checkpoint_activations", "compile", "parallel", "threads")
_HOW_OFTEN = ("eval_every", "keep", "log_every", "save_every")
FREE: Final = frozenset(("name", *_HOW, *_HOW_OFTEN))
"""Fields that say how and how often, and leave the mathematics of a step as it is."""


def same_recipe(then: dict[str, Any], recipe: Recipe) -> None:
    """Checks that a run goes on with the recipe it was started with; what does not change the mathematics may differ.

    Raises:
        ConfigError: naming what differs.
    """
    now = recipe.to_json()
    changed = sorted(key for key in (then.keys() | now.keys()) - FREE if then.get(key) != now.get(key))
    if not changed:
        return
    raise ConfigError(
        f"the run was started as {then.get('name')!r} and is asked to go on as {recipe.name!r}, which differs in "
        f"{', '.join(changed)}. "
        "A run keeps its recipe: give the changed one a new run name and artifacts URL."
    )
