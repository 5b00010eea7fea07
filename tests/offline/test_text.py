import re
from dataclasses import replace

import pytest

from springtide.offline import text
from springtide.offline.plan import Plan
from springtide.offline.report import Base, Report, printable, shown
from springtide.offline.scene import workloads

from .sample_plan import DIGEST, Sample, sample
from .sample_reports import TROUBLE, compared, finding, hostile, report

ESCAPE = "\x1b"


def lines(said: str) -> list[str]:
    return [re.sub(r" +", " ", line.strip()) for line in said.splitlines()]


def test_the_last_line_is_the_verdict() -> None:
    assert lines(text.render(report()))[-1] == "dev can be deployed: 20 resources, 0 warnings."
    assert lines(text.render(report(findings=TROUBLE)))[-1] == "dev is stopped by 1 finding; 1 warning."


def test_the_head_says_which_environment_this_is() -> None:
    said = text.render(report())
    assert said.startswith("dev  aws · us-east-1 · account 123456789012 · stacks/Pulumi.dev.yaml\n")
    assert "20 resources in 9 components" in said


def test_a_pool_is_told_with_floor_now_and_ceiling() -> None:
    said = text.render(report(sample(run="a", image=DIGEST, nodes=(0, 4)).plan()), width=120)
    (row,) = [line for line in lines(said) if line.startswith("train 1 × L4")]
    assert "0 / 2 / 4" in row


def test_components_are_a_tree_with_counts() -> None:
    said = lines(text.render(report()))
    assert "├── Network network 8: 4 Subnet, Eip, InternetGateway, NatGateway, Vpc" in said


def test_what_waits_says_for_what() -> None:
    plan = sample(run=None).plan()
    job, service = workloads(plan)
    assert [reason.partition(":")[0] for reason in job.waits_for] == ["a run", "an image", "a node"]
    assert [reason.partition(":")[0] for reason in service.waits_for] == ["a model", "an image", "a node"]


def test_a_pool_that_keeps_nodes_or_is_woken_lets_nobody_wait_for_one() -> None:
    warm = sample(run="a", image=DIGEST, nodes=(1, 2)).plan()
    woken = sample(run="a", image=DIGEST)
    woken.controllers("karpenter")
    assert workloads(warm)[0].waits_for == ()
    assert workloads(woken.plan())[0].waits_for == ()


def test_findings_come_last_errors_first_with_all_that_is_known_of_them() -> None:
    said = lines(text.render(report(findings=TROUBLE)))
    stop = said.index("Stops the plan (1)")
    assert said[stop + 1 : stop + 6] == [
        "stacks/Pulumi.dev.yaml:12 pools.train.max_nodes",
        "it is wrong. [spec/at-least]",
        "value: -1",
        "allowed: 1, 2",
        "fix: use 1 or more",
    ]
    assert stop < said.index("Warnings (1)") < said.index("Cannot tell (1)")
    assert "never shown" not in "".join(said)


def test_a_comparison_names_the_runs_that_are_hit() -> None:
    said = lines(text.render(compared()))
    assert "1 replaced, 1 deleted, 1 created, 18 unchanged" in said
    assert "! run a of job gpt: train is replaced (/instanceTypes/1); gpt-a is deleted" in said
    assert "/instanceTypes/1: (absent) → g6.2xlarge" in said


def test_many_changed_properties_are_counted() -> None:
    base = Sample()
    base.add("aws:kms/key:Key", "key", base.stack, {f"p{index}": 0 for index in range(12)})
    plan = Sample()
    plan.add("aws:kms/key:Key", "key", plan.stack, {f"p{index}": 1 for index in range(12)})
    assert "and 4 more properties" in lines(text.render(report(plan.plan(), base.plan())))


def test_a_rename_is_told() -> None:
    base = Sample()
    old = base.add("aws:kms/key:Key", "key", base.stack)
    plan = Sample()
    plan.add("aws:kms/key:Key", "main", plan.stack, options={"aliases": [old.urn]})
    assert "= aws kms Key main renamed from key" in lines(text.render(report(plan.plan(), base.plan())))


def test_a_service_without_a_pool_runs_on_the_system_nodes() -> None:
    made = sample()
    made.service("small", None, gpus=0)
    assert workloads(made.plan())[-1].runs_on == "system nodes, CPU"


def test_a_base_that_cannot_be_planned_is_said() -> None:
    base = Base(ref="main", note="its own plan fails")
    assert "cannot be compared: its own plan fails" in text.render(Report.of(sample().plan(), base))


def test_an_environment_that_is_stopped_shows_its_findings_alone() -> None:
    plan = Plan(environment={"name": "dev"}, made_with={}, resources=(), outputs={}, findings=(finding(),))
    assert lines(text.render(report(plan)))[:2] == ["dev", "nothing is registered"]


@pytest.mark.parametrize("width", [80, 140])
def test_no_line_is_wider_than_the_window(width: int) -> None:
    said = text.render(report(findings=TROUBLE), width=width)
    assert max(map(len, said.splitlines())) <= width


def test_no_figure_is_cut_to_fit_a_narrow_window() -> None:
    wide, narrow = (text.render(report(), width=width) for width in (140, 20))
    figures = re.findall(r"[\d.?]+ / [\d.?]+ / [\d.?]+", wide)
    assert figures
    assert re.findall(r"[\d.?]+ / [\d.?]+ / [\d.?]+", narrow) == figures


def test_a_message_that_repeats_a_book_is_cut() -> None:
    plan = Plan(
        environment={}, made_with={}, resources=(), outputs={}, findings=(replace(finding(), message="x" * 100_000),)
    )
    assert len(text.render(report(plan))) < 6_000


def test_colour_is_only_for_those_who_see_it() -> None:
    assert ESCAPE not in text.render(compared(), color=False)
    assert ESCAPE in text.render(compared(), color=True)


def test_names_cannot_steer_the_terminal() -> None:
    said = text.render(hostile(), color=False)
    assert ESCAPE not in said
    assert "\u202e" not in said


def test_untrusted_text_keeps_its_visible_characters() -> None:
    assert printable("a\x1b[2Jb\nc·é") == "a\N{REPLACEMENT CHARACTER}[2Jb\N{REPLACEMENT CHARACTER}c·é"


def test_values_are_shown_short_and_secrets_never() -> None:
    assert shown({"$secret": "sha256:abc"}) == "(secret)"
    assert shown("«urn:pulumi:dev::p::aws:ec2/vpc:Vpc::network#/id»") == "«network.id»"
    assert len(shown("x" * 500)) == 120
    assert (shown(0), shown(False), shown(None)) == ("0", "false", "null")


def test_the_coverage_of_validation_is_a_number() -> None:
    covered = {
        "aws:eks/nodeGroup:NodeGroup": {"paths": 20, "checked": 19},
        "aws:kms/key:Key": {"paths": 5, "checked": 5},
    }
    assert "24 of 25 input paths (96.0%) checked" in text.render(report(coverage=covered), width=140)
