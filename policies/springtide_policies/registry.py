"""All rules there are: whatever the modules under `rules` define, and the one that watches over the exceptions."""

from importlib import import_module
from pkgutil import iter_modules

from springtide_policies import rules
from springtide_policies.exemptions import exemptions_rule
from springtide_policies.rule import Rule


def found() -> tuple[Rule, ...]:
    """The rules of the modules under `rules`, in no order."""
    modules = (import_module(f"{rules.__name__}.{info.name}") for info in iter_modules(rules.__path__))
    return tuple(item for module in modules for item in vars(module).values() if isinstance(item, Rule))


_FOUND = found()

RULES: tuple[Rule, ...] = tuple(
    sorted((*_FOUND, exemptions_rule(sorted(rule.name for rule in _FOUND))), key=lambda rule: rule.name)
)
"""Every rule, ascending by name."""
