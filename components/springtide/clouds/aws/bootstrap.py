"""What an AWS account needs before its first environment: a key for secrets in state, and roles for workflows."""

import re
from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from springtide.ci import ISSUER, CiSpec, CiWiring
from springtide.clouds.aws.registry import image_registry, registry_login
from springtide.clouds.aws.roles import Statement, document, spot_role
from springtide.clouds.bootstrap import Bootstrapping, CiParts, SecretsKeyParts
from springtide.component import after, child_of
from springtide.environment import EnvironmentRef
from springtide.spec import Finding, refuse

AUDIENCE = "sts.amazonaws.com"
DEPLOYS_WITH = ("AdministratorAccess",)
"""A deployment makes roles and gives them rights; whoever may do that is an administrator, under whatever name."""
KEY_DELETION_DAYS = 30
LONGEST_ROLE_NAME = 64
"""IAM's limit."""
_POLICY = re.compile(r"([a-z-]+/)?[A-Za-z0-9_+=,.@-]{1,128}")
PUSH_ACTIONS = (
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:CompleteLayerUpload",
    "ecr:DescribeImages",
    "ecr:GetDownloadUrlForLayer",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
)


def backend(storage: str, region: str) -> str:
    """A bucket as `pulumi login` takes it."""
    return f"{storage}?region={region}"


def secrets_key(name: str, place: EnvironmentRef, parent: pulumi.Resource) -> SecretsKeyParts:
    """A KMS key under an alias that says whose it is; a stack's file holds the alias and never the key's id."""
    alias = f"alias/springtide-{place['name']}"
    made = aws.kms.Key(
        name,
        description=f"secrets in the state of stacks, {place['name']}",
        enable_key_rotation=True,
        deletion_window_in_days=KEY_DELETION_DAYS,
        opts=child_of(parent),
    )
    named = aws.kms.Alias(name, name=alias, target_key_id=made.key_id, opts=child_of(parent))
    arn = pulumi.Output.all(made.arn, after(None, named)).apply(lambda both: str(both[0]))
    return SecretsKeyParts(url=f"awskms://{alias}?region={place['region']}", resource=arn)


def ci_identity(name: str, spec: CiSpec, place: EnvironmentRef, wiring: CiWiring, parent: pulumi.Resource) -> CiParts:
    """Two roles, each for exactly the subjects that the spec names."""
    provider, made = _trust(name, spec, place, parent)
    deploy = _role("deploy", _trusted(provider, spec.deployers), place, made, parent)
    for policy in spec.permissions or DEPLOYS_WITH:
        aws.iam.RolePolicyAttachment(
            f"deploy-{policy}", role=deploy.name, policy_arn=f"arn:aws:iam::aws:policy/{policy}", opts=child_of(parent)
        )
    _allow("deploy-state", deploy, pulumi.Output.from_input(wiring["state"]["resource"]).apply(_use_of_state), parent)
    _allow("deploy-secrets", deploy, pulumi.Output.from_input(wiring["key"]["resource"]).apply(_use_of_key), parent)
    push = _role("push", _trusted(provider, [spec.pusher]), place, made, parent)
    _allow("push-images", push, pulumi.Output.all(*wiring["registry"]["resources"]).apply(_push_to), parent)
    return CiParts(deploy=_role_arn("deploy", place), push=_role_arn("push", place), provider=provider)


def service_roles(parent: pulumi.Resource) -> None:
    """The one that EC2 needs to sell spot machines to Karpenter."""
    spot_role(parent)


def ci_findings(spec: CiSpec, environment: str) -> list[Finding]:
    """What IAM would not take."""
    permissions = (_permission(f"/permissions/{i}", name) for i, name in enumerate(spec.permissions))
    return [*(found for each in permissions for found in each), *_too_long(_role_name("deploy", environment))]


def _permission(path: str, name: str) -> list[Finding]:
    if _POLICY.fullmatch(name):
        return []
    message = f"{name!r} is no name of a policy that AWS manages."
    return [refuse("aws/managed-policy", path, name, message, "write the name alone: AdministratorAccess")]


def _too_long(longest: str) -> list[Finding]:
    if len(longest) <= LONGEST_ROLE_NAME:
        return []
    message = f"its role would be called {longest!r}, {len(longest)} characters; IAM takes {LONGEST_ROLE_NAME}."
    fix = f"shorten the stack's name by {len(longest) - LONGEST_ROLE_NAME}"
    return [refuse("aws/role-name", "", longest, message, fix)]


def _trust(
    name: str, spec: CiSpec, place: EnvironmentRef, parent: pulumi.Resource
) -> tuple[str, list[pulumi.Resource]]:
    """The ARN under which the account knows GitHub, and what has to be made for that."""
    arn = f"arn:aws:iam::{place['account']}:oidc-provider/{ISSUER}"
    if spec.trust == "existing":
        return arn, []
    # No thumbprint: AWS checks this issuer's certificate against its own list of authorities.
    made = aws.iam.OpenIdConnectProvider(
        name, url=f"https://{ISSUER}", client_id_lists=[AUDIENCE], opts=child_of(parent)
    )
    return arn, [made]


def _trusted(provider: str, subjects: Sequence[str]) -> str:
    """Who may take a role on. Subjects are compared as they are, and never by pattern."""
    return document(
        {
            "Effect": "Allow",
            "Principal": {"Federated": provider},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {f"{ISSUER}:aud": AUDIENCE, f"{ISSUER}:sub": list(subjects)}},
        }
    )


def _role(
    what: str, trusted: str, place: EnvironmentRef, needs: list[pulumi.Resource], parent: pulumi.Resource
) -> aws.iam.Role:
    return aws.iam.Role(
        what,
        name=_role_name(what, place["name"]),
        description=f"{what} from GitHub workflows",
        assume_role_policy=trusted,
        opts=child_of(parent, depends_on=needs),
    )


def _role_name(what: str, environment: str) -> str:
    return f"springtide-{environment}-{what}"


def _role_arn(what: str, place: EnvironmentRef) -> str:
    return f"arn:aws:iam::{place['account']}:role/{_role_name(what, place['name'])}"


def _allow(name: str, role: aws.iam.Role, policy: pulumi.Output[str], parent: pulumi.Resource) -> None:
    aws.iam.RolePolicy(name, role=role.name, policy=policy, opts=child_of(parent))


def _use_of_state(bucket: str) -> str:
    return document(
        {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": [bucket]},
        {"Effect": "Allow", "Action": ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"], "Resource": [f"{bucket}/*"]},
    )


def _use_of_key(key: str) -> str:
    return document({"Effect": "Allow", "Action": ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt"], "Resource": [key]})


def _push_to(repositories: Sequence[str]) -> str:
    """Rights on these repositories; the token that opens a registry is the account's and has no resource."""
    token: Statement = {"Effect": "Allow", "Action": ["ecr:GetAuthorizationToken"], "Resource": ["*"]}
    return document(token, {"Effect": "Allow", "Action": list(PUSH_ACTIONS), "Resource": list(repositories)})


class AwsBootstrap:
    """The functions of this file, as the `Bootstrapping` protocol wants them."""

    backend = staticmethod(backend)
    ci_findings = staticmethod(ci_findings)
    ci_identity = staticmethod(ci_identity)
    image_registry = staticmethod(image_registry)
    registry_login = staticmethod(registry_login)
    secrets_key = staticmethod(secrets_key)
    service_roles = staticmethod(service_roles)


BOOTSTRAP: Bootstrapping = AwsBootstrap()
