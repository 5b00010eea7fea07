"""How add-ons of EKS come to the version that a new Kubernetes wants: nobody takes them there unless asked.

The plan names no version of an add-on: which ones go with a version of Kubernetes changes by the week, and EKS picks one when
it makes the add-on. From then on it stays, whatever the control plane does (EKS' guide, "Update an Amazon EKS add-on").
Control plane and nodes go in one update; between an older kube-proxy and both there may be three minor versions
(kubernetes.io: version skew policy), so it is soon enough after that.
"""

from collections.abc import Iterator

from springtide.offline.plan import Plan
from springtide.offline.rolling import EKS_CLUSTER
from springtide.offline.views import ClusterView

ADDON = "aws:eks/addon:Addon"
DEFAULT = "addons[].addonVersions[?compatibilities[?defaultVersion]].addonVersion[]"
"""Of what `aws eks describe-addon-versions` says, the version that EKS itself would take."""


def follow(cluster: ClusterView, _old: str, new: str, plan: Plan) -> Iterator[str]:
    """What is left to do for the add-ons of a cluster that goes to another minor version; a sentence each."""
    names = sorted(str(item.inputs["addonName"]) for item in plan.of_type(ADDON))
    if not names:
        return
    name = next((str(made.inputs.get("name", made.name)) for made in plan.of_type(EKS_CLUSTER)), cluster.name)
    there = f"--region {cluster.region}"
    asked = f"aws eks update-addon --cluster-name {name} {there} --addon-name NAME --addon-version VERSION"
    known = f"aws eks describe-addon-versions {there} --kubernetes-version {new} --addon-name NAME"
    yield (
        f"Add-ons ({', '.join(names)}) keep the versions they have, and no `pulumi up` changes them. When control plane and "
        f"nodes are done, for each: {asked} --resolve-conflicts PRESERVE"
    )
    yield f"VERSION is what EKS would take for {new}: {known} --query '{DEFAULT}' --output text"
