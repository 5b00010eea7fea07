"""Whether a run's last save fits the notice that its machines give, and what to change where it does not."""

import math
from dataclasses import dataclass

from springtide.grace import Grace
from springtide.spec import Finding, JobSpec, refuse
from springtide_workloads.contract import PARAMETERS, SHAPE_KEYS

BYTES_PER_PARAMETER = 12
"""What AdamW's checkpoint holds of one: the weight and two moments, 4 bytes each."""
BUCKET_GIB_PER_SECOND = 0.95
"""What one machine writes to a bucket: 12 parts of an upload at once (obstore), 85 MB/s each (Amazon's guide to the
performance of S3 gives 85 to 90 a request). Google's figure is taken to be the same and was not verified."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Save:
    """How long a save takes, as far as that is known before the run."""

    seconds: float | None
    """None where neither a size nor a measurement is known."""
    gib: float | None
    measured: bool

    @property
    def told(self) -> str:
        """In words."""
        if self.seconds is None:
            return "nobody said how long a save takes"
        if self.measured:
            return f"a save took {self.seconds:g} s when it was measured"
        return f"a save takes about {self.seconds:.1f} s (estimated: {self.gib:.1f} GiB)"


def expected(spec: JobSpec, *, bucket: bool) -> Save:
    """What is known of a job's saves: as measured, else as estimated from their size and the machines that share it.

    Args:
        spec: The job.
        bucket: Whether it saves to a bucket; how fast a file system is depends on all who use it, and is not guessed.
    """
    gib = spec.checkpoint_gib if spec.checkpoint_gib is not None else _built_in_gib(spec.recipe)
    if spec.save_seconds is not None:
        return Save(seconds=spec.save_seconds, gib=gib, measured=True)
    if gib is None or not bucket:
        return Save(seconds=None, gib=gib, measured=False)
    return Save(seconds=gib / (BUCKET_GIB_PER_SECOND * max(spec.nodes, 1)), gib=gib, measured=False)


def _built_in_gib(recipe: str) -> float | None:
    """Size of a checkpoint of one of the image's own recipes; None for others and for another shape."""
    name, _, rest = recipe.partition(":")
    keys = {part.partition("=")[0] for part in rest.split(",")}
    if name not in PARAMETERS or keys & SHAPE_KEYS:
        return None
    return PARAMETERS[name] * BYTES_PER_PARAMETER / 2**30


def findings(spec: JobSpec, allowed: Grace, *, bucket: bool) -> list[Finding]:
    """What is impossible: a last save that takes longer than a notice leaves for it."""
    save, deadline = expected(spec, bucket=bucket), allowed.save_deadline_seconds
    if not allowed.notice_seconds or spec.leaves or save.seconds is None or save.seconds <= deadline:
        return []
    key = "/save_seconds" if save.measured else "/checkpoint_gib" if spec.checkpoint_gib is not None else "/recipe"
    value = {"/save_seconds": spec.save_seconds, "/checkpoint_gib": spec.checkpoint_gib}.get(key, spec.recipe)
    message = (
        f"{save.told}, and a notice of {allowed.notice_seconds} s leaves {deadline} s for it: "
        "the last save of an interrupted run would never be whole."
    )
    return [refuse("jobs/save", key, value, message, _fix(spec, save.seconds, deadline, bucket=bucket))]


def _fix(spec: JobSpec, seconds: float, deadline: int, *, bucket: bool) -> str:
    nodes = math.ceil(spec.nodes * seconds / deadline)
    elsewhere = "a bucket" if not bucket else "a file system (kind: shared)"
    return (
        f"spread the state over {nodes} nodes or more (each writes its own part), keep checkpoints on {elsewhere} that takes "
        f"them faster and give its measured save_seconds, use capacity that is not taken back, or write on_notice: leave and "
        f"a short save_every in the recipe: a notice then costs up to that interval"
    )


def outlook(spec: JobSpec, allowed: Grace, *, bucket: bool) -> str:
    """What an interruption costs a run, in words for the plan."""
    if not allowed.notice_seconds:
        return "no machine is taken back with notice; a lost one costs up to one checkpoint interval"
    if spec.leaves:
        return "a notice costs up to one checkpoint interval, as on_notice: leave says"
    save = expected(spec, bucket=bucket)
    within = f"{allowed.save_deadline_seconds} s are left for it after a notice"
    if save.seconds is None:
        return f"{save.told}; {within}: at most one step is lost if it fits, else up to one interval"
    return f"{save.told}; {within}: a notice costs one step at most"
