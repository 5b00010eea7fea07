"""Findings: what every check says, and the error that carries all of them at once."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, is_dataclass, replace
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, Self


class Outcome(StrEnum):
    """What a check found out. `CANNOT_TELL` means that a value it needs is known only to the cloud."""

    PASS = "pass"  # noqa: S105  not a password
    FAIL = "fail"
    CANNOT_TELL = "cannot-tell"
    NOT_APPLICABLE = "not-applicable"


class Severity(StrEnum):
    """`ERROR` stops a plan when its check fails; `WARNING` is told and passes."""

    ERROR = "error"
    WARNING = "warning"


class Source(StrEnum):
    """Who says so: the environment file's parser, a spec's rule, the catalog, the cloud's API model, or a policy."""

    SETTINGS = "settings"
    SPEC = "spec"
    CATALOG = "catalog"
    CLOUD_MODEL = "cloud-model"
    POLICY = "policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check's answer about one value."""

    rule: str
    """Stable id, `<family>/<name>`: `settings/unknown-key`, `aws/enum`, `policy/budget`."""
    outcome: Outcome
    severity: Severity
    source: Source
    message: str
    """What is wrong, in the words of whoever wrote the value."""
    fix: str = ""
    """What to change, and to what."""
    urn: str = ""
    """Resource the value belongs to; empty for a value of the environment file."""
    path: str = ""
    """JSON Pointer to the value, in the resource's inputs or in the environment file's `config`."""
    value: Any = None
    allowed: tuple[Any, ...] = ()
    where: str = ""
    """`file:line` of the value in the environment file, when known."""
    blocks: bool = False
    """Whether a `CANNOT_TELL` stops the plan; its policy decides. A failing error always does."""

    @property
    def stops(self) -> bool:
        """Whether the plan ends with exit status 1 because of this finding."""
        if self.outcome is Outcome.CANNOT_TELL:
            return self.blocks
        return self.outcome is Outcome.FAIL and self.severity is Severity.ERROR

    def to_json(self) -> dict[str, Any]:
        """The finding as the plan's JSON holds it."""
        return {
            "rule": self.rule, "outcome": self.outcome.value, "severity": self.severity.value,
            "source": self.source.value, "message": self.message, "fix": self.fix, "urn": self.urn, "path": self.path,
            "value": _plain(self.value), "allowed": list(self.allowed), "where": self.where, "blocks": self.blocks,
        }  # fmt: skip

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`; tolerates absent optional members."""
        return cls(
            **{
                **data,
                "outcome": Outcome(data["outcome"]),
                "severity": Severity(data["severity"]),
                "source": Source(data["source"]),
                "allowed": tuple(data.get("allowed", ())),
            }
        )


def _plain(value: Any) -> Any:
    """A value as JSON has it; one of a section of its own is a spec."""
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


class SpecError(ValueError):
    """Every mistake found in one go; `str()` is the text for people.

    Attributes:
        findings: The failing findings, in the order of the text.
    """

    def __init__(self, findings: Iterable[Finding], subject: str = "") -> None:
        self.findings = tuple(findings)
        count = len(self.findings)
        head = f"{count} mistake{'s' if count != 1 else ''}{f' in {subject}' if subject else ''}"
        super().__init__("\n".join([head, *(finding_text(finding) for finding in self.findings)]))


def finding_text(finding: Finding) -> str:
    """One finding as an indented paragraph: where, what, what is allowed, what to do."""
    place = " ".join(part for part in (finding.where, finding.path.removeprefix("/").replace("/", ".")) if part)
    allowed = f" Allowed: {', '.join(map(str, finding.allowed))}." if finding.allowed else ""
    fix = f"\n    fix: {finding.fix}" if finding.fix else ""
    return f"  {place}: {finding.message}{allowed}{fix}"


def refuse(  # noqa: PLR0913  a finding has this many members
    rule: str,
    path: str,
    value: Any,
    message: str,
    fix: str,
    *,
    allowed: Iterable[Any] = (),
    source: Source = Source.SPEC,
) -> Finding:
    """A failing finding of severity error about the value at `path`."""
    return Finding(
        rule=rule, outcome=Outcome.FAIL, severity=Severity.ERROR, source=source,
        message=message, fix=fix, path=path, value=value, allowed=tuple(allowed),
    )  # fmt: skip


def warn(rule: str, path: str, value: Any, message: str, fix: str) -> Finding:
    """A failing finding of severity warning: the plan goes on and says so."""
    return replace(refuse(rule, path, value, message, fix), severity=Severity.WARNING)


def did_you_mean(value: str, known: Iterable[str], otherwise: str) -> str:
    """The remedy for a name that is not known: the nearest one that is, if any is near."""
    near = get_close_matches(value.lower(), list(known), n=1)
    return f"did you mean {near[0]}?" if near else otherwise


def below(path: str, findings: Iterable[Finding]) -> list[Finding]:
    """The findings of a part, as seen from the whole: `path` before each path."""
    return [replace(finding, path=f"{path}{finding.path}") for finding in findings]
