"""What a provider's SDK says about a resource type: its class, its outputs and its inputs.

Pulumi has no public way from a type token to a class and from a class to its property types, so this module, and no
other, reads the SDK's private tables. They are the ones that the SDK itself uses to turn an engine's answer into
objects; tests pin them.
"""

import functools
import importlib.util
import inspect
from collections.abc import Mapping
from typing import Any, get_args, get_origin

import pulumi
from pulumi import _types
from pulumi.runtime import rpc

_PLUMBING = frozenset({"__self__", "resource_name", "opts"})
_SPECIAL = frozenset({"id", "urn"})


@functools.cache
def resource_class(token: str) -> type | None:
    """The class of a resource type; None for what no installed SDK lists, such as Kubernetes' custom resources."""
    package, _, rest = token.partition(":")
    _import_sdk(package)
    for module in rpc._RESOURCE_MODULES.get(f"{package}:{rest.rpartition(':')[0]}", ()):  # noqa: SLF001  see above
        info = getattr(module, "mod_info", {"classes": {}})
        if token in info["classes"]:
            found: type = getattr(importlib.import_module(info["fqn"]), info["classes"][token])
            return found
    return None


def output_types(cls: type) -> Mapping[str, Any]:
    """The declared type of every output under its provider name, without the `Output` and with the `Optional`."""
    hints = {name: _without_output(hint) for name, hint in _types._raw_return_hints(cls).items()}  # noqa: SLF001
    return {name: hint for name, hint in hints.items() if name not in _SPECIAL}


@functools.cache
def input_names(cls: type) -> frozenset[str]:
    """The provider names of a resource's inputs."""
    constructor = getattr(cls, "_internal_init", cls)
    parameters = set(inspect.signature(constructor).parameters) - _PLUMBING
    return frozenset(
        pulumi for python, pulumi in _types.resource_py_to_pulumi_names(cls).items() if python in parameters
    )


@functools.cache
def object_types(cls: type) -> Mapping[str, Any]:
    """The declared type of every field of an output class, as `output_types` gives those of a resource."""
    return dict(_types._raw_return_hints(cls))  # noqa: SLF001


def is_object(hint: Any) -> bool:
    """Whether a type is an output class."""
    return isinstance(hint, type) and _types.is_output_type(hint)


@functools.cache
def _import_sdk(package: str) -> None:
    """Let a package's SDK register its types; nothing happens where it is not installed."""
    name = f"pulumi_{package.replace('-', '_')}"
    if importlib.util.find_spec(name) is not None:
        importlib.import_module(name)


def _without_output(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is pulumi.Output else hint
