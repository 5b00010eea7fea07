"""Applying objects to a real API server."""

import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.local.applied_objects import (
    TOO_HIGH,
    Remembers,
    autoscaler,
    deployment,
    job,
    named,
    namespace,
    settings,
    tide,
    tide_definition,
)
from tests.local.relay import Relay

from springtide.local.cluster.api import Api
from springtide.local.cluster.apply import Outcome, apply, remove
from springtide.local.cluster.diff import render
from springtide.local.cluster.errors import KubeconfigError, UnknownKindError, UnreachableError
from springtide.local.cluster.prune import Pruning
from springtide.local.cluster.refs import ENVIRONMENT, Object, Ref, managed
from springtide.local.plane.control_plane import ControlPlane

pytestmark = [pytest.mark.local, pytest.mark.enable_socket]
Apply = Callable[..., Outcome]


@pytest.fixture(scope="module")
def kubeconfig(control_plane: ControlPlane) -> Path:
    return control_plane.home.kubeconfig


@pytest.fixture(scope="module")
def api(kubeconfig: Path) -> Iterator[Api]:
    with Api.connect(kubeconfig) as connected:
        yield connected


@pytest.fixture
def place(api: Api) -> Iterator[str]:
    """A namespace's name, and an environment's: what is in it goes after the test, and nobody waits for that."""
    name = f"applied-{uuid.uuid4().hex[:8]}"
    yield name
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pruning, "_await_absence", lambda _self, _refs: None)
        remove(api, name, Remembers())


@pytest.fixture
def up(api: Api, place: str) -> Apply:
    def call(*objects: Object, dry_run: bool = False) -> Outcome:
        return apply(objects, api, place, Remembers(), dry_run=dry_run)

    return call


def versions(api: Api, *objects: Object) -> list[str]:
    """Resource versions, once the controllers have said all that they have to say of a change."""
    before: list[str] = []
    while True:
        now = [live(api, item)["metadata"]["resourceVersion"] for item in objects]
        if now == before:
            return now
        before = now
        time.sleep(0.5)


def live(api: Api, item: Object) -> Object:
    found = api.get(Ref.of(item))
    assert found is not None, f"{Ref.of(item)} is not there"
    return found


def names(refs: tuple[Ref, ...]) -> set[str]:
    return {str(ref) for ref in refs}


def test_applying_twice_changes_nothing(api: Api, up: Apply, place: str) -> None:
    objects = [namespace(place), settings(place, a="1"), deployment(place), job(place), autoscaler(place)]
    first = up(*objects)
    before = versions(api, *objects)
    second = up(*objects)
    assert len(first.created) == len(objects)
    assert second.difference.empty
    assert len(second.unchanged) == len(objects)
    assert versions(api, *objects) == before


def test_every_object_bears_the_label_and_the_manager(api: Api, up: Apply, place: str) -> None:
    objects = [namespace(place), settings(place, a="1")]
    up(*objects)
    for item in objects:
        found = live(api, item)
        assert found["metadata"]["labels"][ENVIRONMENT] == place
        assert managed(found)


def test_a_definition_comes_before_what_it_defines_whatever_the_order(api: Api, up: Apply, place: str) -> None:
    objects = [tide(place, 3, "Ebb"), settings(place, a="1"), namespace(place), tide_definition("ebbs", "Ebb")]
    done = up(*objects)
    assert not done.findings
    assert live(api, objects[0])["spec"] == {"height": 3}


def test_pruning_removes_exactly_what_left(api: Api, up: Apply, place: str) -> None:
    stays, goes = settings(place, "stays", a="1"), settings(place, "goes", a="1")
    up(namespace(place), stays, goes)
    foreign = settings(place, "foreign", a="1")
    foreign["metadata"]["labels"] = {ENVIRONMENT: place}
    api._call("POST", api.kind("v1", "ConfigMap").path(place), body=foreign)
    done = up(namespace(place), stays)
    assert names(done.pruned) == {f"ConfigMap {place}/goes"}
    assert api.get(Ref.of(goes)) is None
    assert live(api, foreign)
    assert live(api, stays)
    api.delete(Ref.of(foreign))


def test_another_environment_keeps_its_own(api: Api, up: Apply, place: str) -> None:
    mine, other = settings("default", f"{place}-mine", a="1"), settings("default", f"{place}-other", a="1")
    apply([other], api, f"{place}-other", Remembers())
    up(mine)
    up()
    assert api.get(Ref.of(mine)) is None
    assert live(api, other)
    remove(api, f"{place}-other", Remembers())
    assert api.get(Ref.of(other)) is None


def test_a_namespace_with_somebody_elses_things_stays_and_says_so(api: Api, up: Apply, place: str) -> None:
    up(namespace(place))
    foreign = settings(place, "notes", a="1")
    api._call("POST", api.kind("v1", "ConfigMap").path(place), body=foreign)
    done = remove(api, place, Remembers())
    assert f"ConfigMap {place}/notes is in it" in done.findings[0].message
    assert not done.refused
    assert live(api, namespace(place))["status"]["phase"] == "Active"
    api.delete(Ref.of(foreign))


