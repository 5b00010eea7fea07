"""An AWS account before its first environment, as the offline plan records it."""

import json
from typing import Any

import pytest
from tests.bootstrap.bootstrap_files import recorded, text
from tests.environment_files import edited
from tests.recordings import Recorded

ACCOUNT = "123456789012"
ISSUER = "token.actions.githubusercontent.com"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"
BUCKET = f"springtide-aws-state-{ACCOUNT}"
REPOSITORY = f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/springtide-workloads"


@pytest.fixture(scope="module")
def found() -> Recorded:
    return recorded(text("aws"), "aws")


def changed(*changes: tuple[str, str]) -> Recorded:
    return recorded(edited(*changes, text=text("aws")), "aws")


def policy(found: Recorded, name: str) -> list[dict[str, Any]]:
    statements: list[dict[str, Any]] = json.loads(found.one("RolePolicy", name).inputs["policy"])["Statement"]
    return statements


def test_it_is_this_and_nothing_else(found: Recorded) -> None:
    types = [item.type.rpartition(":")[2] for item in found.resources if item.custom]
    assert sorted((name, types.count(name)) for name in set(types) if not name.startswith("Bucket")) == [
        ("Alias", 1),
        ("Key", 1),
        ("LifecyclePolicy", 1),
        ("OpenIdConnectProvider", 1),
        ("Repository", 1),
        ("Role", 2),
        ("RolePolicy", 3),
        ("RolePolicyAttachment", 1),
        ("ServiceLinkedRole", 1),
        ("aws", 1),
    ]


def test_the_clouds_models_find_nothing_wrong_with_it(found: Recorded) -> None:
    assert found.warnings == ()


def test_the_provider_refuses_every_other_account(found: Recorded) -> None:
    assert json.loads(found.one("aws", "aws").inputs["allowedAccountIds"]) == [ACCOUNT]
    providers = {item.provider for item in found.resources if item.custom and "providers" not in item.type}
    assert providers == {found.one("aws", "aws").urn}


def test_what_later_stacks_live_on_is_protected_and_the_rest_is_not(found: Recorded) -> None:
    protected = {item.type.rpartition(":")[2] for item in found.resources if item.options["protect"]}
    assert {"Bucket", "BucketVersioning", "Key", "Alias", "Repository"} <= protected
    assert not {"Role", "RolePolicy", "OpenIdConnectProvider"} & protected


def test_state_is_private_encrypted_and_can_be_had_back(found: Recorded) -> None:
    assert found.one("Bucket", "state").inputs["bucket"] == BUCKET
    assert found.one("BucketVersioning", "state").inputs["versioningConfiguration"] == {"status": "Enabled"}
    private = found.one("BucketPublicAccessBlock", "state").inputs
    assert {value for name, value in private.items() if name != "bucket"} == {True}
    assert found.all("BucketServerSideEncryptionConfiguration")
    rules = found.one("BucketLifecycleConfiguration", "state").inputs["rules"]
    assert {"noncurrentDays": 90} in [rule.get("noncurrentVersionExpiration") for rule in rules]
    assert not any("expiration" in rule for rule in rules)


def test_the_key_rotates_and_can_be_had_back(found: Recorded) -> None:
    assert found.one("Key", "secrets").inputs == {
        "deletionWindowInDays": 30,
        "description": "secrets in the state of stacks, aws",
        "enableKeyRotation": True,
    }
    assert found.one("Alias", "secrets").inputs["name"] == "alias/springtide-aws"


def test_a_tag_never_changes_and_every_image_is_scanned(found: Recorded) -> None:
    assert found.one("Repository", "springtide-workloads").inputs == {
        "encryptionConfigurations": [{"encryptionType": "AES256"}],
        "imageScanningConfiguration": {"scanOnPush": True},
        "imageTagMutability": "IMMUTABLE",
        "name": "springtide-workloads",
    }


def test_only_untagged_images_go(found: Recorded) -> None:
    [rule] = json.loads(found.one("LifecyclePolicy", "springtide-workloads").inputs["policy"])["rules"]
    assert rule["selection"] == {
        "tagStatus": "untagged",
        "countType": "sinceImagePushed",
        "countUnit": "days",
        "countNumber": 14,
    }
    assert rule["action"] == {"type": "expire"}


def test_each_image_has_a_repository() -> None:
    two = changed(("[springtide-workloads], untagged_days: 14", "[springtide-workloads, team/mine], untagged_days: 3"))
    assert [item.inputs["name"] for item in two.all("Repository")] == ["springtide-workloads", "team/mine"]
    assert policy(two, "push-images")[1]["Resource"] == [
        REPOSITORY,
        f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/team/mine",
    ]


