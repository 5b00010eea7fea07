"""A GCP project before its first environment, as the offline plan records it."""

from typing import Any

import pytest
from tests.bootstrap.bootstrap_files import recorded, text
from tests.environment_files import edited
from tests.recordings import Recorded

from springtide.ci import CiSpec
from springtide.clouds import bootstrap
from springtide.clouds.gcp.bootstrap import CI_APIS, DEPLOYS_WITH

PROJECT = "your-project-id"
DEPLOY = f"springtide-gcp-deploy@{PROJECT}.iam.gserviceaccount.com"
PUSH = f"springtide-gcp-push@{PROJECT}.iam.gserviceaccount.com"
KEY = f"projects/{PROJECT}/locations/us-central1/keyRings/springtide-gcp/cryptoKeys/state"
BUCKET = f"springtide-gcp-state-{PROJECT}"


@pytest.fixture(scope="module")
def found() -> Recorded:
    return recorded(text("gcp"), "gcp")


def test_the_clouds_models_find_nothing_wrong_with_it(found: Recorded) -> None:
    assert found.warnings == ()


def test_everything_is_made_in_the_project_of_the_file(found: Recorded) -> None:
    provider = found.one("gcp", "gcp")
    assert provider.inputs["project"] == PROJECT
    others = [item for item in found.resources if item.custom and item.urn != provider.urn]
    assert {item.provider for item in others} == {provider.urn}
    assert {item.inputs["project"] for item in others if "project" in item.inputs} == {PROJECT}


def test_what_later_stacks_live_on_is_protected_and_the_rest_is_not(found: Recorded) -> None:
    protected = {item.type.rpartition(":")[2] for item in found.resources if item.options["protect"]}
    assert {"Bucket", "CryptoKey", "KeyRing", "Repository"} <= protected
    assert not {"Account", "WorkloadIdentityPool", "BucketIAMMember"} & protected


def test_apis_are_on_before_what_needs_them_and_stay_on(found: Recorded) -> None:
    services = {item.inputs["service"]: item for item in found.all("Service")}
    assert {item.inputs["disableOnDestroy"] for item in services.values()} == {False}
    for kind, api in [("KeyRing", "cloudkms"), ("Repository", "artifactregistry"), ("Repository", "containerscanning")]:
        [made] = found.all(kind)
        assert found.needs(made, services[f"{api}.googleapis.com"])
    for made in (*found.all("WorkloadIdentityPool"), *found.all("Account"), *found.all("IAMMember")):
        assert all(found.needs(made, services[f"{api}.googleapis.com"]) for api in CI_APIS)


def test_the_key_rotates_and_can_be_had_back(found: Recorded) -> None:
    key = found.one("CryptoKey", "secrets").inputs
    assert {name: value for name, value in key.items() if name != "keyRing"} == {
        "name": "state",
        "purpose": "ENCRYPT_DECRYPT",
        "rotationPeriod": "7776000s",
        "destroyScheduledDuration": "2592000s",
    }
    assert found.one("KeyRing", "secrets").inputs == {"name": "springtide-gcp", "location": "us-central1"}


def test_a_tag_never_changes_every_image_is_scanned_and_only_untagged_ones_go(found: Recorded) -> None:
    assert found.one("Repository", "images").inputs == {
        "repositoryId": "springtide",
        "location": "us-central1",
        "format": "DOCKER",
        "dockerConfig": {"immutableTags": True},
        "vulnerabilityScanningConfig": {"enablementConfig": "INHERITED"},
        "cleanupPolicyDryRun": False,
        "cleanupPolicies": [
            {
                "id": "untagged-images",
                "action": "DELETE",
                "condition": {"tagState": "UNTAGGED", "olderThan": "1209600s"},
            }
        ],
    }


