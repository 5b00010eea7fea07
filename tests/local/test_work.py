from springtide.local.plane.kwok import DURATION
from springtide.local.rehearse.work import joined, trials
from springtide.local.render.placement import homeless
from springtide.local.render.pods import GPU
from springtide.local.render.substitute import substitute
from springtide.local.render.substitution import Here

from .local_plans import kubernetes, one, plan, plan_of


def tried(environment: str) -> dict[str, tuple[int, str]]:
    found = plan_of(environment)
    jobs = trials(found, substitute(found, Here()).objects, Here())
    return {
        item["metadata"]["name"]: (
            item["spec"]["completions"],
            item["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"][GPU],
        )
        for item in jobs
    }


def test_a_platform_without_work_is_tried_on_two_whole_nodes_of_each_pool() -> None:
    assert tried("prod-aws") == {"trial-serve": (2, "1"), "trial-train": (2, "8")}
    assert tried("prod-gcp") == {"trial-serve": (2, "1"), "trial-train": (2, "8")}


def test_a_pool_that_has_work_is_not_tried() -> None:
    assert tried("full") == {}
    assert tried("direct") == {}


def test_a_trial_fits_on_its_pool() -> None:
    for environment in ("prod-aws", "prod-gcp", "ladder", "gcp-ladder", "autopilot"):
        found = plan_of(environment)
        objects = substitute(found, Here()).objects
        assert homeless((*objects, *trials(found, objects, Here()))) == ()


def test_work_of_another_file_joins_its_platform_under_its_own_name() -> None:
    spec = {"template": {"spec": {"containers": [{"name": "main", "image": "main"}], "restartPolicy": "Never"}}}
    job = kubernetes("batch/v1:Job", "gpt", {"metadata": {"name": "gpt", "namespace": "springtide"}, "spec": spec})
    found = substitute(joined(plan_of("prod-aws"), plan((job,), name="research")), Here())
    assert one(found, "Job", "gpt")["metadata"]["labels"] == {"springtide.dev/environment": "research"}
    assert one(found, "NodePool", "serve")["metadata"]["labels"] == {"springtide.dev/environment": "research"}


def test_a_trial_is_the_environments_and_takes_as_long_as_a_run_does() -> None:
    found = plan_of("prod-aws")
    here = Here(real=True, run_seconds=9)
    [first, _] = trials(found, substitute(found, here).objects, here)
    assert first["metadata"]["namespace"] == "springtide"
    assert first["metadata"]["labels"]["springtide.dev/environment"] == "prod-aws"
    assert first["spec"]["template"]["metadata"]["annotations"][DURATION] == "9s"
