"""What is replaced where a plan meets this machine: who says so, in which words, and what this machine can do."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from springtide.local.cluster.refs import Object, Ref

_NAMED = 3
"""Objects that a line names; of more it says how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Substitution:
    """One thing that is not what it would be in the cloud. Their list heads every report."""

    what: str
    instead: str
    why: str

    def to_json(self) -> dict[str, str]:
        """The substitution as a report's JSON holds it."""
        return {"what": self.what, "instead": self.instead, "why": self.why}


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """What this machine, or the cluster that the user names, can do.

    Attributes:
        real: Whether pods really run, on this machine's own node.
        groups: Groups of custom resources that somebody here answers for, besides Kubernetes' own.
        storage_path: Where containers find the folder that stands for object storage and file systems.
        image: Image of real pods.
        run_seconds: How long a simulated run takes.
        start_seconds: How long a simulated pod takes from its node to being ready.
        boot_seconds: How long a simulated machine takes to join.
        idle_seconds: How long an idle machine stays, and how long a service must have been too large before it shrinks.
        gateways: Port of this machine at which KEDA reads a sleeping service's gateway, by service; none where nobody
            asks. None: gateways are pods, as in the plan.
        own: Whether the control plane is one of ours; the user's own has what its owner installed.
    """

    real: bool = False
    groups: frozenset[str] = frozenset({"karpenter.sh", "karpenter.kwok.sh"})
    storage_path: str = "/storage"
    image: str = "springtide.local/machine:1"
    run_seconds: int = 60
    start_seconds: int = 2
    boot_seconds: int = 3
    idle_seconds: int = 30
    gateways: Mapping[str, int] | None = field(default_factory=dict)
    own: bool = True

    @property
    def gateways_are(self) -> str:
        """What there is instead of gateways that are pods."""
        return "one process of this machine for each, on loopback" if self.gateways else "nothing: nobody asks here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One substitution: its words, and what it does to an object that it concerns."""

    what: str
    """What it replaces. The names of the objects are added."""
    instead: str
    """A format string over `here`."""
    why: str
    change: Callable[[Object, Here], Object | None]
    """From an object to what it shall be: the same where the rule does not concern it, None where it is left out.

    Done twice it is done once: what it returns it leaves as it is.
    """

    def apply(self, objects: Sequence[Object], here: Here) -> tuple[tuple[Object, ...], tuple[Substitution, ...]]:
        """The objects after the rule, and what it replaced: nothing, or one substitution for all of them."""
        pairs = [(item, self.change(item, here)) for item in objects]
        changed = [Ref.of(item).name for item, new in pairs if new != item]
        found = (
            Substitution(what=f"{self.what}{named(changed)}", instead=self.instead.format(here=here), why=self.why),
        )
        return tuple(new for _, new in pairs if new is not None), found if changed else ()


def named(names: Iterable[str]) -> str:
    """Names as a line ends with them: ` (train, serve)`, ` (a, b, c and 5 more)`; each name once."""
    found = list(dict.fromkeys(names))
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f" ({', '.join(found[:_NAMED])}{more})" if found else ""
