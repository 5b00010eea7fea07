"""The control plane that `springtide up` started: it is used, and never made."""

import pulumi

from springtide.clouds import ClusterParts
from springtide.environment import EnvironmentRef
from springtide.imitation import KUBERNETES, context
from springtide.network import NetworkRef
from springtide.spec import ClusterSpec, Finding, refuse


def cluster(
    name: str,  # noqa: ARG001  an environment has one control plane, called like itself
    spec: ClusterSpec,  # noqa: ARG001  it is there already, as it is
    place: EnvironmentRef,
    network: NetworkRef,  # noqa: ARG001
    parent: pulumi.Resource,  # noqa: ARG001
) -> ClusterParts:
    """The control plane of this environment, by its context: a kubeconfig that lacks it reaches nothing."""
    nothing = pulumi.Output.from_input("")
    return ClusterParts(
        name=pulumi.Output.from_input(context(place["name"])),
        endpoint=nothing,
        kubeconfig=None,
        context=context(place["name"]),
        node_role=nothing,
        security_group=nothing,
        control_plane=None,
        ready=(),
    )


def cluster_findings(spec: ClusterSpec) -> list[Finding]:
    """What a cluster asks for that the control plane of this machine is not."""
    rules = (
        (spec.version != KUBERNETES, "version", f"the control plane is Kubernetes {KUBERNETES}", f'write "{KUBERNETES}"'),
        (spec.mode != "standard", "mode", "no cloud makes nodes by itself here", "write standard"),
        (spec.existing is None, "existing", "no control plane is made", "name the one that is there, springtide-<environment>"),
    )  # fmt: skip
    return [
        refuse("local/cluster", f"/{key}", getattr(spec, key), f"{why}.", fix)
        for holds, key, why, fix in rules
        if holds
    ]
