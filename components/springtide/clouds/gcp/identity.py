"""Workload Identity: a service account for one ServiceAccount, without keys, held to some prefixes of some buckets."""

import json
from collections.abc import Sequence

import pulumi
import pulumi_gcp as gcp

from springtide.clouds import IdentityParts
from springtide.clouds.gcp.names import account_email, workload_account_id
from springtide.clouds.gcp.order import behind
from springtide.cluster import ClusterRef
from springtide.component import after, child_of
from springtide.identity import Grant

READ = "roles/storage.objectViewer"
WRITE = "roles/storage.objectUser"
"""Reads, lists, makes, replaces and removes objects, and changes nobody's rights."""
ANNOTATION = "iam.gke.io/gcp-service-account"


def workload_pool(project: str) -> str:
    """The pool that GKE's ServiceAccounts are identities of; a project has one, made with its first cluster."""
    return f"{project}.svc.id.goog"


def identity(
    name: str, account: str, grants: Sequence[Grant], cluster: ClusterRef, parent: pulumi.Resource
) -> IdentityParts:
    """A service account that pods of ServiceAccount `account` take on.

    Rights could be given to the ServiceAccount itself; its name in IAM holds the project's number, which no file knows
    and no plan could show.
    """
    place = cluster["environment"]
    account_id = workload_account_id(place["name"], name)
    email = account_email(account_id, place["account"])
    made = gcp.serviceaccount.Account(
        name,
        account_id=behind(account_id, cluster["name"]),
        display_name=f"{name} in {place['name']}",
        opts=child_of(parent),
    )
    taken_on = gcp.serviceaccount.IAMMember(
        name,
        service_account_id=after(f"projects/{place['account']}/serviceAccounts/{email}", made),
        role="roles/iam.workloadIdentityUser",
        # The pool is there once a cluster is, and the namespace is in the cluster.
        member=pulumi.Output.from_input(cluster["namespace"]).apply(
            lambda namespace: f"serviceAccount:{workload_pool(place['account'])}[{namespace}/{account}]"
        ),
        opts=child_of(parent),
    )
    member = after(f"serviceAccount:{email}", made)
    allowed = [_allow(f"{name}-{i}", grant, member, parent) for i, grant in enumerate(grants)]
    return IdentityParts(annotations={ANNOTATION: email}, ready=(taken_on, *allowed))


def condition(grant: Grant, bucket: str) -> str:
    """What a grant is held to, in IAM's expression language: objects under its prefix, and listing there."""
    objects = json.dumps(f"projects/_/buckets/{bucket}/objects/{grant.prefix}/", ensure_ascii=False)
    listed = json.dumps(f"{grant.prefix}/", ensure_ascii=False)
    asked = 'api.getAttribute("storage.googleapis.com/objectListPrefix", "")'
    return f"resource.name.startsWith({objects}) || {asked}.startsWith({listed})"


def _allow(name: str, grant: Grant, member: pulumi.Output[str], parent: pulumi.Resource) -> gcp.storage.BucketIAMMember:
    bucket = pulumi.Output.from_input(grant.resource)
    return gcp.storage.BucketIAMMember(
        name,
        bucket=bucket,
        role=WRITE if grant.write else READ,
        member=member,
        condition={"title": "prefix", "expression": bucket.apply(lambda known: condition(grant, known))},
        opts=child_of(parent),
    )
