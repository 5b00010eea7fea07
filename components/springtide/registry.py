"""Where the images of an account lie: private, scanned, and a tag once pushed never changes."""

import re
from typing import NotRequired, TypedDict

import pulumi

from springtide.clouds import bootstrap
from springtide.component import checked, intent
from springtide.environment import EnvironmentRef
from springtide.spec import Finding, at_least, distinct, refuse, spec

DEFAULT_UNTAGGED_DAYS = 14
_IMAGE = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*(/[a-z0-9]+([._-][a-z0-9]+)*)*")
_LONGEST_IMAGE = 128
_SHORTEST_IMAGE = 2
"""ECR's bounds (256 there, with the registry's own prefixes) and the path component of the distribution specification."""


class RegistryArgs(TypedDict):
    """Arguments of `Registry`."""

    environment: EnvironmentRef
    """Environment it is built in; take it from `Environment.ref`."""
    images: list[str]
    """Names of the images that are pushed there."""
    untagged_days: NotRequired[int]
    """Days after which an image without a tag is removed. Default 14."""


class RegistryRef(TypedDict):
    """A registry that images are pushed to; take it from `Registry.ref`."""

    host: pulumi.Input[str]
    """Host, and path before an image's name."""
    resources: list[pulumi.Input[str]]
    """Names under which the cloud's access rules know it: one for each image on AWS, one in all on GCP."""


@spec
class RegistrySpec:
    """A place for images."""

    images: tuple[str, ...]
    untagged_days: int = DEFAULT_UNTAGGED_DAYS

    def findings(self) -> list[Finding]:
        """What is impossible about this registry."""
        names = [found for i, name in enumerate(self.images) for found in _image_name(f"/images/{i}", name)]
        return [
            *names,
            *_no_image(self.images),
            *distinct("/images", self.images),
            *at_least("/untagged_days", self.untagged_days, 1),
        ]


class Registry(pulumi.ComponentResource):
    """A private registry that scans what is pushed.

    Attributes:
        ref: What other components need to know of it.
    """

    host: pulumi.Output[str]
    """Host, and path before an image's name: `images.registry` of an environment file."""
    resources: pulumi.Output[list[str]]
    """Names under which the cloud's access rules know it: one for each image on AWS, one in all on GCP."""

    def __init__(self, name: str, args: RegistryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        place = args["environment"]
        spec = checked(RegistrySpec, args, f"Registry {name}", wiring=["environment"])
        said = intent(spec, cloud=place["cloud"], region=place["region"])
        super().__init__("springtide:index:Registry", name, said, opts)
        made = bootstrap.load(place["cloud"]).image_registry(name, spec, place, self)
        self.host, self.resources = pulumi.Output.from_input(made.host), pulumi.Output.all(*made.resources)
        self.ref = RegistryRef(host=made.host, resources=list(made.resources))
        self.register_outputs(said | {"host": made.host})


def _image_name(path: str, name: str) -> list[Finding]:
    if _IMAGE.fullmatch(name) and _SHORTEST_IMAGE <= len(name) <= _LONGEST_IMAGE:
        return []
    message = f"{name!r} is no name of an image."
    fix = f"use {_SHORTEST_IMAGE} to {_LONGEST_IMAGE} lower-case letters and digits, with '.', '_', '-' or '/' between them"
    return [refuse("registry/image", path, name, message, fix)]


def _no_image(images: tuple[str, ...]) -> list[Finding]:
    if images:
        return []
    return [refuse("registry/images", "/images", [], "a registry without images holds nothing.", "name one")]
