"""What a GCP project needs before its first environment: a key for secrets in state, and accounts for workflows."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from springtide.ci import ISSUER, CiSpec, CiWiring
from springtide.clouds.bootstrap import Bootstrapping, CiParts, SecretsKeyParts
from springtide.clouds.gcp.registry import image_registry, registry_login
from springtide.clouds.gcp.services import enabled
from springtide.component import after, child_of
from springtide.environment import EnvironmentRef
from springtide.spec import Finding, refuse

KEY_APIS = ("cloudkms",)
CI_APIS = ("cloudresourcemanager", "iam", "iamcredentials", "sts")
DEPLOYS_WITH = (
    "roles/artifactregistry.reader",
    "roles/certificatemanager.owner",
    "roles/cloudkms.admin",
    "roles/compute.admin",
    "roles/container.admin",
    "roles/dns.admin",
    "roles/file.editor",
    "roles/iam.serviceAccountAdmin",
    "roles/iam.serviceAccountUser",
    "roles/lustre.admin",
    "roles/resourcemanager.projectIamAdmin",
    "roles/servicenetworking.networksAdmin",
    "roles/serviceusage.serviceUsageAdmin",
    "roles/storage.admin",
)
"""Roles for what the components make. Who may change a project's IAM policy is its owner in effect."""
KEY = "state"
KEY_ROTATION = "7776000s"
"""90 days."""
KEY_DELETION = "2592000s"
"""30 days in which a destroyed version can be had back."""
LONGEST_ACCOUNT_ID, LONGEST_POOL_ID, LONGEST_SUBJECT = 30, 32, 127
"""IAM's limits: a service account's id, a workload identity pool's, and `google.subject` in bytes."""
_ROLE = re.compile(r"((projects|organizations)/[a-z0-9.:-]+/)?roles/[A-Za-z0-9._]+")


def backend(storage: str, region: str) -> str:
    """A bucket as `pulumi login` takes it."""
    del region  # a bucket's name is enough
    return storage


def secrets_key(name: str, place: EnvironmentRef, parent: pulumi.Resource) -> SecretsKeyParts:
    """A key in a ring of its own. Rings and keys stay for ever; a destroy ends the key's versions."""
    ring_name = f"springtide-{place['name']}"
    ring = gcp.kms.KeyRing(
        name,
        name=ring_name,
        location=place["region"],
        opts=child_of(parent, depends_on=enabled(KEY_APIS, child_of(parent))),
    )
    made = gcp.kms.CryptoKey(
        name,
        name=KEY,
        key_ring=ring.id,
        purpose="ENCRYPT_DECRYPT",
        rotation_period=KEY_ROTATION,
        destroy_scheduled_duration=KEY_DELETION,
        opts=child_of(parent),
    )
    path = f"projects/{place['account']}/locations/{place['region']}/keyRings/{ring_name}/cryptoKeys/{KEY}"
    return SecretsKeyParts(url=f"gcpkms://{path}", resource=after(path, made))


def ci_identity(name: str, spec: CiSpec, place: EnvironmentRef, wiring: CiWiring, parent: pulumi.Resource) -> CiParts:
    """Two service accounts without keys, each for exactly the subjects that the spec names."""
    apis = enabled(CI_APIS, child_of(parent))
    trust = _trust(name, spec, place, apis, parent)
    deploy = _account("deploy", spec.deployers, trust, place, parent)
    for role in spec.permissions or DEPLOYS_WITH:
        gcp.projects.IAMMember(
            f"deploy-{role.rpartition('/')[2]}",
            project=place["account"],
            role=role,
            member=deploy,
            opts=child_of(parent),
        )
    gcp.storage.BucketIAMMember(
        "deploy-state",
        bucket=wiring["state"]["resource"],
        role="roles/storage.objectAdmin",
        member=deploy,
        opts=child_of(parent),
    )
    gcp.kms.CryptoKeyIAMMember(
        "deploy-secrets",
        crypto_key_id=wiring["key"]["resource"],
        role="roles/cloudkms.cryptoKeyEncrypterDecrypter",
        member=deploy,
        opts=child_of(parent),
    )
    push = _account("push", [spec.pusher], trust, place, parent)
    for repository in wiring["registry"]["resources"]:
        gcp.artifactregistry.RepositoryIamMember(
            "push-images",
            project=place["account"],
            location=place["region"],
            repository=repository,
            role="roles/artifactregistry.writer",
            member=push,
            opts=child_of(parent),
        )
    return CiParts(deploy=_email("deploy", place), push=_email("push", place), provider=trust.provider)


