"""Fields that are given when an object is made, and left to others from then on."""

from tests.local.applied_objects import autoscaler, deployment

from springtide.local.cluster.given_once import autoscaled, given_once, settled
from springtide.local.cluster.refs import MANAGER, Object
from springtide.local.render.objects import KEEPS

REPLICAS = ("spec", "replicas")


def live(replicas: int, manager: str) -> Object:
    found = deployment("work", replicas)
    fields: Object = {"f:spec": {"f:replicas": {}}}
    found["metadata"]["managedFields"] = [{"manager": manager, "operation": "Update", "fieldsV1": fields}]
    return found


def test_what_an_autoscaler_names_is_scaled() -> None:
    assert autoscaled([deployment("work"), autoscaler("work")]) == {("Deployment", "work", "web")}


def test_a_scaled_objects_target_is_a_deployment_unless_it_says_otherwise() -> None:
    scaler = {**autoscaler("work"), "kind": "ScaledObject", "spec": {"scaleTargetRef": {"name": "web"}}}
    assert autoscaled([scaler]) == {("Deployment", "work", "web")}


def test_a_number_that_somebody_else_has_set_is_left_out() -> None:
    found = settled(deployment("work", 0), live(2, "kube-controller-manager"), [REPLICAS])
    assert "replicas" not in found["spec"]


def test_a_number_that_is_still_ours_is_repeated() -> None:
    assert settled(deployment("work", 0), live(2, MANAGER), [REPLICAS])["spec"]["replicas"] == 2


def test_zero_replicas_are_kept_at_zero() -> None:
    assert settled(deployment("work", 3), live(0, MANAGER), [REPLICAS])["spec"]["replicas"] == 0


def test_fields_are_named_by_the_objects_annotation() -> None:
    item = deployment("work")
    item["metadata"]["annotations"] = {KEEPS: "spec.replicas, spec.template.spec.containers[0].image"}
    assert given_once(item, scaled=False) == [REPLICAS, ("spec", "template", "spec", "containers", "0", "image")]


def test_whole_parts_are_the_judges_matter() -> None:
    item = deployment("work")
    item["metadata"]["annotations"] = {KEEPS: "metadata,spec"}
    assert given_once(item, scaled=True) == [REPLICAS]


def test_a_part_of_which_somebody_owns_a_field_is_not_theirs() -> None:
    found = live(2, "kube-controller-manager")
    assert settled(deployment("work", 2), found, [("spec",)])["spec"] == found["spec"]


def test_a_path_into_nothing_adds_nothing() -> None:
    item = deployment("work", 1)
    assert settled(item, live(2, MANAGER), [("spec", "nowhere", "deep"), ("nowhere",)]) == item
