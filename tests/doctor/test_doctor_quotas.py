"""What an account grants, held against what a plan asks for: the verdicts, and Service Quotas of AWS."""

import json
from pathlib import Path

import botocore.session
import pytest
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st
from tests.doctor import doctor_cases as cases
from tests.environment_files import BASE, project
from tests.fake_programs import FakePrograms, says
from tests.offline.sample_plan import Sample

from springtide.doctor import aws, quotas
from springtide.doctor.model import Row, State
from springtide.offline.plan import Plan
from springtide.offline.planner import plan_environment
from springtide.offline.quota import SYSTEM, asks, stuck
from springtide.target import find


def test_enough_for_every_node_is_good(tmp_path: Path, planned: cases.Planned) -> None:
    planned(cases.plan("aws", cases.P5))
    assert cases.rows(tmp_path, "aws") == {
        "L-417A185B": Row(
            check="quota L-417A185B",
            state=State.GOOD,
            found="1536 vCPU in us-east-1; needed: 192 for train (on-demand) to begin, 1536 at the most",
        )
    }


def test_the_zero_of_a_new_account_stops_a_pool_and_comes_with_the_command_that_asks(
    programs: FakePrograms, tmp_path: Path, planned: cases.Planned
) -> None:
    planned(cases.plan("aws", cases.P5))
    cases.aws(programs, cases.aws_limits({"L-417A185B": 0.0}))
    row = cases.rows(tmp_path, "aws")["L-417A185B"]
    assert row.state is State.WRONG
    assert row.found.startswith("train cannot begin: 0 vCPU in us-east-1")
    assert row.fix == (
        "aws service-quotas request-service-quota-increase --service-code ec2 --quota-code L-417A185B "
        "--desired-value 1536 --region us-east-1"
    )


@pytest.mark.parametrize(
    ("granted", "state"),
    [(191.0, State.WRONG), (192.0, State.LATER), (1535.0, State.LATER), (1536.0, State.GOOD)],
)
def test_some_nodes_are_enough_to_begin_with(
    programs: FakePrograms, tmp_path: Path, planned: cases.Planned, granted: float, state: State
) -> None:
    planned(cases.plan("aws", cases.P5))
    cases.aws(programs, cases.aws_limits({"L-417A185B": granted}))
    assert cases.states(tmp_path, "aws") == {"L-417A185B": state}


def test_spot_and_on_demand_are_told_apart_and_one_of_them_is_enough(
    programs: FakePrograms, tmp_path: Path, planned: cases.Planned
) -> None:
    planned(cases.plan("aws", {**cases.P5, "capacity": ["spot", "on-demand"]}))
    cases.aws(programs, cases.aws_limits({"L-C4BD4855": 0.0}))
    assert cases.states(tmp_path, "aws") == {"L-417A185B": State.GOOD, "L-C4BD4855": State.LATER}
    cases.aws(programs, cases.aws_limits({"L-C4BD4855": 0.0, "L-417A185B": 0.0}))
    assert cases.states(tmp_path, "aws") == {"L-417A185B": State.WRONG, "L-C4BD4855": State.WRONG}


def test_a_reservation_is_never_stopped_by_quota(
    programs: FakePrograms, tmp_path: Path, planned: cases.Planned
) -> None:
    planned(cases.plan("aws", {**cases.P5, "capacity": ["reserved", "on-demand"]}))
    cases.aws(programs, cases.aws_limits({"L-417A185B": 0.0}))
    assert cases.states(tmp_path, "aws") == {"L-417A185B": State.LATER}


def test_a_pool_is_named_only_where_it_is_stopped(
    programs: FakePrograms, tmp_path: Path, planned: cases.Planned
) -> None:
    small = {"name": "serve", "machineTypes": ["g6.xlarge"], "maxNodes": 2}
    large = {"name": "train", "machineTypes": ["g6.16xlarge"], "maxNodes": 2}
    planned(cases.plan("aws", small, large))
    cases.aws(programs, cases.aws_limits({"L-DB2E81BA": 8.0}))
    row = cases.rows(tmp_path, "aws")["L-DB2E81BA"]
    assert row.state is State.WRONG
    assert row.found.startswith("train cannot begin: 8 vCPU")


