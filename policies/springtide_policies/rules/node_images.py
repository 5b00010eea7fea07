"""Node images: pinned, so that machines change when somebody decides it, and with the accelerator's driver inside."""

import re
from collections.abc import Callable, Iterator

from springtide_policies import pools
from springtide_policies.facts import Facts
from springtide_policies.graph import Field, Node
from springtide_policies.rule import Level, Rule, Scope, Verdict, cannot_tell, each, failed, judge, passed

_CUSTOM = "CUSTOM"
_WITH_DRIVER = re.compile(r"NVIDIA|GPU|NEURON")
_DISABLED = "INSTALLATION_DISABLED"
_MOVES = ("name", "tags", "ssmParameter")
"""What selects whatever image bears a name today."""


def _pinned(node: Node, _facts: Facts) -> Iterator[Verdict]:
    if node.type == pools.NODE_CLASS:
        yield from (judge(_term, term) for term in _terms(node))
    if node.type == pools.NODE_GROUP:
        yield _release(node)


def _terms(node: Node) -> tuple[Field, ...]:
    """What selects the image; a class that says nothing has one place to say it."""
    terms = node.at("spec", "amiSelectorTerms")
    return terms.members() or (terms.get(0),)


def _term(term: Field) -> Verdict:
    alias = term.get("alias")
    if alias.value is not None:
        moving = str(alias.value).endswith("@latest")
        message = f"the machines of {alias.node.name} are exchanged whenever a new image comes out."
        return failed(alias, message, fix=_PIN_ALIAS) if moving else passed(alias)
    if term.get("id").value is not None:
        return passed(term.get("id"))
    found = next((name for name in _MOVES if term.get(name).value is not None), None)
    if found is None:
        return failed(term, f"{term.node.name} selects no image.", fix=_PIN_ALIAS)
    return failed(term.get(found), f"{term.node.name} takes whatever image its {found} finds.", fix=_PIN_ALIAS)


def _release(group: Node) -> Verdict:
    release = group.at("releaseVersion")
    if group.at("amiType").value == _CUSTOM or release.value is not None:
        return passed(release)
    return failed(release, f"node group {group.name} takes the newest image whenever it is updated.", fix=_PIN_RELEASE)


def _drivers(node: Node, _facts: Facts) -> Iterator[Verdict]:
    if node.type in _DRIVERS and pools.accelerated(node):
        yield _DRIVERS[node.type](node)


def _group_driver(group: Node) -> Verdict:
    image = group.at("amiType")
    if image.value in (None, _CUSTOM):
        return cannot_tell(image, f"node group {group.name} takes its image from its launch template", fix=_NAME_IT)
    if _WITH_DRIVER.search(str(image.value)):
        return passed(image)
    return failed(image, f"image {image.value} of node group {group.name} has no driver: its GPUs never show.")


def _pool_driver(pool: Node) -> Verdict:
    for accelerator in pool.at("nodeConfig", "guestAccelerators").members():
        driver = accelerator.at("gpuDriverInstallationConfig", "gpuDriverVersion")
        if driver.value == _DISABLED:
            return cannot_tell(
                driver, f"GKE installs no driver in {pool.name}; whether something else does", fix=_LET_GKE
            )
    return passed(pool.at("nodeConfig", "guestAccelerators"))


_DRIVERS: dict[str, Callable[[Node], Verdict]] = {pools.NODE_GROUP: _group_driver, pools.GKE_POOL: _pool_driver}
_PIN_ALIAS = "name a release in `amiSelectorTerms`: alias bottlerocket@v1.64.0, or an image id"
_PIN_RELEASE = "set `releaseVersion`"
_NAME_IT = "set `amiType` to one with the driver inside, such as BOTTLEROCKET_x86_64_NVIDIA, or say that it is meant"
_LET_GKE = "set `gpuDriverVersion` to DEFAULT or LATEST, or say that it is meant"

PINNED = Rule(
    name="node-image-pinned",
    title="every node image is pinned",
    why="An image that moves exchanges the whole fleet on a day that nobody chose, in the middle of runs.",
    about="node groups or node classes",
    level=Level.HIGH,
    scope=Scope.RESOURCE,
    blocks=True,  # a pin is a plain value; one that is not known before the deployment is none
    fix="pin the image's release",
    source="config-rules 49; Karpenter on amiSelectorTerms",
    check=each(_pinned),
)

DRIVER = Rule(
    name="node-image-has-driver",
    title="nodes with accelerators have a driver",
    why="A node without the driver joins the cluster, costs what it costs, and never shows a GPU.",
    about="node groups or node pools with accelerators",
    level=Level.HIGH,
    scope=Scope.RESOURCE,
    blocks=False,  # an image of one's own may well have it, and an installer may run in the cluster
    fix="use an image with the driver inside, such as amiType BOTTLEROCKET_x86_64_NVIDIA",
    source="config-rules 43",
    check=each(_drivers),
)