def ci_findings(spec: CiSpec, environment: str) -> list[Finding]:
    """What IAM would not take."""
    permissions = (_permission(f"/permissions/{i}", name) for i, name in enumerate(spec.permissions))
    return [
        *_too_long("service account", _account_id("deploy", environment), LONGEST_ACCOUNT_ID),
        *_too_long("workload identity pool", _pool_id(environment), LONGEST_POOL_ID),
        *(found for each in permissions for found in each),
        *_subjects(spec),
        *_trusted_elsewhere(spec.trust),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trust:
    """The project's trust in GitHub's tokens."""

    apis: Sequence[pulumi.Resource]
    """APIs without which no identity can be made."""
    pool: pulumi.Output[str]
    """The pool's name; whoever uses it is made after the provider in it."""
    provider: pulumi.Output[str]
    """The provider's name."""


def _trust(
    name: str, spec: CiSpec, place: EnvironmentRef, apis: Sequence[pulumi.Resource], parent: pulumi.Resource
) -> _Trust:
    pool = gcp.iam.WorkloadIdentityPool(
        name,
        workload_identity_pool_id=_pool_id(place["name"]),
        display_name="GitHub workflows",
        opts=child_of(parent, depends_on=apis),
    )
    provider = gcp.iam.WorkloadIdentityPoolProvider(
        name,
        workload_identity_pool_id=pool.workload_identity_pool_id,
        workload_identity_pool_provider_id="github",
        oidc={"issuer_uri": f"https://{ISSUER}"},
        attribute_mapping={"google.subject": "assertion.sub", "attribute.repository": "assertion.repository"},
        # Without a condition every repository of GitHub could ask for a token.
        attribute_condition=f"assertion.repository == '{spec.repository}'",
        opts=child_of(parent),
    )
    ready = pulumi.Output.all(pool.name, after(None, provider)).apply(lambda both: str(both[0]))
    return _Trust(apis=apis, pool=ready, provider=provider.name)


def _account(
    what: str,
    subjects: Sequence[str],
    trust: _Trust,
    place: EnvironmentRef,
    parent: pulumi.Resource,
) -> pulumi.Output[str]:
    """A service account that these subjects may be; its name as a member of policies."""
    made = gcp.serviceaccount.Account(
        what,
        account_id=_account_id(what, place["name"]),
        display_name=f"{what} from GitHub workflows",
        opts=child_of(parent, depends_on=trust.apis),
    )
    for subject in subjects:
        gcp.serviceaccount.IAMMember(
            f"{what}-{subject.rpartition(':')[2].replace('/', '-')}",
            service_account_id=made.name,
            role="roles/iam.workloadIdentityUser",
            member=pulumi.Output.concat("principal://iam.googleapis.com/", trust.pool, "/subject/", subject),
            opts=child_of(parent),
        )
    return after(f"serviceAccount:{_email(what, place)}", made)


def _account_id(what: str, environment: str) -> str:
    return f"springtide-{environment}-{what}"


def _pool_id(environment: str) -> str:
    return f"springtide-{environment}"


def _email(what: str, place: EnvironmentRef) -> str:
    return f"{_account_id(what, place['name'])}@{place['account']}.iam.gserviceaccount.com"


def _too_long(what: str, name: str, longest: int) -> list[Finding]:
    if len(name) <= longest:
        return []
    message = f"its {what} would be called {name!r}, {len(name)} characters; IAM takes {longest}."
    fix = f"shorten the stack's name by {len(name) - longest}"
    return [refuse("gcp/bootstrap-name", "", name, message, fix)]


def _permission(path: str, name: str) -> list[Finding]:
    if _ROLE.fullmatch(name):
        return []
    return [refuse("gcp/role", path, name, f"{name!r} is no role of IAM.", "write it in full: roles/container.admin")]


def _subjects(spec: CiSpec) -> list[Finding]:
    """Tokens that Google would turn away."""
    ways = [*((f"/environments/{i}", subject) for i, subject in enumerate(spec.deployers)), ("/branch", spec.pusher)]
    fix = f"shorten the name: Google takes {LONGEST_SUBJECT} bytes of a token's subject"
    return [
        refuse("gcp/subject", path, subject, f"the token's subject would be {subject!r}, {len(subject)} bytes.", fix)
        for path, subject in ways
        if len(subject.encode()) > LONGEST_SUBJECT
    ]


def service_roles(parent: pulumi.Resource) -> None:
    """None: Google's service agents come with the APIs."""


def _trusted_elsewhere(trust: str) -> list[Finding]:
    if trust != "existing":
        return []
    message = "on GCP the trust in GitHub's tokens is a pool of this stack's own; none is adopted."
    return [refuse("gcp/trust", "/trust", trust, message, "remove it: any number of pools can stand side by side")]


class GcpBootstrap:
    """The functions of this file, as the `Bootstrapping` protocol wants them."""

    backend = staticmethod(backend)
    ci_findings = staticmethod(ci_findings)
    ci_identity = staticmethod(ci_identity)
    image_registry = staticmethod(image_registry)
    registry_login = staticmethod(registry_login)
    secrets_key = staticmethod(secrets_key)
    service_roles = staticmethod(service_roles)


BOOTSTRAP: Bootstrapping = GcpBootstrap()
