"""Where images lie: an Artifact Registry repository of the project."""

import pulumi
import pulumi_gcp as gcp

from springtide.clouds.bootstrap import Login, RegistryParts
from springtide.clouds.gcp.services import enabled
from springtide.component import after, child_of
from springtide.environment import EnvironmentRef
from springtide.registry import RegistrySpec

REPOSITORY = "springtide"
"""Every project has its own, so the name can be the same in all."""
REGISTRY_APIS = ("artifactregistry", "containerscanning")
"""Scanning is charged for each image that is pushed, once (cloud.google.com/artifact-analysis/pricing)."""
_DAY = 86_400


def registry(account: str, region: str) -> str:
    """Host and path of a project's registry in a region."""
    return f"{region}-docker.pkg.dev/{account}/{REPOSITORY}"


def registry_login(region: str) -> Login:
    """How to log in: with the token of whoever is logged in to gcloud, good for an hour."""
    del region  # a token opens the registries of every region
    return Login(user="oauth2accesstoken", command=("gcloud", "auth", "print-access-token"))


def image_registry(name: str, spec: RegistrySpec, place: EnvironmentRef, parent: pulumi.Resource) -> RegistryParts:
    """One repository for all images; it takes whatever name is pushed."""
    region, project = place["region"], place["account"]
    made = gcp.artifactregistry.Repository(
        name,
        repository_id=REPOSITORY,
        location=region,
        format="DOCKER",
        docker_config={"immutable_tags": True},
        # What the project says: scanned, because its scanning API is on.
        vulnerability_scanning_config={"enablement_config": "INHERITED"},
        cleanup_policy_dry_run=False,
        cleanup_policies=[
            {
                "id": "untagged-images",
                "action": "DELETE",
                "condition": {"tag_state": "UNTAGGED", "older_than": f"{spec.untagged_days * _DAY}s"},
            }
        ],
        opts=child_of(parent, depends_on=enabled(REGISTRY_APIS, child_of(parent))),
    )
    resource = f"projects/{project}/locations/{region}/repositories/{REPOSITORY}"
    return RegistryParts(host=registry(project, region), resources=[after(resource, made)])
