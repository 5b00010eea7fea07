"""The CrossGuard entry: the rules of `springtide_policies` as a policy pack, `pulumi preview --policy-pack policies`.

The engine sends each resource's inputs before it makes the resource, and every resource's outputs at the end. Rules on
one resource answer at once. Rules on the stack answer at the end, from the inputs that came before: what a cloud adds
to its outputs then changes no verdict, and the offline plan comes to the same ones. Only this file knows how the SDK
marks unknown values. No `UnknownValueError` may escape to the SDK, which would turn a mandatory policy into advice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyConfigSchema,
    PolicyPack,
    PolicyResource,
    PolicyResourceOptions,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    Severity,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from springtide import catalog
from springtide.spec import Finding, Outcome
from springtide_policies import ASKING, ENVIRONMENT, RULES, Facts, MachineKey, Price, Rule, Scope, assess, machine_types

Resource = dict[str, Any]
"""A resource in the plan's JSON format, as far as rules read it."""

EXEMPT = {"type": "array", "items": {"type": "string"}, "description": "Names that the rule does not apply to."}


@dataclass(frozen=True, slots=True)
class Face:
    """One policy: a rule, and the outcomes of it that share an enforcement level."""

    rule: Rule
    outcomes: tuple[Outcome, ...]
    level: EnforcementLevel

    @property
    def name(self) -> str:
        """The rule's name; where only failing stops a deployment, what the rule cannot tell has a policy of its own."""
        return self.rule.name if Outcome.FAIL in self.outcomes else f"{self.rule.name}.cannot-tell"


def faces(rule: Rule) -> tuple[Face, ...]:
    """The policies that a rule takes: one, or two where failing and not knowing differ in what they stop."""
    stopping = tuple(outcome for outcome in ASKING if rule.stops(outcome))
    telling = tuple(outcome for outcome in ASKING if not rule.stops(outcome))
    both = ((stopping, EnforcementLevel.MANDATORY), (telling, EnforcementLevel.ADVISORY))
    return tuple(Face(rule, outcomes, level) for outcomes, level in both if outcomes)


@dataclass(frozen=True, slots=True)
class Seen:
    """The inputs that came so far, by URN."""

    inputs: dict[str, Resource] = field(default_factory=dict)
    environments: dict[str, Resource] = field(default_factory=dict)
    """Those that declare limits; they come before all that is in them, whose components wait for their provider."""

    def add(self, item: Resource) -> Resource:
        """Remember a resource, in place of what was known of it."""
        self.inputs[item["urn"]] = item
        if item["type"] == ENVIRONMENT:
            self.environments[item["urn"]] = item
        return item


def policies() -> list[Policy]:
    """Every rule as policies that share one memory of what came."""
    seen = Seen()
    return [SCOPES[face.rule.scope](face, seen) for rule in RULES for face in faces(rule)]


def resource_policy(face: Face, seen: Seen) -> Policy:
    """A policy that judges each resource by itself, and remembers its inputs for those that come later."""

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        item = seen.add(resource(args.urn, args.resource_type, args.name, args.props, args.opts))
        facts = _facts(face.rule, args.get_config(), [*seen.environments.values(), item])
        _judge(face, [item], facts, args, report)

    return ResourceValidationPolicy(validate=validate, **_about(face))


def stack_policy(face: Face, seen: Seen) -> Policy:
    """A policy that judges the whole stack: each resource by its inputs or, where only those came, its outputs."""

    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        resources = [_in_stack(item, seen) for item in args.resources]
        _judge(face, resources, _facts(face.rule, args.get_config(), resources), args, report)

    return StackValidationPolicy(validate=validate, **_about(face))


SCOPES = {Scope.RESOURCE: resource_policy, Scope.STACK: stack_policy}


def resource(urn: str, kind: str, name: str, props: Mapping[str, Any], options: PolicyResourceOptions) -> Resource:
    """What the SDK says of a resource, in the plan's format."""
    unknown: list[str] = []
    return {
        "urn": urn,
        "type": kind,
        "name": name,
        "parent": options.parent,
        "options": {"protect": options.protect},
        "inputs": _plain(props, "", unknown),
        "unknown": unknown,
    }


def _in_stack(item: PolicyResource, seen: Seen) -> Resource:
    known = seen.inputs.get(item.urn) or _from_outputs(item)
    uses = {f"/{key}": [other.urn for other in others] for key, others in item.property_dependencies.items()}
    return {**known, "property_depends_on": uses}


def _from_outputs(item: PolicyResource) -> Resource:
    parent = None if item.parent is None else item.parent.urn
    return resource(item.urn, item.resource_type, item.name, item.props, item.opts) | {"parent": parent}


def _plain(value: Any, path: str, unknown: list[str]) -> Any:
    """A value of the SDK as plain data; pointers to what only the cloud knows are added to `unknown`."""
    if isinstance(value, Mapping):
        return {key: _member(value, key, f"{path}/{_escaped(key)}", unknown) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_member(value, index, f"{path}/{index}", unknown) for index in range(len(value))]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _member(container: Any, key: Any, path: str, unknown: list[str]) -> Any:
    try:
        return _plain(container[key], path, unknown)
    except UnknownValueError:
        unknown.append(path)
        return None


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _judge(
    face: Face,
    resources: Sequence[Resource],
    facts: Facts,
    args: ResourceValidationArgs | StackValidationArgs,
    report: ReportViolation,
) -> None:
    findings = assess(resources, facts, [face.rule])
    for finding in findings:
        if finding.outcome in face.outcomes:
            report(_text(finding), finding.urn or None)
    if all(finding.outcome is Outcome.NOT_APPLICABLE for finding in findings):
        args.not_applicable("; ".join(dict.fromkeys(finding.message for finding in findings)))


def _text(finding: Finding) -> str:
    place = f"\nat {finding.path}" if finding.path else ""
    return f"{finding.message}{place}\nfix: {finding.fix}"


def _facts(rule: Rule, config: Mapping[str, Any], resources: Sequence[Resource]) -> Facts:
    """What the `Environment` declares; the pack's configuration adds exceptions and has the last word on the rest."""
    keys = machine_types(resources)
    prices = {key: price for key, price in zip(keys, map(_price, keys), strict=True) if price is not None}
    declared = Facts.declared(resources, prices)
    names = tuple(f"{rule.name}:{name}" for name in config.get("exempt", ()))
    options = {key: config[key] for key in rule.options if key in config}
    return replace(declared, exempt=(*declared.exempt, *names), **options)


@cache
def _price(key: MachineKey) -> Price | None:
    cloud, region, machine = key
    if cloud not in catalog.clouds():
        return None
    found = catalog.price(cloud, region, machine, catalog.Capacity.ON_DEMAND)
    return None if found is None else Price(usd_per_hour=found.usd_per_hour, date=found.date, source=found.source)


def _about(face: Face) -> dict[str, Any]:
    rule = face.rule
    options = {key: dict(schema) for key, schema in rule.options.items()}
    return {
        "name": face.name,
        "description": f"{rule.title[0].upper()}{rule.title[1:]}. {rule.why}",
        "enforcement_level": face.level,
        "config_schema": PolicyConfigSchema(properties={"exempt": EXEMPT, **options}),
        "severity": Severity[rule.level.name],
        "remediation_steps": rule.fix,
    }


if __name__ == "__main__":
    PolicyPack("springtide", policies())
