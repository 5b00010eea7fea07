"""Serves the components to programs in other languages: Pulumi's language host runs this module as the plugin.

People want the command `springtide`, or `python -m springtide.cli`.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import pulumi
from pulumi.output import Unknown
from pulumi.provider import main
from pulumi.provider.experimental.analyzer import ComponentDefinition, PropertyDefinition, PropertyType
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.provider.provider import ConstructResult
from pulumi.provider.server import ComponentInitError

from springtide import environment, pool, storage
from springtide.account_wide import AccountWide
from springtide.ci import CiIdentity, SecretsKey
from springtide.cluster import Cluster
from springtide.component import ArgumentsError, refused
from springtide.controllers import Controllers
from springtide.environment import Environment
from springtide.file_system import FileSystem
from springtide.identity import WorkloadIdentity
from springtide.network import Network
from springtide.pool import GpuPool
from springtide.queue import Queue
from springtide.registry import Registry
from springtide.service import ModelService
from springtide.spec import Finding, below, refuse
from springtide.storage import Storage
from springtide.training import TrainingJob

COMPONENTS = [
    AccountWide,
    CiIdentity,
    Cluster,
    Controllers,
    Environment,
    FileSystem,
    GpuPool,
    ModelService,
    Network,
    Queue,
    Registry,
    SecretsKey,
    Storage,
    TrainingJob,
    WorkloadIdentity,
]

WRITTEN_BY_HAND: Final[dict[str, Callable[[Mapping[str, Any]], list[Finding]]]] = {
    "EnvironmentRef": environment.reference_findings,
    "PoolRef": pool.reference_findings,
    "StorageRef": storage.reference_findings,
}
"""References that a program in Python takes from another component and one in another language has to write."""

_KINDS: Final[dict[PropertyType, tuple[str, Callable[[Any], bool]]]] = {
    PropertyType.STRING: ("a text", lambda value: isinstance(value, str)),
    PropertyType.BOOLEAN: ("true or false", lambda value: isinstance(value, bool)),
    PropertyType.NUMBER: ("a number", lambda value: isinstance(value, int | float) and not isinstance(value, bool)),
    PropertyType.INTEGER: ("a whole number", lambda value: isinstance(value, float) and value.is_integer()),
    PropertyType.ARRAY: ("a list", lambda value: isinstance(value, list)),
    PropertyType.OBJECT: ("an object", lambda value: isinstance(value, dict)),
}
"""What plain values look like as they arrive, where every number is a float."""


_ONLY_IN_PYTHON: Final = re.compile(r"; take (?:it|them) from (?:`\w+\.ref`|[^.`])*|\n\n *Attributes:\n[\s\S]*")
"""What descriptions say of attributes, which are no outputs."""


class Host(ComponentProvider):
    """Hosts the components. Mistakes in arguments go back to the program by property, without a traceback of ours."""

    def __init__(self) -> None:
        super().__init__(COMPONENTS, "springtide")
        self.schema = json.dumps(_told(json.loads(self.schema or "{}")))

    def construct(
        self,
        name: str,
        resource_type: str,
        inputs: pulumi.Inputs,
        options: pulumi.ResourceOptions | None = None,
    ) -> ConstructResult:
        """Make a component.

        Raises:
            pulumi.InputPropertiesError: its arguments cannot be. The SDK's own host would show a crash.
        """
        try:
            return super().construct(name, resource_type, inputs, options)
        except ArgumentsError as error:
            raise pulumi.InputPropertiesError(error.message, error.errors) from error
        except ComponentInitError as error:
            if isinstance(error.inner, ArgumentsError):
                raise pulumi.InputPropertiesError(error.inner.message, error.inner.errors) from error
            raise

    def map_inputs(self, inputs: pulumi.Inputs, component_def: ComponentDefinition) -> pulumi.Inputs:
        """The arguments under their names in Python.

        Raises:
            ArgumentsError: something is missing, of the wrong kind, or not known that has to be.
        """
        found = self._mistakes(inputs, component_def.inputs, component_def.inputs_mapping, "")
        refused(found, component_def.name)
        return super().map_inputs(inputs, component_def)

    def map_input_properties(
        self,
        inputs: pulumi.Inputs,
        properties: dict[str, PropertyDefinition],
        mapping: dict[str, str],
        component_name: str,
        property_path: str,
    ) -> pulumi.Inputs:
        """The arguments, or a part of them, under their names in Python.

        Whole numbers arrive as floats and become whole. Keys arrive in an order that differs from run to run, and lists are
        made of them: they are put in order, or an update would change what nobody changed.
        """
        mapped = dict(super().map_input_properties(inputs, properties, mapping, component_name, property_path))
        for name, definition in properties.items():
            value = mapped.get(mapping[name])
            if definition.type is PropertyType.INTEGER and isinstance(value, float):
                mapped[mapping[name]] = int(value)
            elif definition.additional_properties and isinstance(value, dict):
                mapped[mapping[name]] = dict(sorted(value.items()))
        return mapped

    def _mistakes(
        self,
        inputs: Mapping[str, Any],
        properties: Mapping[str, PropertyDefinition],
        names: Mapping[str, str],
        path: str,
    ) -> Iterator[Finding]:
        for key, definition in properties.items():
            where, value = f"{path}/{names[key]}", inputs.get(key)
            if value is not None:
                yield from self._mistakes_of(value, definition, where)
            elif not definition.optional:
                yield refuse("spec/required", where, None, "it is missing.", definition.description or "")

    def _mistakes_of(self, value: Any, definition: PropertyDefinition, path: str) -> Iterator[Finding]:
        if isinstance(value, pulumi.Output | Unknown):
            if definition.plain:
                yield _not_plain(path)
            return
        kind, fits = _KINDS[PropertyType.OBJECT if definition.type is None else definition.type]
        if definition.plain and not fits(value):
            yield refuse("spec/type", path, value, f"{value!r} is not {kind}.", f"write {kind}")
        elif definition.ref:
            yield from self._mistakes_of_reference(value, definition, path)
        elif definition.items:
            for i, item in enumerate(value):
                yield from self._mistakes_of(item, definition.items, f"{path}/{i}")
        elif definition.additional_properties:
            for key, item in value.items():
                yield from self._mistakes_of(item, definition.additional_properties, f"{path}/{key}")

    def _mistakes_of_reference(
        self, value: Mapping[str, Any], definition: PropertyDefinition, path: str
    ) -> Iterator[Finding]:
        shape = self.get_type_definition(definition)
        if shape is None:
            return
        names = shape.properties_mapping
        found = list(self._mistakes(value, shape.properties, names, path))
        yield from found
        if not found and shape.name in WRITTEN_BY_HAND:
            mapped = {names[key]: item for key, item in value.items() if key in names}
            yield from below(path, WRITTEN_BY_HAND[shape.name](mapped))


def _told(schema: Any) -> Any:
    """A schema with descriptions that are true in every language."""
    if isinstance(schema, dict):
        return {key: _told(value) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_told(item) for item in schema]
    return _ONLY_IN_PYTHON.sub("", schema) if isinstance(schema, str) else schema


def _not_plain(path: str) -> Finding:
    message = "it decides which resources there are, so a preview has to know it: an output or a secret is not known."
    return refuse("spec/plain", path, None, message, "write the value itself into the program")


if __name__ == "__main__":
    main(Host(), sys.argv[1:])
