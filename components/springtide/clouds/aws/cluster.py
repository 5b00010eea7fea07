"""EKS: a cluster with system nodes of ours, one in Auto Mode, or one that is there already."""

import re
from collections.abc import Iterable

import pulumi
import pulumi_aws as aws

from springtide import catalog
from springtide.clouds import ClusterParts
from springtide.clouds.aws.access import admin_findings, administrators, machines
from springtide.clouds.aws.addresses import PRIVATE_BLOCKS, SHARED_BLOCK, parsed, reserved
from springtide.clouds.aws.auto import auto
from springtide.clouds.aws.control_plane import Draft
from springtide.clouds.aws.kubeconfig import kubeconfig
from springtide.clouds.aws.nodes import node_role
from springtide.clouds.aws.order import id_after
from springtide.clouds.aws.standard import standard
from springtide.component import after, child_of, tell
from springtide.environment import EnvironmentRef
from springtide.network import NetworkRef
from springtide.spec import ClusterSpec, Finding, Outcome, Severity, Source, refuse
from springtide.spec.unused import unused

MODES = {"standard": standard, "auto": auto}
OF_SYSTEM_NODES = ("system_machine_types", "system_nodes")
LOG_RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""What CloudWatch Logs accepts (PutRetentionPolicy)."""
MOST_RANGES = 40
"""Ranges that may reach the public endpoint of one cluster (EKS service quotas)."""
WANTED = {
    "standard": ("run the add-on eks-pod-identity-agent", "have two CPU nodes without a taint, for controllers"),
    "auto": ("be in Auto Mode",),
}
"""Mode of a cluster that is there already → what it must do and have besides."""
_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}")


def cluster(
    name: str, spec: ClusterSpec, place: EnvironmentRef, network: NetworkRef, parent: pulumi.Resource
) -> ClusterParts:
    """An EKS cluster that is ready for pods."""
    draft = Draft(name=name, spec=spec, place=place, network=network, parent=parent)
    if spec.existing is not None:
        return _adopted(draft, spec.existing)
    made, role_arn, ready = MODES[spec.mode](draft)
    admins = administrators(name, spec.admins, made.name, parent)
    return _parts(draft, made, made.name, role_arn, [*ready, *admins])


def _adopted(draft: Draft, existing: str) -> ClusterParts:
    """A cluster as it is, read by name; what it gets from us is leave for machines of a role of ours, and for people.

    What is in it stays when the cluster does, so nothing of ours may be left to go away with it.
    """
    tell(adopted_findings(existing, draft.spec.mode, draft.place["region"]))
    made = aws.eks.Cluster.get(draft.name, existing, opts=child_of(draft.parent))
    found = after(existing, made)
    role_arn = node_role(draft.name, draft.spec.mode, draft.parent)
    join = machines(f"{draft.name}-node", role_arn, draft.spec.mode, found, draft.parent)
    admins = administrators(draft.name, draft.spec.admins, found, draft.parent)
    return _parts(draft, made, found, id_after(role_arn, join), [join, *admins])


def _parts(
    draft: Draft,
    made: aws.eks.Cluster,
    name: pulumi.Output[str],
    role_arn: pulumi.Output[str],
    ready: list[pulumi.Resource],
) -> ClusterParts:
    authority = made.certificate_authority.apply(lambda found: str(found.data))
    return ClusterParts(
        name=name,
        endpoint=made.endpoint,
        kubeconfig=pulumi.Output.all(made.endpoint, authority, name).apply(
            lambda known: kubeconfig(known[0], known[1], known[2], draft.place["region"])
        ),
        node_role=role_arn,
        security_group=made.vpc_config.apply(lambda vpc: str(vpc.cluster_security_group_id)),
        control_plane=None if draft.spec.existing is not None else made,
        ready=ready,
    )


def cluster_findings(spec: ClusterSpec) -> list[Finding]:
    """What EKS, or the catalog of pinned node images and machine types, does not have."""
    return [
        *_version(spec.version, pinned=spec.mode == "standard"),
        *_reach(spec),
        *(found for i, text in enumerate(spec.ranges) for found in _public(f"/access/{i}", text)),
        *admin_findings(spec.admins),
        *_unused(spec),
        *([] if spec.existing is None else _existing(spec.existing)),
        *(found for i, name in enumerate(spec.system_machine_types) for found in _machine(i, name)),
        *_retention(spec.log_retention_days),
    ]


def _version(version: str, *, pinned: bool) -> list[Finding]:
    known = [item.version for item in catalog.kubernetes_versions("aws")]
    offered = [name for name in known if not pinned or _has_images(name)]
    if version in offered:
        return []
    lacks = "has no pinned node image in the catalog" if pinned else "is no version of EKS that the catalog knows"
    message, fix = f"Kubernetes {version} {lacks}.", 'write one of the versions on offer, in quotes: version: "1.xx"'
    return [refuse("aws/version", "/version", version, message, fix, allowed=offered, source=Source.CATALOG)]


def _has_images(version: str) -> bool:
    return all(catalog.node_image("aws", version, gpu=gpu) for gpu in (True, False))


def _reach(spec: ClusterSpec) -> list[Finding]:
    """Whether the cloud takes so many ranges."""
    if len(spec.ranges) > MOST_RANGES:
        message = f"EKS takes {MOST_RANGES} ranges; listed are {len(spec.ranges)}."
        fix = "join neighbouring ranges, or write access: private and deploy from inside"
        return [refuse("aws/access-ranges", "/access", list(spec.ranges), message, fix)]
    return []


def _public(path: str, text: str) -> list[Finding]:
    """What is wrong with a range that is to reach the API over the internet, where private addresses do not occur."""
    block = parsed(text)
    if block is None or block.prefixlen == 0:
        return []
    home = next((it for it in (*PRIVATE_BLOCKS, SHARED_BLOCK) if block.subnet_of(it)), None) or reserved(block)
    if home is None:
        return []
    message = f"{text} is of {home}: nobody has such an address on the internet, and EKS refuses it."
    fix = "list the public addresses of whoever deploys, or write access: private and runner: inside"
    return [refuse("aws/access-ranges", path, text, message, fix)]


def _unused(spec: ClusterSpec) -> list[Finding]:
    """Keys that do nothing on EKS, or nothing in such a cluster."""
    own = "make the cluster here: remove existing"
    rules: Iterable[tuple[bool, tuple[str, ...], str, str, str]] = (
        (
            True, ("release_channel",), "aws/release-channel",
            "EKS has no release channels and upgrades when version says so.", "build on a cloud that has them",
        ),
        (
            spec.existing is not None, (*OF_SYSTEM_NODES, "log_retention_days"), "aws/adopted-cluster",
            f"{spec.existing} is used as it is.", own,
        ),
        (
            spec.existing is None and spec.mode == "auto", OF_SYSTEM_NODES, "aws/auto-mode",
            "in Auto Mode AWS makes the nodes.", "write mode: standard",
        ),
    )  # fmt: skip
    return [found for holds, keys, rule, why, fix in rules if holds for found in unused(spec, keys, rule, why, fix)]


def _existing(name: str) -> list[Finding]:
    if _NAME.fullmatch(name):
        return []
    message = f"{name!r} is no name of an EKS cluster."
    fix = "write its name as `aws eks list-clusters` shows it, not its ARN"
    return [refuse("aws/cluster-name", "/existing", name, message, fix)]


def adopted_findings(name: str, mode: str, region: str) -> list[Finding]:
    """What everything in a cluster takes for granted, and only AWS knows of one that is there already.

    In Auto Mode AWS brings what gives pods their identities, and nodes for whatever comes.
    """
    wanted = ["let roles in by access entries (authentication mode API or API_AND_CONFIG_MAP)", *WANTED[mode]]
    message = (
        f"{name} must {', '.join(wanted[:-1])} and {wanted[-1]}; what of ours is in it already (metrics-server, Karpenter, "
        "jobset, kueue, keda) belongs under controllers.existing. Whether it is so, only AWS knows."
    )
    where = f"{name} --region {region}"
    fix = (
        f"aws eks describe-cluster --name {where} --query cluster.accessConfig.authenticationMode; "
        f"aws eks list-addons --cluster-name {where}; helm list --all-namespaces"
    )
    return [
        Finding(
            rule="aws/adopted-contents",
            outcome=Outcome.CANNOT_TELL,
            severity=Severity.WARNING,
            source=Source.SPEC,
            message=message,
            fix=fix,
            path="/cluster/existing",
            value=name,
        )
    ]


def _machine(index: int, name: str) -> list[Finding]:
    known = catalog.machine_type("aws", name)
    if known is not None and not known.gpu and known.architecture == "x86_64":
        return []
    small = [item.name for item in catalog.machine_types("aws") if not item.gpu and item.architecture == "x86_64"]
    message = f"{name} is no CPU machine type (x86_64) that the catalog knows."
    path = f"/system_machine_types/{index}"
    return [refuse("aws/system-machine", path, name, message, "use one of them", allowed=small, source=Source.CATALOG)]


def _retention(days: int) -> list[Finding]:
    if days in LOG_RETENTION_DAYS:
        return []
    message = f"CloudWatch keeps no logs for {days} days."
    path = "/log_retention_days"
    return [refuse("aws/log-retention", path, days, message, "use one of them", allowed=LOG_RETENTION_DAYS)]
