from springtide.local.render.objects import KEEPS, UNKNOWN, has_unknown, kept, kubernetes_objects, placeholder_owners

from .local_plans import EVERY, all_of, kubernetes, one, plan, plan_of

ADDRESS = "«urn:pulumi:dev::springtide::aws:eks/cluster:Cluster::cluster#/endpoint»"


def config_map(name: str = "settings", **more: object) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, **more}


def test_objects_come_in_the_plans_order_under_their_own_names() -> None:
    first = kubernetes("core/v1:ConfigMap", "settings", config_map())
    second = kubernetes("apps/v1:Deployment", "chat", {"metadata": {"name": "chat"}, "spec": {}})
    found = kubernetes_objects(plan((first, second)))
    assert [(item["apiVersion"], item["kind"]) for item in found] == [("v1", "ConfigMap"), ("apps/v1", "Deployment")]


def test_what_is_read_is_not_made() -> None:
    theirs = kubernetes("core/v1:ConfigMap", "theirs", config_map(), id="default/theirs")
    assert kubernetes_objects(plan((theirs,))) == ()


def test_what_no_cluster_holds_is_no_object() -> None:
    assert {item["apiVersion"] for item in kubernetes_objects(plan_of("dev"))} >= {"v1", "karpenter.sh/v1"}
    assert not all_of(kubernetes_objects(plan_of("dev")), "Bucket")


def test_a_placeholder_that_is_a_number_becomes_one_that_can_be_seen() -> None:
    resource = kubernetes("core/v1:ConfigMap", "settings", config_map(data={"port": 1}), unknown=("/data/port",))
    [found] = kubernetes_objects(plan((resource,)))
    assert found["data"] == {"port": UNKNOWN}
    assert resource.inputs["data"] == {"port": 1}


def test_a_text_that_shows_its_placeholder_stays_as_it_is() -> None:
    resource = kubernetes("core/v1:ConfigMap", "settings", config_map(data={"url": ADDRESS}), unknown=("/data/url",))
    [found] = kubernetes_objects(plan((resource,)))
    assert found["data"]["url"] == ADDRESS
    assert placeholder_owners(ADDRESS) == ("urn:pulumi:dev::springtide::aws:eks/cluster:Cluster::cluster",)


def test_a_secrets_digest_counts_as_unknown() -> None:
    assert has_unknown({"data": {"key": {"$secret": "sha256:00"}}})
    assert has_unknown([{"«urn:x#/tags/*»": "value"}])
    assert not has_unknown({"data": {"key": "value", "count": 0, "none": None}})


def test_fields_that_are_given_once_are_named_on_the_object() -> None:
    chat = one(kubernetes_objects(plan_of("full")), "Deployment", "chat")
    assert chat["metadata"]["annotations"][KEEPS] == "spec.replicas"


def test_a_part_without_elements_goes_with_its_last_one() -> None:
    assert kept({"notes": {"a": 1}, "more": 2}, "notes", lambda _name: False) == {"more": 2}
    assert kept({"notes": []}, "notes", lambda _name: False) == {"notes": []}


def test_every_environment_has_objects_that_say_what_they_are() -> None:
    for name in EVERY:
        for item in kubernetes_objects(plan_of(name)):
            assert item["apiVersion"], name
            assert item["kind"], name
            assert item["metadata"]["name"], name
