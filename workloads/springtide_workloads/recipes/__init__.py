"""Recipes: functions that return a complete configuration, addressed as `name[:key=value,...]`.

A name with dots is a function of a module that can be imported in the container, such as `team.models.bert`; a plain one is
of this package. A function's keyword arguments are what may be overridden, and their annotations say how the text is read.
"""

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final

from springtide_workloads.errors import ConfigError
from springtide_workloads.recipes.config import AdamW, Recipe
from springtide_workloads.recipes.gpt import gpt_1b, gpt_medium, gpt_small, gpt_tiny
from springtide_workloads.recipes.tuned import tuned

RECIPES: Final[Mapping[str, Callable[..., Recipe]]] = {
    f.__name__: f for f in (gpt_tiny, gpt_small, gpt_medium, gpt_1b, tuned)
}

__all__ = ["RECIPES", "AdamW", "Recipe", "resolve"]


def resolve(text: str) -> Recipe:
    """The configuration that `name[:key=value,...]` asks for.

    Raises:
        ConfigError: with every mistake in the text at once, and what is allowed.
    """
    name, _, rest = text.partition(":")
    function = _function(name)
    values, mistakes = _overrides(function, rest)
    recipe = None if mistakes else function(name=text, **values)
    if recipe is not None and not isinstance(recipe, Recipe):
        raise ConfigError(f"recipe {name!r} returns a {type(recipe).__name__}: it must return a Recipe")
    mistakes += [] if recipe is None else _out_of_range(recipe)
    if recipe is None or mistakes:
        raise ConfigError(f"recipe {text!r}:" + "".join(f"\n  - {mistake}" for mistake in mistakes))
    return recipe


def _function(name: str) -> Callable[..., Recipe]:
    if name in RECIPES:
        return RECIPES[name]
    module, _, attribute = name.rpartition(".")
    if not module:
        known = ", ".join(sorted(RECIPES))
        raise ConfigError(
            f"recipe {name!r} is not known: use one of {known}, or a function of a module of yours (team.models.bert)"
        )
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except ImportError as error:
        raise ConfigError(
            f"recipe {name!r} cannot be imported: {error}. Is {module} in the image, below a folder of PYTHONPATH?"
        ) from error
    if not callable(found):
        raise ConfigError(f"recipe {name!r}: {module} has no function {attribute!r}")
    function: Callable[..., Recipe] = found
    return function


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
            values[key] = _READERS.get(kinds[key], kinds[key])(value)
        except ValueError:
            mistakes.append(f"{key} is {value!r}: it must be of type {kinds[key].__name__}")
    return values, mistakes


def _switch(text: str) -> bool:
    return {"true": True, "false": False}[text] if text in {"true", "false"} else bool(int(text))


_READERS: Final[Mapping[Any, Callable[[str], Any]]] = {bool: _switch}
"""How a text is read where the type itself does not: `bool("false")` is true."""


def _out_of_range(recipe: Recipe) -> list[str]:
    counts = ("steps", "batch", "accumulate", "save_every", "eval_every", "keep")
    given = {key: getattr(recipe, key) for key in counts}
    return [
        f"{key} is {value}: it must be at least 1" for key, value in given.items() if value is not None and value < 1
    ]