def test_a_quota_that_was_never_granted_is_what_accounts_begin_with(
    programs: FakePrograms, tmp_path: Path, planned: cases.Planned
) -> None:
    planned(cases.plan("aws", cases.P5))
    default = {
        "ServiceCode": "ec2",
        "QuotaCode": "L-417A185B",
        "QuotaArn": "arn:aws:servicequotas:us-east-1::ec2/L-417A185B",
        "Value": 0.0,
    }
    cases.aws(
        programs,
        says("service-quotas", "list-service-quotas", out={"Quotas": []}),
        says("service-quotas", "get-aws-default-service-quota", out={"Quota": default}),
    )
    assert cases.states(tmp_path, "aws") == {"L-417A185B": State.WRONG}
    assert programs.asked[-1][:7] == [
        *("aws", "service-quotas", "get-aws-default-service-quota", "--service-code", "ec2"),
        *("--quota-code", "L-417A185B"),
    ]


def test_quotas_of_another_account_say_nothing_about_ours(
    programs: FakePrograms, tmp_path: Path, planned: cases.Planned
) -> None:
    planned(cases.plan("aws", cases.P5))
    cases.aws(programs, cases.aws_limits(account="210987654321"))
    [row] = cases.rows(tmp_path, "aws").values()
    assert (row.state, row.fix) == (State.UNKNOWN, "see the row `account`")
    assert "210987654321" in row.found


def test_without_a_login_one_row_says_what_is_needed(
    programs: FakePrograms, tmp_path: Path, planned: cases.Planned
) -> None:
    planned(cases.plan("aws", {**cases.P5, "capacity": ["spot", "on-demand"]}))
    cases.aws(programs, says("service-quotas", err="Unable to locate credentials.\n", status=253))
    assert cases.rows(tmp_path, "aws") == {
        "quota": Row(
            check="quota",
            state=State.UNKNOWN,
            found="Unable to locate credentials; the plan needs L-417A185B 1536 vCPU, L-C4BD4855 1536 vCPU",
            fix="it takes credentials that may call servicequotas:ListServiceQuotas",
        )
    }


def test_a_quota_without_a_code_is_not_passed_over(tmp_path: Path, planned: cases.Planned) -> None:
    planned(cases.plan("aws", {**cases.P5, "machineTypes": ["p6-b200.48xlarge"], "capacity": ["spot", "on-demand"]}))
    found = cases.rows(tmp_path, "aws")
    assert found["L-417A185B"].state is State.GOOD
    assert found["(code not known)"].state is State.UNKNOWN
    assert found["(code not known)"].fix.startswith("look for it by name: aws service-quotas list-service-quotas")


def test_one_of_several_accelerators_is_enough_to_begin_with() -> None:
    plan = cases.plan("gcp", {**cases.MEGA, "machineTypes": ["a3-highgpu-8g", "a3-megagpu-8g"]})
    high, mega, every = asks(plan)
    assert stuck(plan, {high: 0, mega: 8, every: 8}) == ()
    assert stuck(plan, {high: 0, mega: 7, every: 8}) == ("train",)
    assert stuck(plan, {high: 8, mega: 8, every: 7}) == ("train",)
    assert stuck(plan, {high: 0}) == ()


def test_the_clusters_own_node_groups_begin_together() -> None:
    made = Sample()
    for name in ("one", "two"):
        scaling = {"minSize": 2, "maxSize": 3}
        made.add(
            "aws:eks/nodeGroup:NodeGroup", name, made.stack, {"instanceTypes": ["m7i.large"], "scalingConfig": scaling}
        )
    plan = made.plan(environment={"name": "dev", "cloud": "aws", "region": "us-east-1"})
    [own] = asks(plan)
    assert (own.parts[0].start, own.most) == (8, 12)
    assert stuck(plan, {own: 8}) == ()
    assert stuck(plan, {own: 7}) == (SYSTEM,)


