"""Images by digest: a tag can be moved, so what was tested and what runs on the next node may differ."""

import re
from collections.abc import Iterator

from springtide.spec import Outcome
from springtide_policies.facts import Facts
from springtide_policies.graph import Field, Key, Node
from springtide_policies.rule import Level, Rule, Scope, Verdict, each, failed, judge, passed

_DIGEST = re.compile(r"\S+@(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})")
VENDORS = ("us-docker.pkg.dev/gce-ai-infra/",)
"""Where vendors publish what belongs on nodes: Google's GPUDirect parts, whose digests no public source names (2026-11-22)."""
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
_TEMPLATE: tuple[Key, ...] = ("spec", "template", "spec")
_POD_SPECS: dict[str, tuple[Key, ...]] = {
    "core/v1:Pod": ("spec",),
    "core/v1:PodTemplate": ("template", "spec"),
    "core/v1:ReplicationController": _TEMPLATE,
    "apps/v1:DaemonSet": _TEMPLATE,
    "apps/v1:Deployment": _TEMPLATE,
    "apps/v1:ReplicaSet": _TEMPLATE,
    "apps/v1:StatefulSet": _TEMPLATE,
    "batch/v1:CronJob": ("spec", "jobTemplate", *_TEMPLATE),
    "batch/v1:Job": _TEMPLATE,
}
_JOB_SETS = "jobset.x-k8s.io/"


def _pinned_images(node: Node, _facts: Facts) -> Iterator[Verdict]:
    for pod in _pods(node):
        images = (item.get("image") for kind in _CONTAINERS for item in pod.get(kind).members())
        yield from (judge(_pinned, image) for image in images)


def _pods(node: Node) -> Iterator[Field]:
    """Pod specs inside the object; a chart's are not in the plan, the chart's own digest pins them."""
    kind = node.type.removeprefix("kubernetes:")
    if kind in _POD_SPECS:
        yield node.at(*_POD_SPECS[kind])
    if kind.startswith(_JOB_SETS) and kind.endswith(":JobSet"):
        jobs = node.at("spec", "replicatedJobs").members()
        yield from (job.at("template", *_TEMPLATE) for job in jobs)


def _pinned(image: Field) -> Verdict:
    if str(image.value).startswith(VENDORS):
        message = "its vendor publishes this part of a fabric under tags alone, and the catalog pins the tag"
        return Verdict(outcome=Outcome.NOT_APPLICABLE, place=image, message=message)
    if _DIGEST.fullmatch(str(image.value)):
        return passed(image)
    return failed(image, f"image {image.value!r} is not named by digest, so what runs can change.")


IMAGES = Rule(
    name="image-pinned-by-digest",
    title="every image is named by digest",
    why="A tag can be moved: a node that joins tomorrow may run other code than the one that was tested.",
    about="containers",
    level=Level.HIGH,
    scope=Scope.RESOURCE,
    blocks=False,  # an image that the same deployment builds has no digest in a preview; the update looks again
    fix="name the image as registry/name@sha256:<64 hex digits>",
    source="CIS EKS 5.1.1, 5.1.4; CIS GKE 5.1.1, 5.1.4",
    check=each(_pinned_images),
)
