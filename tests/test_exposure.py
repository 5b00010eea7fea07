"""Who can reach a service from outside its cluster: what a file may say, and what becomes of it."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from springtide import clouds, forward
from springtide.component import ArgumentsError
from springtide.offline.record import MistakeError, record
from springtide.schema import environment_schema
from springtide.service import ModelService
from springtide.spec import ModelSpec, PublicSpec, ServiceSpec

from .environment_files import BASE, edited, load, mistakes, project
from .recordings import Recorded, of_file, variables_of
from .workload_programs import recorded

PLACE = "      pool: serve\n      replicas"
MODEL = ModelSpec(job="gpt")
ZONE = "Z0123456789ABCDEFGHIJ"
NAMED = f"{{host: chat.example.com, auth: keys, zone: {ZONE}}}"


def exposed(how: str, text: str = BASE) -> str:
    return edited((PLACE, f"      expose: {how}\n{PLACE}"), text=text)


def wrong(tmp_path: Path, how: str) -> list[tuple[str, str]]:
    return [(item.rule, item.path) for item in mistakes(tmp_path, exposed(how))]


@pytest.mark.parametrize("how", ["none", "internal", NAMED, f"{{host: a.example.com, auth: open, zone: {ZONE}}}"])
def test_a_file_says_it_in_a_word_or_by_a_name(tmp_path: Path, how: str) -> None:
    assert load(tmp_path, exposed(how)).services["chat"].reached in {"none", "internal", "host"}
    text = exposed(how)
    assert list(Draft202012Validator(environment_schema()).iter_errors(yaml.safe_load(text))) == []


AT = "/services/chat/expose"
WRONG = {
    "a word that is none": ("public", "spec/one-of", AT),
    "a number": ("5", "settings/type", AT),
    "an address": (f"{{host: 'https://chat.example.com', auth: keys, zone: {ZONE}}}", "spec/host", f"{AT}/host"),
    "a bare label": (f"{{host: chat, auth: keys, zone: {ZONE}}}", "spec/host", f"{AT}/host"),
    "capitals": (f"{{host: Chat.example.com, auth: keys, zone: {ZONE}}}", "spec/host", f"{AT}/host"),
    "nobody asked": (f"{{host: chat.example.com, zone: {ZONE}}}", "spec/auth", f"{AT}/auth"),
    "an unknown way to ask": (f"{{host: chat.example.com, auth: key, zone: {ZONE}}}", "spec/one-of", f"{AT}/auth"),
    "no zone": ("{host: chat.example.com, auth: keys}", "settings/required", f"{AT}/zone"),
    "a zone of another cloud": (
        "{host: chat.example.com, auth: keys, zone: example-com}",
        "aws/dns-zone",
        f"{AT}/zone",
    ),
    "a key that means nothing": (
        f"{{hots: a.b.com, host: c.b.com, auth: keys, zone: {ZONE}}}",
        "settings/unknown-key",
        f"{AT}/hots",
    ),
}


@pytest.mark.parametrize(("how", "rule", "path"), WRONG.values(), ids=list(WRONG))
def test_a_mistake_is_told_at_its_own_key(tmp_path: Path, how: str, rule: str, path: str) -> None:
    assert wrong(tmp_path, how) == [(rule, path)]


def test_a_name_in_an_adopted_network_of_aws_is_refused_and_an_internal_address_is_not(tmp_path: Path) -> None:
    own = "network: {cidr: 10.0.0.0/16, nat: one}"
    theirs = (
        "network: {existing: vpc-0123456789abcdef0, subnets: {use1-az1: subnet-0123456789abcdef0,"
        " use1-az2: subnet-0123456789abcdef1}}"
    )
    named = [(item.rule, item.path) for item in mistakes(tmp_path, edited((own, theirs), text=exposed(NAMED)))]
    assert named == [("aws/public-subnets", AT)]
    load(tmp_path, edited((own, theirs), text=exposed("internal")))


def test_one_name_for_two_services_is_refused_at_the_second(tmp_path: Path) -> None:
    two = f"  services:\n    another: {{model: {{job: gpt}}, expose: {NAMED}}}\n"
    found = mistakes(tmp_path, edited(("  services:\n", two), text=exposed(NAMED)))
    assert [(item.rule, item.path) for item in found] == [("services/host", AT + "/host")]
    assert "leads to service another" in found[0].message


@pytest.fixture(scope="module")
def plan() -> Recorded:
    return of_file("exposed")


@pytest.mark.parametrize("name", ["exposed", "gcp-exposed"])
def test_every_service_keeps_its_address_inside_the_cluster(name: str) -> None:
    """So `springtide open` reaches each of them, and so do other pods."""
    services = of_file(name).outputs["services"]["value"]
    assert services.keys() == {"batch", "chat", "demo", "tools"}
    found = {key: forward.address_of(value) for key, value in services.items()}
    assert {key: item and item.name for key, item in found.items()} == {key: key for key in services}


@pytest.mark.parametrize("name", ["exposed", "gcp-exposed"])
def test_what_is_exposed_has_an_address_for_those_outside_as_well(name: str) -> None:
    found = of_file(name).outputs["addresses"]["value"]
    assert found.keys() == {"chat", "demo", "tools"}
    assert found["chat"] == "https://chat.example.com"
    assert found["tools"].startswith("http://«")


def test_servers_ask_for_keys_just_where_the_file_says_so(plan: Recorded) -> None:
    asked = {item.name: "SPRINGTIDE_KEYS_FILE" in variables_of(item) for item in plan.all("Deployment")}
    assert asked == {"chat": True, "demo": False, "tools": False, "batch": False}


def test_the_plan_says_what_waits_for_keys_and_what_everybody_may_use(plan: Recorded) -> None:
    told = {item.path: item.rule for item in plan.warnings if item.rule.startswith("services/")}
    assert told == {
        "/services/chat/expose/auth": "services/keys",
        "/services/demo/expose/auth": "services/open",
    }
    [keys] = [item for item in plan.warnings if item.rule == "services/keys"]
    assert "kubectl create secret generic chat-keys --from-file=keys=" in keys.fix


def test_the_component_says_how_it_is_reached(plan: Recorded) -> None:
    said = {item.name: item.inputs["expose"] for item in plan.all("ModelService")}
    assert said["tools"] == "internal"
    assert said["chat"] == {"host": "chat.example.com", "auth": "keys", "zone": ZONE}


JOB = """\
job = {"name": "gpt", "started": True, "artifacts_url": "s3://b/jobs/gpt/first", "storage": BUCKET}
SERVE = {"cluster": CLUSTER, "pool": POOL, "model": {"job": job}, "image": IMAGE}
"""


def test_a_component_of_its_own_is_exposed_by_its_arguments() -> None:
    cluster = 'with_controllers("aws-load-balancer-controller")'
    public = '{"host": "chat.example.com", "auth": "open", "zone": "Z0123456789ABC"}'
    found = recorded(
        JOB
        + f'ModelService("chat", {{**SERVE, "cluster": {{**{cluster}, "public_subnets": ["subnet-a", "subnet-b"]}}, '
        f'"public": {public}}})'
    )
    assert found.one("LoadBalancer", "chat").inputs["subnets"] == ["subnet-a", "subnet-b"]


def refused(**more: Any) -> list[tuple[str, str]]:
    place = {"name": "dev", "cloud": "aws", "account": "1", "region": "r"}
    cluster = {"environment": place, "version": "1.35", "mode": "standard", "namespace": "s", "controllers": {}}
    storage = {"name": "b", "url": "s3://b", "resource": "r", "claim": "", "mount_path": ""}
    job = {"name": "gpt", "started": True, "artifacts_url": "s3://b/x", "storage": storage}
    args: Any = {"cluster": cluster, "model": {"job": job}, **more}
    with pytest.raises(ArgumentsError) as error:
        ModelService("chat", args)
    return [(item.rule, item.path) for item in error.value.findings]


def test_an_exposure_whose_controller_is_absent_is_refused() -> None:
    assert refused(expose="internal") == [("controllers/absent", "/expose")]


def test_a_name_needs_public_subnets_that_somebody_knows() -> None:
    public = {"host": "chat.example.com", "auth": "keys", "zone": ZONE}
    assert set(refused(public=public)) == {("aws/public-subnets", "/expose"), ("controllers/absent", "/expose")}


def test_a_cloud_without_load_balancers_is_named_with_those_that_have_them(monkeypatch: pytest.MonkeyPatch) -> None:
    made = {"bare": object(), "able": clouds.load("aws")}
    monkeypatch.setattr(clouds, "available", lambda: tuple(made))
    monkeypatch.setattr(clouds, "load", made.__getitem__)
    spec = ServiceSpec(model=MODEL, expose="internal")
    [found] = clouds.service_findings("bare", spec, adopted=False)
    assert (found.rule, found.path) == ("clouds/absent", "/expose")
    assert "clouds that can: able" in found.fix
    assert clouds.service_findings("bare", ServiceSpec(model=MODEL), adopted=False) == []
    assert clouds.service_findings("able", spec, adopted=False) == []


def test_a_service_is_reached_from_where_it_says() -> None:
    public = PublicSpec(host="a.example.com", zone=ZONE, auth="keys")
    reached = [ServiceSpec(model=MODEL, expose=how) for how in ("none", "internal", public)]
    assert [(item.reached, item.public) for item in reached] == [("none", None), ("internal", None), ("host", public)]


def test_work_on_a_platform_is_exposed_by_what_the_platform_has(tmp_path: Path) -> None:
    text = "  controllers: {install: [aws-load-balancer-controller]}\n  policies"
    root = project(tmp_path, edited(("  policies", text)), "base")
    team = "config: {on: base, jobs: {gpt: {recipe: gpt_tiny, pool: train, checkpoints: artifacts, run: one}}, "
    team += f"services: {{chat: {{model: {{job: gpt}}, pool: serve, expose: {NAMED}}}}}, "
    team += f'images: {{digest: "sha256:{"ab" * 32}"}}}}\n'
    (root / "stacks" / "Pulumi.team.yaml").write_text(team)
    found = record(root, "team")
    [balancer] = [item for item in found.resources if item.type.endswith(":LoadBalancer")]
    assert ["network-public-use1-az" in subnet for subnet in balancer.inputs["subnets"]] == [True, True]
    assert not [item for item in found.resources if item.type.endswith(":Release")]


def test_work_is_refused_where_its_platform_lacks_the_controller(tmp_path: Path) -> None:
    root = project(tmp_path, BASE, "base")
    team = "config: {on: base, jobs: {gpt: {recipe: gpt_tiny, pool: train, checkpoints: artifacts, run: one}}, "
    team += "services: {chat: {model: {job: gpt}, pool: serve, expose: internal}}}\n"
    (root / "stacks" / "Pulumi.team.yaml").write_text(team)
    with pytest.raises(MistakeError) as error:
        record(root, "team")
    assert "aws-load-balancer-controller, which the platform does not bring" in str(error.value)
