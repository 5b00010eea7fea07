"""A last save fits the notice of its machines, or the plan says what to change."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide import grace, saves
from springtide.spec import JobSpec
from springtide_workloads.contract import PARAMETERS

from . import environment_files  # noqa: F401  loads the AWS SDK without its own warnings

GKE_SPOT = grace.Grace(notice_seconds=15, grace_seconds=12, shutdown_seconds=9, save_deadline_seconds=6)
EC2_SPOT = grace.Grace(notice_seconds=120, grace_seconds=110, shutdown_seconds=100, save_deadline_seconds=90)
ON_DEMAND = grace.Grace(notice_seconds=0, grace_seconds=590, shutdown_seconds=580, save_deadline_seconds=570)

JOBS = st.builds(
    JobSpec,
    recipe=st.sampled_from(["gpt_tiny", "gpt_small:batch=8", "gpt_small:width=4096", "team.models.bert"]),
    nodes=st.integers(1, 64),
    checkpoint_gib=st.none() | st.floats(0.1, 10_000),
    save_seconds=st.none() | st.floats(0.1, 1000),
    on_notice=st.sampled_from([None, "save", "leave"]),
)


@given(job=JOBS, allowed=st.sampled_from([GKE_SPOT, EC2_SPOT, ON_DEMAND]), bucket=st.booleans())
def test_whatever_is_accepted_fits_its_notice(job: JobSpec, allowed: grace.Grace, bucket: bool) -> None:
    save = saves.expected(job, bucket=bucket)
    if saves.findings(job, allowed, bucket=bucket):
        assert save.seconds is not None
        assert save.seconds > allowed.save_deadline_seconds
        return
    free = allowed.notice_seconds == 0 or job.on_notice == "leave" or save.seconds is None
    assert free or (save.seconds is not None and save.seconds <= allowed.save_deadline_seconds)


@given(job=JOBS)
def test_what_the_fix_says_is_enough(job: JobSpec) -> None:
    found = saves.findings(dataclasses.replace(job, save_seconds=None), GKE_SPOT, bucket=True)
    if not found:
        return
    nodes = int(found[0].fix.split("over ")[1].split(" nodes")[0])
    spread = dataclasses.replace(job, save_seconds=None, nodes=nodes)
    assert not saves.findings(spread, GKE_SPOT, bucket=True)
    assert not saves.findings(dataclasses.replace(job, on_notice="leave"), GKE_SPOT, bucket=True)


def test_a_measurement_counts_and_not_the_estimate() -> None:
    job = JobSpec(recipe="gpt_tiny", checkpoint_gib=1000.0, save_seconds=5.0)
    assert saves.expected(job, bucket=True) == saves.Save(seconds=5.0, gib=1000.0, measured=True)


def test_a_shape_of_ones_own_has_no_known_size() -> None:
    assert saves.expected(JobSpec(recipe="gpt_small:width=4096"), bucket=True).seconds is None
    assert saves.expected(JobSpec(recipe="gpt_small:lr=0.1"), bucket=True).gib == pytest.approx(0.95, abs=0.01)


def test_how_fast_a_file_system_is_is_not_guessed() -> None:
    assert saves.expected(JobSpec(recipe="gpt_small"), bucket=False).seconds is None


@pytest.mark.parametrize(
    ("job", "allowed", "says"),
    [
        (JobSpec(recipe="gpt_small"), EC2_SPOT, "90 s are left for it after a notice: a notice costs one step at most"),
        (JobSpec(recipe="team.bert"), GKE_SPOT, "at most one step is lost if it fits, else up to one interval"),
        (JobSpec(recipe="gpt_small", on_notice="leave"), GKE_SPOT, "a notice costs up to one checkpoint interval"),
        (JobSpec(recipe="gpt_small"), ON_DEMAND, "a lost one costs up to one checkpoint interval"),
    ],
)
def test_the_plan_says_which_case_holds(job: JobSpec, allowed: grace.Grace, says: str) -> None:
    assert says in saves.outlook(job, allowed, bucket=True)


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_sizes_of_our_recipes_are_those_of_their_models(name: str) -> None:
    import torch  # noqa: PLC0415  it takes seconds to import

    from springtide_workloads.recipes import RECIPES  # noqa: PLC0415  as above

    with torch.device("meta"):
        model = RECIPES[name](name=name).model.build()
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[name]
