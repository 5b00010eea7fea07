"""APIs of a project: each is off until somebody turns it on, and what needs it fails until then."""

from collections.abc import Iterable

import pulumi
import pulumi_gcp as gcp

BASE = (
    "artifactregistry",
    "cloudkms",
    "compute",
    "container",
    "containerfilesystem",
    "iam",
    "iamcredentials",
    "logging",
    "monitoring",
    "servicenetworking",
)
"""What a network and a cluster use, and the pods in it; storage turns on its own.

Two are not listed, for they must be on before a deployment can turn on any: serviceusage, and cloudresourcemanager, which
the provider asks for the project.
"""


def enabled(names: Iterable[str], opts: pulumi.ResourceOptions, prefix: str = "") -> list[pulumi.Resource]:
    """Turn APIs on. They stay on when the environment goes: they cost nothing, and others may use them by then.

    Args:
        names: APIs without their domain, such as `file`.
        opts: Options of each.
        prefix: What their resource names begin with, where two components of one type could turn on the same.
    """
    return [
        gcp.projects.Service(f"{prefix}{name}", service=f"{name}.googleapis.com", disable_on_destroy=False, opts=opts)
        for name in names
    ]
