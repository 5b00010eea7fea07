"""Kubernetes objects against the schemas of the cluster's own version."""

from typing import Any

import pytest
from kubernetes_validate.utils import ValidationError
from kubernetes_validate.utils import validate as reference
from tests.offline.validate.narrow import CLUSTER, DEPLOYMENT, GKE, JOB, changed, resource

from springtide.offline.validate import kubernetes, validate
from springtide.spec import Outcome

COMPONENT = "springtide:index:Cluster"


def told(token: str, path: str, value: Any) -> list[tuple[str, str, str]]:
    made = changed(token, path, value)
    return [(item.rule, item.path, item.fix) for item in kubernetes.check(made, "1.35")]


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("/spec/replcas", 1, ("k8s/schema", "/spec/replcas", "rename `replcas` to `replicas`")),
        ("/spec/selector", None, ("k8s/schema", "/spec/selector", "set `spec.selector`")),
        ("/spec/replicas", "two", ("k8s/schema", "/spec/replicas", "see the object's API reference")),
        ("/metadata/labels", {"a": {}}, ("k8s/schema", "/metadata/labels/a", "see the object's API reference")),
    ],
)
def test_a_mistake_in_an_object_has_its_path(path: str, value: Any, expected: tuple[str, str, str]) -> None:
    assert told(DEPLOYMENT, path, value) == [expected]


@pytest.mark.parametrize(
    "path", ["/spec/replcas", "/spec/template/spec/containers/0/ports/0/containerPort", "/spec/template"]
)
def test_it_refuses_what_the_package_itself_refuses(path: str) -> None:
    made = changed(DEPLOYMENT, path, "x")
    with pytest.raises(ValidationError):
        reference(made.inputs, "1.35", strict=True)
    assert list(kubernetes.check(made, "1.35"))


def test_api_version_and_kind_follow_from_the_type_where_the_inputs_leave_them_out() -> None:
    inputs = {"metadata": {"name": "springtide"}}
    assert list(kubernetes.check(resource("kubernetes:core/v1:Namespace", inputs), "1.35")) == []


def test_a_mistake_below_a_hidden_value_is_not_told() -> None:
    made = changed(DEPLOYMENT, "/spec/template/metadata", "«urn#/metadata»", unknown=("/spec/template/metadata",))
    assert list(kubernetes.check(made, "1.35")) == []


def test_a_patch_need_not_be_whole() -> None:
    made = resource("kubernetes:apps/v1:DeploymentPatch", {"metadata": {"name": "chat"}, "spec": {"replicas": 1}})
    assert list(kubernetes.check(made, "1.35")) == []


@pytest.mark.parametrize("token", ["kubernetes:helm.sh/v3:Release", "pulumi:providers:kubernetes", "aws:ec2/vpc:Vpc"])
def test_what_is_no_object_of_kubernetes_is_not_held_against_its_schemas(token: str) -> None:
    assert not kubernetes.is_object(token)


def test_objects_are_checked_against_the_clusters_own_version() -> None:
    job = changed(JOB, "/spec/template/spec/workloadRef", {"name": "gpt", "podGroup": "workers"})
    for version, known in (("1.34", False), ("1.35", True)):
        cluster = resource(COMPONENT, {"version": version}, custom=False)
        minor, findings = kubernetes.version([cluster, job])
        assert (minor, findings) == (version, ())
        assert bool(list(kubernetes.check(job, minor))) is not known


def test_the_component_says_the_version_before_the_clouds_own_resource_does() -> None:
    component = resource(COMPONENT, {"version": "1.34"}, custom=False)
    assert kubernetes.version([resource(CLUSTER), component])[0] == "1.34"


@pytest.mark.parametrize(("wanted", "used"), [("1.99", "1.37"), ("1.2", "1.25")])
def test_a_version_without_schemas_is_told_and_the_nearest_is_used(wanted: str, used: str) -> None:
    minor, (finding,) = kubernetes.version([changed(CLUSTER, "/version", wanted)])
    assert minor == used
    assert (finding.rule, finding.outcome, finding.stops) == ("k8s/version", Outcome.CANNOT_TELL, False)
    assert wanted in finding.message
    assert used in finding.message


def test_without_a_known_version_the_newest_is_used() -> None:
    hidden = changed(CLUSTER, "/version", "«urn#/version»", unknown=("/version",))
    assert kubernetes.version([hidden]) == kubernetes.version([]) == ("1.37", ())


def test_gke_names_its_version_in_a_member_of_its_own() -> None:
    assert kubernetes.version([resource(GKE)]) == ("1.35", ())


def test_a_kind_that_nothing_describes_is_counted_and_not_called_checked() -> None:
    pool = resource("kubernetes:nowhere.example/v1:NodePool", {"metadata": {"name": "train"}, "spec": {"limits": {}}})
    found = validate([pool])
    assert found.coverage == {pool.type: {"paths": 2, "checked": 0}}
    assert "NodePool of nowhere.example/v1" in found.findings[0].message