def test_only_tokens_of_one_repository_are_taken_at_all(found: Recorded) -> None:
    provider = found.one("WorkloadIdentityPoolProvider", "github").inputs
    assert provider["oidc"] == {"issuerUri": "https://token.actions.githubusercontent.com"}
    assert provider["attributeCondition"] == "assertion.repository == 'your-company/your-fork'"
    assert provider["attributeMapping"]["google.subject"] == "assertion.sub"


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("deploy-dev", "repo:your-company/your-fork:environment:dev"),
        ("push-refs-heads-main", "repo:your-company/your-fork:ref:refs/heads/main"),
    ],
)
def test_an_account_is_for_one_subject(found: Recorded, name: str, subject: str) -> None:
    member = found.one("IAMMember", name, "serviceaccount/").inputs
    assert member["role"] == "roles/iam.workloadIdentityUser"
    head, _, tail = member["member"].partition("/subject/")
    assert (head.startswith("principal://iam.googleapis.com/"), tail) == (True, subject)
    assert found.one("WorkloadIdentityPool", "github").urn in head
    assert found.needs(
        found.one("IAMMember", name, "serviceaccount/"), found.one("WorkloadIdentityPoolProvider", "github")
    )


def roles(found: Recorded, account: str) -> dict[str, str]:
    """What an account was given: role and what it holds for."""
    members = [item for item in found.resources if item.inputs.get("member") == f"serviceAccount:{account}"]
    places = ("bucket", "cryptoKeyId", "repository", "project")
    return {
        item.inputs["role"]: next(item.inputs[place] for place in places if place in item.inputs) for item in members
    }


def test_whoever_deploys_reads_and_writes_state_and_uses_the_key(found: Recorded) -> None:
    given = roles(found, DEPLOY)
    assert given.pop("roles/storage.objectAdmin") == BUCKET
    assert given.pop("roles/cloudkms.cryptoKeyEncrypterDecrypter") == KEY
    assert given == dict.fromkeys(DEPLOYS_WITH, PROJECT)


def test_what_a_deployment_may_do_can_be_narrowed() -> None:
    narrow = edited(("    branch: main", "    permissions: [roles/viewer]\n    branch: main"), text=text("gcp"))
    given = roles(recorded(narrow, "gcp"), DEPLOY)
    assert [role for role, place in given.items() if place == PROJECT] == ["roles/viewer"]


def test_whoever_pushes_images_can_do_nothing_else(found: Recorded) -> None:
    repository = f"projects/{PROJECT}/locations/us-central1/repositories/springtide"
    assert roles(found, PUSH) == {"roles/artifactregistry.writer": repository}


def test_no_account_has_a_key(found: Recorded) -> None:
    assert [item for item in found.resources if item.type.startswith("gcp:serviceaccount/key")] == []


def test_everything_that_workflows_and_people_need_is_exported(found: Recorded) -> None:
    outputs = {name: output["value"] for name, output in found.outputs.items()}
    provider = outputs["ci"].pop("provider")
    assert outputs == {
        "backend": f"gs://{BUCKET}",
        "secrets_provider": f"gcpkms://{KEY}",
        "registry": f"us-central1-docker.pkg.dev/{PROJECT}/springtide",
        "ci": {"deploy": DEPLOY, "push": PUSH},
    }
    assert found.one("WorkloadIdentityPoolProvider", "github").urn in provider


@pytest.mark.parametrize(
    ("changed", "environment", "paths"),
    [
        ({}, "gcp", []),
        ({}, "production-eu", [""]),
        ({"permissions": ("container.admin",)}, "gcp", ["/permissions/0"]),
        ({"permissions": ("roles/container.admin", "projects/mine/roles/deployer")}, "gcp", []),
        ({"trust": "existing"}, "gcp", ["/trust"]),
        ({"repository": f"a/{'b' * 100}", "environments": ("dev",)}, "gcp", []),
        ({"repository": f"a/{'b' * 100}", "environments": ("production",)}, "gcp", ["/environments/0"]),
        ({"branch": "b" * 120}, "gcp", ["/branch"]),
    ],
)
def test_what_iam_would_not_take_is_refused(changed: dict[str, object], environment: str, paths: list[str]) -> None:
    values: dict[str, Any] = {"repository": "a/b", "environments": ("dev",), **changed}
    spec = CiSpec(**values)
    assert [item.path for item in bootstrap.load("gcp").ci_findings(spec, environment)] == paths
