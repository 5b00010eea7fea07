"""Recipes: functions that return a complete configuration, addressed as `name[:key=value,...]`.

A function's keyword arguments are what may be overridden, and their annotations say how the text is read.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final

from springtide_workloads.errors import ConfigError
from springtide_workloads.recipes.config import AdamW, Recipe
from springtide_workloads.recipes.gpt import gpt_small, gpt_tiny

RECIPES: Final[Mapping[str, Callable[..., Recipe]]] = {f.__name__: f for f in (gpt_tiny, gpt_small)}

__all__ = ["RECIPES", "AdamW", "Recipe", "resolve"]


def resolve(text: str) -> Recipe:
    """The configuration that `name[:key=value,...]` asks for.

    Raises:
        ConfigError: with every mistake in the text at once, and what is allowed.
    """
    name, _, rest = text.partition(":")
    if name not in RECIPES:
        raise ConfigError(f"recipe {name!r} is not known: use one of {', '.join(sorted(RECIPES))}")
    values, mistakes = _overrides(RECIPES[name], rest)
    recipe = None if mistakes else RECIPES[name](name=text, **values)
    mistakes += [] if recipe is None else _out_of_range(recipe)
    if recipe is None or mistakes:
        raise ConfigError(f"recipe {text!r}:" + "".join(f"\n  - {mistake}" for mistake in mistakes))
    return recipe


def _overrides(function: Callable[..., Recipe], text: str) -> tuple[dict[str, Any], list[str]]:
    kinds = {p.name: p.annotation for p in inspect.signature(function).parameters.values() if p.name != "name"}
    values: dict[str, Any] = {}
    mistakes: list[str] = []
    for part in text.split(",") if text else ():
        key, _, value = part.partition("=")
        if key not in kinds:
            mistakes.append(f"{key!r} cannot be set: use one of {', '.join(sorted(kinds))}")
            continue
        try:
            values[key] = kinds[key](value)
        except ValueError:
            mistakes.append(f"{key} is {value!r}: it must be of type {kinds[key].__name__}")
    return values, mistakes


def _out_of_range(recipe: Recipe) -> list[str]:
    counts = ("steps", "batch", "save_every", "eval_every", "keep")
    return [f"{key} is {getattr(recipe, key)}: it must be at least 1" for key in counts if getattr(recipe, key) < 1]