def test_what_was_there_before_is_given_back_and_not_deleted(api: Api, up: Apply, place: str) -> None:
    theirs = settings("default", place, theirs="1")
    api._call("POST", api.kind("v1", "ConfigMap").path("default"), body=theirs)
    up(settings("default", place, ours="2"))
    assert live(api, theirs)["data"] == {"theirs": "1", "ours": "2"}
    done = remove(api, place, Remembers())
    after = live(api, theirs)
    assert not done.pruned
    assert after["data"] == {"theirs": "1"}
    assert ENVIRONMENT not in after["metadata"].get("labels", {})
    api.delete(Ref.of(theirs))


def test_a_broken_rule_is_told_with_the_object_and_nothing_is_applied(api: Api, up: Apply, place: str) -> None:
    up(tide_definition())
    wrong = deployment(place)
    wrong["spec"]["selector"] = {}
    done = up(tide_definition(), namespace(place), settings(place, a="1"), tide(place, 12), wrong)
    told = {(finding.where, finding.path) for finding in done.findings}
    assert done.refused
    assert (f"Tide {place}/high", "/spec") in told
    assert TOO_HIGH in " ".join(finding.message for finding in done.findings)
    assert {where for where, _ in told} == {f"Tide {place}/high", f"Deployment {place}/web"}
    assert api.get(Ref.of(namespace(place))) is None
    assert not done.created


def test_a_rule_that_comes_with_the_objects_holds_too(api: Api, up: Apply, place: str) -> None:
    done = up(tide_definition("neaps", "Neap"), namespace(place), tide(place, 12, "Neap"))
    assert [finding.message for finding in done.findings] == [f"Invalid value: {TOO_HIGH}"]
    assert api.get(Ref.of(namespace(place))) is None


def test_a_misspelt_field_is_refused_by_name(up: Apply, place: str) -> None:
    wrong = settings("default", place, a="1")
    wrong["datta"] = wrong.pop("data")
    fresh = {**wrong, "metadata": named("x", place)}
    done = up(namespace(place), wrong, fresh)
    assert {finding.path for finding in done.findings} == {"/datta"}
    assert len(done.findings) == 2


def test_a_kind_that_nobody_defines_is_refused(up: Apply, place: str) -> None:
    done = up({"apiVersion": "nobody.example/v1", "kind": "Nothing", "metadata": named(place)})
    assert done.refused
    assert "nobody.example/v1" in done.findings[0].message


def test_a_run_keeps_its_definition(api: Api, up: Apply, place: str) -> None:
    up(namespace(place), job(place, "train:1"))
    before = versions(api, job(place))
    foreseen = up(namespace(place), job(place, "train:2"), dry_run=True)
    done = up(namespace(place), job(place, "train:2"))
    assert names(done.kept) == {f"Job {place}/gpt-first"}
    assert versions(api, job(place)) == before
    assert foreseen.difference == done.difference
    assert "next run" in render(done.difference)
    assert "train:1 → train:2" in render(done.difference)


def test_what_cannot_be_changed_is_made_anew_and_the_diff_says_so(api: Api, up: Apply, place: str) -> None:
    up(namespace(place), deployment(place, app="web"))
    before = live(api, deployment(place))["metadata"]["uid"]
    foreseen = up(namespace(place), deployment(place, app="other"), dry_run=True)
    assert names(foreseen.replaced) == {f"Deployment {place}/web"}
    assert "immutable" in render(foreseen.difference)
    up(namespace(place), deployment(place, app="other"))
    after = live(api, deployment(place))
    assert after["metadata"]["uid"] != before
    assert after["spec"]["selector"]["matchLabels"] == {"app": "other"}


def test_a_volume_claim_is_never_made_anew(api: Api, up: Apply, place: str) -> None:
    def claim(mode: str) -> Object:
        spec = {"accessModes": [mode], "resources": {"requests": {"storage": "1Gi"}}}
        return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": named("corpus", place), "spec": spec}

    up(namespace(place), claim("ReadWriteOnce"))
    done = up(namespace(place), claim("ReadWriteMany"))
    assert [finding.rule for finding in done.findings] == ["local/cannot-change"]
    assert live(api, claim(""))["spec"]["accessModes"] == ["ReadWriteOnce"]


def test_an_autoscalers_number_of_replicas_is_left_alone(api: Api, up: Apply, place: str) -> None:
    objects = [namespace(place), deployment(place, 0), autoscaler(place)]
    up(*objects)
    scale = f"{api.kind('apps/v1', 'Deployment').path(place, 'web')}/scale"
    asked = {"fieldManager": "kube-controller-manager"}
    api._call("PATCH", scale, params=asked, body={"spec": {"replicas": 2}}, sends="application/merge-patch+json")
    done = up(namespace(place), deployment(place, 0, image="web:2"), autoscaler(place))
    found = live(api, objects[1])["spec"]
    assert [item.path for item in done.difference.changes[0].changes] == ["/spec/template/spec/containers/0/image"]
    assert (found["replicas"], found["template"]["spec"]["containers"][0]["image"]) == (2, "web:2")