@given(limits=st.lists(st.integers(0, 400), min_size=2, max_size=2), more=st.integers(0, 400))
def test_more_quota_never_stops_a_pool(limits: list[int], more: int) -> None:
    plan = cases.plan("aws", {**cases.P5, "capacity": ["spot", "on-demand"]}, {**cases.P5, "name": "other"})
    wanted = asks(plan)
    before = stuck(plan, dict(zip(wanted, limits, strict=True)))
    after = stuck(plan, dict(zip(wanted, [limit + more for limit in limits], strict=True)))
    assert set(after) <= set(before)
    assert stuck(plan, {}) == ()


def test_a_plan_that_does_not_come_out_asks_for_nothing_known(tmp_path: Path, planned: cases.Planned) -> None:
    planned(Plan(environment={"name": "dev"}, made_with={}, resources=(), outputs={}, findings=(), seconds={}))
    [row] = aws.quota(cases.MACHINE, cases.target(tmp_path))
    assert (row.state, row.fix) == (State.UNKNOWN, "springtide plan dev")


def test_a_stack_without_machines_needs_no_quota(tmp_path: Path, planned: cases.Planned) -> None:
    planned(cases.plan("aws", {**cases.P5, "capacity": ["reserved"]}))
    assert cases.states(tmp_path, "aws") == {"quota": State.GOOD}


def test_work_is_held_against_the_plan_of_its_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = project(tmp_path, BASE)
    (root / "stacks" / "Pulumi.work.yaml").write_text("config:\n  on: dev\n")
    asked: list[str] = []

    def plan(_root: Path, environment: str) -> Plan:
        asked.append(environment)
        return cases.plan("aws", cases.P5)

    monkeypatch.setattr(quotas, "plan_environment", plan)
    assert [row.state for row in aws.quota(cases.MACHINE, find("work", root))] == [State.GOOD]
    assert asked == ["dev"]


def test_the_planner_is_asked_for_real(programs: FakePrograms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole environment: pools on spot and the cluster's own nodes, in an account as it begins."""
    monkeypatch.setattr(quotas, "plan_environment", plan_environment)
    root = project(tmp_path, BASE)
    cases.aws(programs, cases.aws_limits({"L-3819A6DF": 0.0, "L-1216C47A": 2.0}))
    found = {row.check: row for row in aws.quota(cases.MACHINE, find("dev", root))}
    assert {check: row.state for check, row in found.items()} == {
        "quota L-3819A6DF": State.WRONG,
        "quota L-1216C47A": State.WRONG,
    }
    assert found["quota L-3819A6DF"].found.startswith("serve, train cannot begin: 0 vCPU in us-east-1; needed: 4 for")
    assert found["quota L-1216C47A"].found.startswith("system nodes cannot begin: 2 vCPU")


def test_what_aws_is_asked_and_answers_here_is_as_its_api_has_it(
    programs: FakePrograms, tmp_path: Path, planned: cases.Planned
) -> None:
    planned(cases.plan("aws", cases.P5))
    cases.aws(programs, cases.aws_limits({"L-417A185B": 0.0}))
    fix = cases.rows(tmp_path, "aws")["L-417A185B"].fix
    service = botocore.session.get_session().get_service_model("service-quotas")
    [listed, *_] = [words for words in programs.asked if "list-service-quotas" in words]
    for words, operation in ((listed, "ListServiceQuotas"), (fix.split(), "RequestServiceQuotaIncrease")):
        shape = service.operation_model(operation).input_shape
        options = dict(zip(words[3::2], words[4::2], strict=True))
        given = {_member(option): value for option, value in options.items() if option not in {"--region", "--output"}}
        typed = {key: float(value) if key == "DesiredValue" else value for key, value in given.items()}
        assert not ParamValidator().validate(typed, shape).has_errors()
    answer = json.loads(str(cases.aws_limits()["out"]))
    shape = service.operation_model("ListServiceQuotas").output_shape
    assert not ParamValidator().validate(answer, shape).has_errors()
    assert set(answer["Quotas"][0]) <= set(service.shape_for("ServiceQuota").members)


def _member(option: str) -> str:
    return "".join(part.capitalize() for part in option.removeprefix("--").split("-"))
