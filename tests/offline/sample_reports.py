"""Reports for tests of the renderings: a plain one, one with every kind of trouble, one whose names attack."""

from dataclasses import replace
from typing import Any

from springtide.offline.cost import estimate
from springtide.offline.diff import compare
from springtide.offline.plan import Plan
from springtide.offline.report import Base, Report
from springtide.spec import Finding, Outcome, Severity, Source

from .sample_plan import DIGEST, Sample, sample

HOSTILE = "</text><script>alert(1)</script> \x1b[31m\u202e| `x` @octocat #12 [a](http://evil.test) --> <!-- *b* $y$"


def finding(rule: str = "spec/at-least", **members: Any) -> Finding:
    """A failing error unless told otherwise."""
    standard = {"outcome": Outcome.FAIL, "severity": Severity.ERROR, "source": Source.SPEC, "message": "it is wrong."}
    return Finding(**{"rule": rule, **standard, **members})


TROUBLE = (
    finding("clouds/wake", severity=Severity.WARNING, message="nothing wakes it.", path="/pools/train"),
    finding(
        where="stacks/Pulumi.dev.yaml:12", path="/pools/train/max_nodes", value=-1, allowed=(1, 2), fix="use 1 or more"
    ),
    finding("policy/budget", outcome=Outcome.CANNOT_TELL, message="the price is not known."),
    finding("policy/image", outcome=Outcome.PASS, message="never shown"),
)


def report(plan: Plan | None = None, base: Plan | None = None, **members: Any) -> Report:
    """A report, compared with `base` where one is given."""
    shown = replace(plan or sample(run="b", image=DIGEST).plan(), **members)
    joined = base and Base(ref="main (1a2b3c4)", comparison=compare(base, shown), cost=estimate(base))
    return Report.of(shown, joined or None)


def compared() -> Report:
    """A pool whose machine types change under a running job, a new run, and a higher ceiling."""
    return report(base=sample(run="a", image=DIGEST, machine_types=("g6.xlarge",)).plan())


def hostile() -> Report:
    """Every name and message that a user can choose is an attack on the page."""
    made = Sample()
    plane = made.cluster(made.network())
    made.pool(HOSTILE, plane, [], gpu=HOSTILE, machine_types=(HOSTILE,))
    made.storage(HOSTILE)
    made.controllers(HOSTILE)
    made.job(HOSTILE, HOSTILE, run=HOSTILE)
    made.service(HOSTILE, HOSTILE)
    found = finding(HOSTILE, message=HOSTILE, fix=HOSTILE, value=HOSTILE, allowed=(HOSTILE,), where=HOSTILE)
    return report(made.plan(findings=(found,)), base=sample(run=HOSTILE).plan())
