"""A key for the Kubernetes secrets of a cluster."""

import pulumi
import pulumi_gcp as gcp

from springtide.clouds.gcp.order import behind
from springtide.component import after, child_of
from springtide.environment import EnvironmentRef

ROTATION = "7776000s"
"""90 days; versions of before still decrypt."""


def secrets_key(
    name: str, place: EnvironmentRef, network_id: pulumi.Input[str], parent: pulumi.Resource
) -> pulumi.Output[str]:
    """Id of a key that GKE may use, for whoever is made after that right.

    Nothing of Cloud KMS can be deleted: a destroy ends the key's versions, and ring and key stay as empty names, at no
    cost. So the ring's name is the engine's to make up; with one of ours, an environment could never be made again.
    """
    inside = child_of(parent)
    ring = gcp.kms.KeyRing(name, location=behind(place["region"], network_id), opts=inside)
    key = gcp.kms.CryptoKey(name, name="kubernetes-secrets", key_ring=ring.id, rotation_period=ROTATION, opts=inside)
    may_use = gcp.kms.CryptoKeyIAMMember(
        name,
        crypto_key_id=key.id,
        role="roles/cloudkms.cryptoKeyEncrypterDecrypter",
        member=_service_agent(name, place, network_id, parent),
        opts=inside,
    )
    return pulumi.Output.all(key.id, after(None, may_use)).apply(lambda both: str(both[0]))


def _service_agent(
    name: str, place: EnvironmentRef, network_id: pulumi.Input[str], parent: pulumi.Resource
) -> pulumi.Output[str]:
    """Who GKE is in this project: made when it is first asked for, and called by the project's number."""
    agent = gcp.projects.ServiceIdentity(
        name, service=behind("container.googleapis.com", network_id), opts=child_of(parent)
    )
    project = gcp.organizations.Project.get(name, place["account"], opts=child_of(parent))
    return pulumi.Output.all(project.number, after(None, agent)).apply(
        lambda both: f"serviceAccount:service-{both[0]}@container-engine-robot.iam.gserviceaccount.com"
    )
