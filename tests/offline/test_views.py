import pytest

from springtide.offline.plan import Plan
from springtide.offline.views import ClusterView, ControllersView, EnvironmentView, JobView, PoolView

from .sample_plan import DIGEST, sample


def test_a_view_has_every_argument_under_its_python_name() -> None:
    (train, _) = sample(nodes=(0, 4)).plan().pools()
    assert (train.name, train.gpu, train.machine_types) == ("train", "L4", ("g6.xlarge", "g6.2xlarge"))
    assert (train.min_nodes, train.max_nodes, train.disk_gib) == (0, 4, 200)


def test_null_arguments_are_absent_from_a_plan_and_none_in_the_view() -> None:
    (job,) = sample(run=None).plan().jobs()
    assert (job.run, job.image, job.data) == (None, None, None)


def test_a_started_job_says_what_it_runs() -> None:
    (job,) = sample(run="2026-11-22a", image=DIGEST).plan().jobs()
    assert (job.run, job.image) == ("2026-11-22a", DIGEST)


def test_a_service_names_its_model_and_its_pool() -> None:
    (service,) = sample().plan().services()
    assert (service.model, service.pool, service.min_replicas) == ({"job": "gpt"}, "serve", 1)


def test_a_missing_argument_is_said_to_come_from_another_version() -> None:
    with pytest.raises(ValueError, match="has no maxNodes, zones: the plan was made by another version"):
        PoolView.of("urn:pool", "train", {
            "cloud": "aws", "region": "r", "gpu": "L4", "gpusPerNode": 1, "machineTypes": [], "capacity": [],
            "minNodes": 0, "purpose": "general", "diskGib": 50,
        })  # fmt: skip


def test_views_survive_the_plans_way_through_json() -> None:
    plan = sample(run="a").plan()
    again = Plan.from_json(plan.to_json())
    assert (again.pools(), again.jobs(), again.services()) == (plan.pools(), plan.jobs(), plan.services())


def test_limits_of_the_environment_are_seen() -> None:
    (environment,) = EnvironmentView.among(sample().plan().resources)
    assert (environment.account, environment.budget_usd_per_hour, environment.exempt) == ("123456789012", 20, ())


def test_the_api_is_reached_from_a_list_of_ranges_or_is_private() -> None:
    plan = sample().plan()
    (cluster,) = ClusterView.among(plan.resources)
    assert cluster.access == ("203.0.113.0/24",)


@pytest.mark.parametrize(("charts", "wakes"), [((), False), (("metrics-server",), False), (("karpenter",), True)])
def test_only_an_autoscaler_wakes_nodes(charts: tuple[str, ...], wakes: bool) -> None:
    assert ControllersView(urn="u", name="c", installed=charts).wake_nodes is wakes


def test_zero_is_a_value_of_a_view() -> None:
    inputs = {
        "pool": "p", "nodes": 0, "gpusPerNode": 0, "recipe": "r", "noticeSeconds": 0, "graceSeconds": 0,
        "saveDeadlineSeconds": 0,
    }  # fmt: skip
    assert JobView.of("u", "j", inputs).nodes == 0