def test_the_account_trusts_tokens_that_are_meant_for_it(found: Recorded) -> None:
    made = found.one("OpenIdConnectProvider", "github").inputs
    assert made == {"url": f"https://{ISSUER}", "clientIdLists": ["sts.amazonaws.com"]}


@pytest.mark.parametrize(
    ("role", "subjects"),
    [
        ("deploy", ["repo:your-company/your-fork:environment:dev"]),
        ("push", ["repo:your-company/your-fork:ref:refs/heads/main"]),
    ],
)
def test_a_role_is_for_one_subject_and_never_for_a_pattern(found: Recorded, role: str, subjects: list[str]) -> None:
    made = found.one("Role", role).inputs
    [statement] = json.loads(made["assumeRolePolicy"])["Statement"]
    assert made["name"] == f"springtide-aws-{role}"
    assert statement == {
        "Effect": "Allow",
        "Principal": {"Federated": PROVIDER},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{ISSUER}:aud": "sts.amazonaws.com", f"{ISSUER}:sub": subjects}},
    }
    assert found.needs(found.one("Role", role), found.one("OpenIdConnectProvider", "github"))


def test_several_environments_deploy_with_one_role() -> None:
    [statement] = json.loads(changed(("[dev]", "[dev, prod-aws]")).one("Role", "deploy").inputs["assumeRolePolicy"])[
        "Statement"
    ]
    assert statement["Condition"]["StringEquals"][f"{ISSUER}:sub"] == [
        "repo:your-company/your-fork:environment:dev",
        "repo:your-company/your-fork:environment:prod-aws",
    ]


def test_whoever_deploys_reads_and_writes_state_and_uses_the_key(found: Recorded) -> None:
    listing, objects = policy(found, "deploy-state")
    assert listing == {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": [f"arn:aws:s3:::{BUCKET}"]}
    assert objects["Resource"] == [f"arn:aws:s3:::{BUCKET}/*"]
    assert objects["Action"] == ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
    [key] = policy(found, "deploy-secrets")
    assert key["Action"] == ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt"]
    assert found.one("Key", "secrets").urn in key["Resource"][0]


def test_what_a_deployment_may_do_can_be_narrowed() -> None:
    narrow = changed(("    # permissions: [AdministratorAccess]", "    permissions: [PowerUserAccess, IAMFullAccess]"))
    assert [item.inputs["policyArn"] for item in narrow.all("RolePolicyAttachment")] == [
        "arn:aws:iam::aws:policy/IAMFullAccess",
        "arn:aws:iam::aws:policy/PowerUserAccess",
    ]


def test_whoever_pushes_images_can_do_nothing_else(found: Recorded) -> None:
    token, images = policy(found, "push-images")
    assert token == {"Effect": "Allow", "Action": ["ecr:GetAuthorizationToken"], "Resource": ["*"]}
    assert images["Resource"] == [REPOSITORY]
    assert all(action.startswith("ecr:") and "Delete" not in action for action in images["Action"])
    names = {item.inputs["role"] for item in (*found.all("RolePolicyAttachment"), *found.all("RolePolicy"))}
    assert names == {"springtide-aws-deploy", "springtide-aws-push"}
    attached = [item.name for item in found.all("RolePolicy") if item.inputs["role"] == "springtide-aws-push"]
    assert attached == ["push-images"]


def test_an_account_that_trusts_github_already_is_left_as_it_is() -> None:
    existing = changed(("    # trust: existing", "    trust: existing"))
    assert existing.all("OpenIdConnectProvider") == []
    [statement] = json.loads(existing.one("Role", "push").inputs["assumeRolePolicy"])["Statement"]
    assert statement["Principal"] == {"Federated": PROVIDER}


def test_the_role_for_spot_machines_stays_when_the_stack_goes(found: Recorded) -> None:
    role = found.one("ServiceLinkedRole", "spot")
    assert role.inputs == {"awsServiceName": "spot.amazonaws.com"}
    assert role.options["retain_on_delete"]


def test_an_account_that_has_the_role_for_spot_machines_is_left_as_it_is() -> None:
    assert changed(("  # roles: existing", "  roles: existing")).all("ServiceLinkedRole") == []


def test_everything_that_workflows_and_people_need_is_exported_and_known_before(found: Recorded) -> None:
    assert found.outputs == {
        "backend": {"unknown": False, "value": f"s3://{BUCKET}?region=us-east-1"},
        "secrets_provider": {"unknown": False, "value": "awskms://alias/springtide-aws?region=us-east-1"},
        "registry": {"unknown": False, "value": f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"},
        "ci": {
            "unknown": False,
            "value": {
                "deploy": f"arn:aws:iam::{ACCOUNT}:role/springtide-aws-deploy",
                "push": f"arn:aws:iam::{ACCOUNT}:role/springtide-aws-push",
                "provider": PROVIDER,
            },
        },
    }