def test_without_an_autoscaler_the_plans_number_holds(api: Api, up: Apply, place: str) -> None:
    up(namespace(place), deployment(place, 2))
    up(namespace(place), deployment(place, 0))
    assert live(api, deployment(place))["spec"]["replicas"] == 0


def test_secrets_are_shown_as_secrets(up: Apply, place: str) -> None:
    def secret(value: str) -> Object:
        return {"apiVersion": "v1", "kind": "Secret", "metadata": named("key", place), "stringData": {"key": value}}

    up(namespace(place), secret("correct horse"))
    done = up(namespace(place), secret("battery staple"), dry_run=True)
    told = render(done.difference)
    assert "/data/key: (secret) → (secret)" in told
    assert "YmF0dGVyeSBzdGFwbGU" not in told


def test_a_server_that_goes_away_in_the_middle_ends_in_a_clear_error_and_the_next_apply_finishes(
    api: Api, up: Apply, place: str, kubeconfig: Path, tmp_path: Path
) -> None:
    objects = [namespace(place), *(settings(place, f"part-{number}", a="1") for number in range(5))]
    with Relay(kubeconfig, tmp_path) as relay:
        progress = Remembers(then=lambda line: relay.cut() if "(4 of 6)" in line else None)
        with Api.connect(relay.kubeconfig) as far, pytest.raises(UnreachableError, match="3 of 6 objects") as told:
            apply(objects, far, place, progress)
    assert "does not answer" in str(told.value)
    assert live(api, objects[2])
    assert api.get(Ref.of(objects[5])) is None
    done = up(*objects)
    assert len(done.unchanged) + len(done.created) == len(objects)
    assert live(api, objects[5])


def test_a_server_that_is_not_there_is_told_by_address(tmp_path: Path, kubeconfig: Path) -> None:
    with Relay(kubeconfig, tmp_path) as relay:
        relay.cut()
        with Api.connect(relay.kubeconfig) as gone, pytest.raises(UnreachableError, match=f":{relay.port} does not"):
            gone.refresh()


def test_a_proxy_of_the_environment_does_not_stand_before_this_machine(
    kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with Api.connect(kubeconfig) as straight:
        assert straight.knows("v1", "ConfigMap")


def test_a_kind_is_found_after_its_definition_came(api: Api, up: Apply) -> None:
    with pytest.raises(UnknownKindError, match="has no kind Spring"):
        api.kind("test.springtide.dev/v1", "Spring")
    up(tide_definition("springs", "Spring"))
    assert api.kind("test.springtide.dev/v1", "Spring").plural == "springs"


def test_long_lists_come_whole(api: Api, up: Apply, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("springtide.local.cluster.api._PAGE", 2)
    up(namespace(place), *(settings(place, f"part-{number}", a="1") for number in range(5)))
    found = api.objects("v1", "ConfigMap", namespace=place, labels=f"{ENVIRONMENT}={place}")
    assert sorted(item["metadata"]["name"] for item in found) == [f"part-{number}" for number in range(5)]


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=40)
keys = st.from_regex(r"\A[a-z0-9][-._a-z0-9]{0,20}\Z")
quantities = st.sampled_from(["1", "1000m", "0.5", "512Mi", "1Gi", "1024Mi"])


@st.composite
def generated(draw: st.DrawFn) -> list[Object]:
    place = "default"
    configured = settings(place, "generated", **draw(st.dictionaries(keys, texts, max_size=5)))
    web = deployment(place, draw(st.integers(0, 3)), draw(st.sampled_from(["web:1", "registry.example/web:2"])))
    container = web["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [{"name": f"V{i}", "value": value} for i, value in enumerate(draw(st.lists(texts, max_size=3)))]
    container["resources"] = {"limits": {"cpu": draw(quantities), "memory": draw(quantities)}}
    container["ports"] = draw(st.sampled_from([[], [{"containerPort": 80}], [{"name": "http", "containerPort": 8000}]]))
    return [configured, web]


@hypothesis_settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(objects=generated())
def test_nothing_differs_after_an_apply(up: Apply, objects: list[Object]) -> None:
    assert not up(*objects).findings
    assert up(*objects, dry_run=True).difference.empty


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{}", "cannot be used"),
        ("kind: [", "cannot be used"),
        ("clusters: []\ncontexts: []\ncurrent-context: gone", "gone"),
    ],
)
def test_a_kubeconfig_that_is_none_is_told_by_path(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(text)
    with pytest.raises(KubeconfigError, match=says) as told:
        Api.connect(file)
    assert str(file) in str(told.value)
