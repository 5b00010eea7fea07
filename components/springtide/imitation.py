"""An environment on this machine, as everything but its own file sees it: an environment whose machines are imitated.

Real Kubernetes, with Karpenter and KEDA, runs on this machine before anything of the environment is there. GPU nodes are
simulated, with the machine types, prices and boot times that a cloud has in the catalog.
"""

from dataclasses import fields

from springtide import catalog, selection
from springtide.sections import (
    DEFAULT_MACHINES,
    LOCAL,
    ControllersSection,
    EnvironmentFile,
    ImagesSection,
    LocalFile,
)
from springtide.spec import PRIVATE, ClusterSpec, spec

ACCOUNT = "this-machine"
"""In place of an account."""
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


def whole(file: EnvironmentFile | LocalFile) -> EnvironmentFile:
    """What a file means; a cloud's own says everything itself.

    A local one spans every zone of the region that the catalog knows best, for it has no place of its own.
    """
    if not isinstance(file, LocalFile):
        return file
    # Of a cloud that nobody knows, `relations` says so; until then any other stands in for it.
    described = file.machines if file.machines in catalog.clouds() else DEFAULT_MACHINES
    region = catalog.best_known_region(described)
    said = {item.name: getattr(file, item.name) for item in fields(LocalFile)}
    return Imitation(
        **{**said, "cloud": LOCAL},
        account=ACCOUNT,
        region=region,
        zones=selection.usable_zones(described, region),
        cluster=ClusterSpec(version=KUBERNETES, access=PRIVATE, runner="inside"),
        images=ImagesSection(digest=DIGEST),
        controllers=ControllersSection(existing=PRESENT),
    )
