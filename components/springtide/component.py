"""What every component does the same way: check its arguments, say its intent, own its children."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar, cast

import pulumi

from springtide.parse import Spec, independent, read
from springtide.spec import Finding, SpecError, finding_text

S = TypeVar("S", bound=Spec)
V = TypeVar("V")

told: list[Finding] = []
"""Every warning given in this process; the offline recorder, which owns its process, reads them as data."""


class ArgumentsError(pulumi.RunError, pulumi.InputPropertiesError):
    """Arguments that cannot be: a clean message in a program, a list of properties in a component host."""

    def __init__(self, error: SpecError) -> None:
        self.findings = error.findings
        details = [
            pulumi.InputPropertyErrorDetails(
                property_path=_property_path(finding.path),
                reason=f"{finding.message} {finding.fix}".strip(),
            )
            for finding in error.findings
        ]
        pulumi.InputPropertiesError.__init__(self, str(error), details)


def _property_path(pointer: str) -> str:
    """A JSON Pointer as Pulumi writes a property's path: `/machine_types/0` is `machineTypes[0]`."""
    parts = (f"[{part}]" if part.isdigit() else f".{_camel(part)}" for part in pointer.split("/")[1:])
    return "".join(parts).removeprefix(".")


def checked(
    spec_type: type[S],
    args: Mapping[str, Any],
    subject: str,
    *,
    wiring: Iterable[str] = (),
    rules: Callable[[S], Iterable[Finding]] = lambda _spec: (),
) -> S:
    """The spec that a component's arguments describe, once all of them have been looked at.

    Args:
        spec_type: The spec of the component.
        args: The component's arguments as the caller gave them.
        subject: What the message is about: `GpuPool train`.
        wiring: Arguments that are references to other components, which a spec does not hold.
        rules: What else is impossible, said of a spec that has all its values.

    Raises:
        ArgumentsError: every mistake at once.
    """
    plain = {key: value for key, value in args.items() if key not in set(wiring)}
    spec, mistakes = read(spec_type, plain)
    more = () if spec is None else independent(rules(spec), mistakes)
    refused([*mistakes, *more], subject)
    return cast("S", spec)


def refused(findings: Iterable[Finding], subject: str) -> None:
    """Raise what was found, if anything was.

    Raises:
        ArgumentsError: `findings` is not empty.
    """
    found = tuple(findings)
    if found:
        raise ArgumentsError(SpecError(found, subject))


def tell(findings: Iterable[Finding]) -> None:
    """Give warnings to whoever watches: the engine's log, and the offline plan."""
    for finding in findings:
        told.append(finding)
        pulumi.log.warn(finding_text(finding).strip())


def intent(spec: Any, **more: Any) -> dict[str, Any]:
    """A spec as a component's registered inputs: camelCase names, defaults filled in, facts derived from it added."""
    values = {**(asdict(spec)), **more}
    return {_camel(name): _plain(value) for name, value in values.items()}


def child_of(parent: pulumi.Resource, **options: Any) -> pulumi.ResourceOptions:
    """Options of a resource that `parent` owns."""
    return pulumi.ResourceOptions(parent=parent, **options)


def after(value: V, *resources: pulumi.Resource) -> pulumi.Output[V]:
    """`value`, known even in a preview, for use by what must be made after `resources` and destroyed before them.

    It rides on the resources' URNs, which the engine knows at registration.
    """
    return pulumi.Output.all(*(resource.urn for resource in resources)).apply(lambda _urns: value)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_camel(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)
