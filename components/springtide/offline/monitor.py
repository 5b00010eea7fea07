"""The resource monitor of an offline run: it receives what the Pulumi engine would and answers with placeholders.

The SDK calls a monitor's methods with the engine's own protobuf messages, from several threads at once. Nothing here
depends on the order in which they arrive.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final

import pulumi
from google.protobuf import empty_pb2
from pulumi.runtime.proto import alias_pb2, provider_pb2, resource_pb2

from springtide.offline import placeholder, wire
from springtide.offline.paths import child
from springtide.offline.urn import STACK_TYPE, Urn

_FEATURES: Final = (
    resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
    resource_pb2.RESOURCE_MONITOR_FEATURE_REPLACE_WITH,
)
"""What this monitor can do. Output values are left out so that inputs arrive as plain values; transforms and hooks are,
because they need a server of their own."""

_STACK_REFERENCE = "pulumi:pulumi:StackReference"
_GET_RESOURCE = "pulumi:pulumi:getResource"
_PROVIDER = "pulumi:providers:"
_TIMEOUTS = ("create", "update", "delete")


class RefusedError(pulumi.RunError):
    """The program asks for what no plan can give it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """One resource as the program registered or read it."""

    urn: str
    type: str
    name: str
    parent: str | None
    """None for a child of the root stack."""
    custom: bool
    id: str | None = None
    """The id it was read by; None for what the program creates."""
    provider: str | None
    inputs: dict[str, Any]
    """Plain data with `wire.Secret` around secrets."""
    depends_on: tuple[str, ...]
    property_depends_on: dict[str, tuple[str, ...]] = field(default_factory=dict)
    options: dict[str, Any]


