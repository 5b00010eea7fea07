"""An environment on this machine, as everything but its own file sees it: an environment whose machines are imitated.

Real Kubernetes, with Karpenter and KEDA, runs on this machine before anything of the environment is there. GPU nodes are
simulated, with the machine types, prices and boot times that a cloud has in the catalog.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from springtide import catalog, selection
from springtide.parse import read, sound
from springtide.sections import (
    DEFAULT_MACHINES,
    LOCAL,
    MEANINGLESS,
    OWN_MACHINES,
    ControllersSection,
    EnvironmentFile,
    ImagesSection,
    LocalFile,
    NetworkSection,
)
from springtide.spec import PRIVATE, ClusterSpec, Finding, spec

ACCOUNT = "this-machine"
"""In place of an account."""
NETWORK = "loopback"
"""The network that everything listens on."""
KUBERNETES = "1.36"
"""Minor version of the control plane that `springtide up` starts."""
PRESENT = ("karpenter-crd", "karpenter", "keda")
"""Controllers that run beside the control plane before anything of the environment is there."""
REGISTRY = "springtide.local"
"""In place of a registry: nothing is pulled from it, the image is made on this machine."""
DIGEST = f"sha256:{'0' * 64}"
"""In place of a digest, which only an image has that was built and pushed."""


@spec
class Imitation(EnvironmentFile):
    """A local environment with all that its file does not say."""

    machines: str = DEFAULT_MACHINES
    """Cloud whose machine types, prices and boot times are imitated."""


def read_platform(name: str, said: Mapping[str, Any]) -> tuple[EnvironmentFile, list[Finding]]:
    """What a platform's file means, or what is left of it without the mistakes; and all mistakes of its sections.

    Args:
        name: Name of the environment.
        said: What the file says; its `cloud` decides which keys mean something.
    """
    if said.get("cloud") != LOCAL:
        own, found = read(EnvironmentFile, said)
        return sound(EnvironmentFile, said) if own is None else own, _with_reasons(found, OWN_MACHINES)
    here, found = read(LocalFile, said)
    return whole(name, sound(LocalFile, said) if here is None else here), _with_reasons(found, MEANINGLESS)


def context(environment: str) -> str:
    """Context in a kubeconfig by which an environment's control plane is reached, and no other cluster ever is."""
    return f"springtide-{environment}"


def whole(name: str, file: LocalFile) -> Imitation:
    """What the file of a local environment means: network and cluster are there, and are used as they are.

    It spans every zone of the region that the catalog knows best, for it has no place of its own.
    """
    # Of a cloud that nobody knows, `relations` says so; until then any other stands in for it.
    described = file.machines if file.machines in catalog.clouds() else DEFAULT_MACHINES
    region = catalog.best_known_region(described)
    zones = selection.usable_zones(described, region)
    said = {item.name: getattr(file, item.name) for item in fields(LocalFile)}
    return Imitation(
        **{**said, "cloud": LOCAL},
        account=ACCOUNT,
        region=region,
        zones=zones,
        network=NetworkSection(existing=NETWORK, subnets=dict.fromkeys(zones, NETWORK)),
        cluster=ClusterSpec(version=KUBERNETES, access=PRIVATE, runner="inside", existing=context(name)),
        images=ImagesSection(digest=DIGEST),
        controllers=ControllersSection(existing=PRESENT),
    )


def _with_reasons(mistakes: Sequence[Finding], reasons: Mapping[str, str]) -> list[Finding]:
    """Mistakes of a file, where keys that mean something on other clouds are told why they mean nothing here."""
    return [
        replace(
            found,
            rule="settings/meaningless",
            message=f"{key} means nothing on this cloud: {reasons[key]}.",
            fix="remove it",
            allowed=(),
        )
        if found.rule == "settings/unknown-key" and (key := found.path.removeprefix("/")) in reasons
        else found
        for found in mistakes
    ]