class Monitor:
    """Records a program's registrations in one of the placeholders' worlds.

    Args:
        project: Name of the Pulumi project.
        stack: Name of the stack, which is the environment's.
        world: One of `placeholder.WORLDS`.
        stacks: Exports of other stacks that the program may read, by the stack's name.
    """

    def __init__(
        self, project: str, stack: str, world: int, stacks: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        self._stack = Urn.of_stack(project, stack)
        self._world = world
        self._stacks = {} if stacks is None else stacks
        self._lock = Lock()
        self.registrations: dict[str, Registration] = {}
        self.outputs: dict[str, dict[str, Any]] = {}
        """Outputs of the components that registered any, by URN; those of the root stack are under its own."""

    @property
    def stack_outputs(self) -> dict[str, Any]:
        """What the program exports."""
        return self.outputs.get(str(self._stack), {})

    def GetDeploymentInfo(self, _request: empty_pb2.Empty) -> resource_pb2.DeploymentInfo:  # noqa: N802  Pulumi's name
        """Say what this monitor can do."""
        return resource_pb2.DeploymentInfo(supportedFeatures=list(_FEATURES))

    def SignalAndWaitForShutdown(self, _request: empty_pb2.Empty) -> empty_pb2.Empty:  # noqa: N802
        """Let the program end at once: nothing happens after its last registration."""
        return empty_pb2.Empty()

    def RegisterResource(  # noqa: N802
        self, request: resource_pb2.RegisterResourceRequest
    ) -> resource_pb2.RegisterResourceResponse:
        """Record a resource that the program creates, and answer as its provider would."""
        if request.type == STACK_TYPE:
            return resource_pb2.RegisterResourceResponse(urn=str(self._stack))
        if request.remote:
            raise RefusedError(
                f"{request.name} ({request.type}) is a remote component: only its plugin knows what it consists of, and "
                "a plan has no plugins. Use a component written in Python."
            )
        urn = str(self._parent(request).child(request.type, request.name))
        registration = _registration(urn, request, self.registrations.get(request.parent))
        self._record(registration)
        if not request.custom:
            return resource_pb2.RegisterResourceResponse(urn=urn)
        answer = self._answer(registration, request.additionalSecretOutputs)
        identity = placeholder.identity(urn, self._world)
        return resource_pb2.RegisterResourceResponse(urn=urn, id=identity, object=wire.struct(answer))

    def ReadResource(self, request: resource_pb2.ReadResourceRequest) -> resource_pb2.ReadResourceResponse:  # noqa: N802
        """Record a resource that exists already, and answer with placeholders for what it looks like."""
        urn = str(self._parent(request).child(request.type, request.name))
        registration = _reading(urn, request)
        if request.type == _STACK_REFERENCE:
            answer = self._exports(request.id)
            self._record(registration)
        else:
            self._record(registration)
            answer = self._answer(registration, request.additionalSecretOutputs)
        return resource_pb2.ReadResourceResponse(urn=urn, id=request.id, properties=wire.struct(answer))

    def RegisterResourceOutputs(  # noqa: N802
        self, request: resource_pb2.RegisterResourceOutputsRequest
    ) -> empty_pb2.Empty:
        """Record the outputs of a component or of the stack."""
        self.outputs[request.urn] = wire.plain(request.outputs)
        return empty_pb2.Empty()

    def Invoke(self, request: resource_pb2.ResourceInvokeRequest) -> provider_pb2.InvokeResponse:  # noqa: N802
        """Refuse a look-up, other than the SDK's own for a resource that was passed as a value."""
        if request.tok != _GET_RESOURCE:
            raise _no_lookup(request.tok)
        urn = request.args.fields["urn"].string_value
        state = self._answer(self.registrations[urn]) if urn in self.registrations else {}
        known = {"urn": urn, "id": placeholder.identity(urn, self._world), "state": state}
        return provider_pb2.InvokeResponse(**{"return": wire.struct(known)})

    def Call(self, request: resource_pb2.ResourceCallRequest) -> provider_pb2.CallResponse:  # noqa: N802
        """Refuse a method of a resource: it is a look-up as well."""
        raise _no_lookup(request.tok)

    def ExistsResource(  # noqa: N802
        self, request: resource_pb2.ExistsResourceRequest
    ) -> resource_pb2.ExistsResourceResponse:
        """Refuse to say whether a resource exists."""
        raise _no_lookup(f"the question whether {request.type} {request.id!r} exists")

    def _exports(self, reference: str) -> dict[str, Any]:
        """What a reference to another stack answers: the exports of its plan, as this world sees them.

        Raises:
            RefusedError: no plan of that stack was made.
        """
        exports = self._stacks.get(reference.rpartition("/")[2])
        if exports is None:
            raise RefusedError(
                f"the program reads the outputs of stack {reference!r}, which no plan was made of. "
                "Name it in the environment file (on:), or put both into one file."
            )
        seen = {name: placeholder.seen_from(value, self._world) for name, value in exports.items()}
        return {"name": reference, "outputs": seen, "secretOutputNames": []}

    def _parent(self, request: Any) -> Urn:
        return Urn.parse(request.parent) if request.parent else self._stack

    def _record(self, registration: Registration) -> None:
        with self._lock:
            if registration.urn in self.registrations:
                raise RefusedError(
                    f"two resources of type {registration.type} are named {registration.name!r} under one parent: "
                    f"give one of them another name ({registration.urn})"
                )
            self.registrations[registration.urn] = registration

    def _answer(self, registration: Registration, secret_outputs: Iterable[str] = ()) -> dict[str, Any]:
        """The outputs of a resource's provider; what comes from a secret is one."""
        inputs = wire.revealed(registration.inputs)
        known = placeholder.outputs(registration.urn, registration.type, inputs, self._world)
        from_secrets = {name for name, value in registration.inputs.items() if list(wire.secret_paths(value))}
        hidden = from_secrets.union(secret_outputs)
        return {name: wire.Secret(value) if name in hidden else value for name, value in known.items()}


def _no_lookup(what: str) -> RefusedError:
    return RefusedError(
        f"{what}: a plan makes no look-ups in the cloud. Take the value from the catalog or from the environment file, "
        "or read an existing resource by its id with <Resource>.get(name, id)."
    )


def _registration(urn: str, request: resource_pb2.RegisterResourceRequest, parent: Registration | None) -> Registration:
    by_property = {name: _sorted(of.urns) for name, of in request.propertyDependencies.items() if of.urns}
    return Registration(
        urn=urn,
        type=request.type,
        name=request.name,
        parent=_below_stack(request.parent),
        custom=request.custom,
        provider=_provider(request.provider),
        inputs=wire.plain(request.object),
        depends_on=_sorted(request.dependencies),
        property_depends_on={child("", name): by_property[name] for name in sorted(by_property)},
        options=_options(urn, request, parent.options if parent else {}),
    )


def _reading(urn: str, request: resource_pb2.ReadResourceRequest) -> Registration:
    return Registration(
        urn=urn,
        type=request.type,
        name=request.name,
        parent=_below_stack(request.parent),
        custom=True,
        id=request.id,
        provider=_provider(request.provider),
        inputs=wire.plain(request.properties),
        depends_on=_sorted(request.dependencies),
        options=_options(urn, resource_pb2.RegisterResourceRequest(), {}),
    )


def _options(urn: str, request: resource_pb2.RegisterResourceRequest, inherited: Mapping[str, Any]) -> dict[str, Any]:
    """The options under the plan's names. Children inherit three of them, as in the engine."""
    return {
        "protect": request.protect if request.HasField("protect") else inherited.get("protect", False),
        "retain_on_delete": (
            request.retainOnDelete if request.HasField("retainOnDelete") else inherited.get("retain_on_delete", False)
        ),
        "deleted_with": request.deletedWith or inherited.get("deleted_with"),
        "ignore_changes": list(request.ignoreChanges),
        "replace_on_changes": list(request.replaceOnChanges),
        "delete_before_replace": request.deleteBeforeReplace if request.deleteBeforeReplaceDefined else None,
        "custom_timeouts": {name: text for name in _TIMEOUTS if (text := getattr(request.customTimeouts, name))},
        "aliases": list(dict.fromkeys(_alias(Urn.parse(urn), request.parent, alias) for alias in request.aliases)),
    }


def _alias(urn: Urn, parent: str, alias: alias_pb2.Alias) -> str:
    """The URN that an alias stands for: the resource's own, but for what the alias names."""
    if alias.urn:
        return alias.urn
    spec = alias.spec
    old_stack = Urn.of_stack(spec.project or urn.project, spec.stack or urn.stack)
    above = "" if spec.noParent else spec.parentUrn or parent
    old_parent = Urn.parse(above) if above else old_stack
    return str(old_parent.child(spec.type or urn.type, spec.name or urn.name))


def _below_stack(parent: str) -> str | None:
    return None if not parent or Urn.parse(parent).type == STACK_TYPE else parent


def _provider(reference: str) -> str | None:
    """The URN in a provider reference, which reads `<urn>::<id>`; ours are placeholders and begin with a guillemet."""
    return reference.partition("::«")[0] or None


def _sorted(urns: Any) -> tuple[str, ...]:
    return tuple(sorted(urns))
