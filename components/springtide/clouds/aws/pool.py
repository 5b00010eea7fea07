"""A GPU pool on EKS: Karpenter makes its machines as pods ask for them; a managed node group holds those that stay.

All run Bottlerocket's NVIDIA variant, which has driver and device plugin inside.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from springtide import catalog
from springtide.clouds import PoolParts
from springtide.clouds.aws import efa, karpenter
from springtide.clouds.aws.ladder import ZONE, Rung, managed, one_rung, placement_group, rungs
from springtide.clouds.aws.node_group import Nodes, node_group
from springtide.clouds.aws.nodes import node_release
from springtide.clouds.aws.order import id_after
from springtide.clouds.aws.provider import label, tags
from springtide.cluster import ClusterRef
from springtide.component import after, child_of, tell
from springtide.k8s import Manifest
from springtide.k8s.karpenter import DELETE_TIMEOUT, DO_NOT_DISRUPT
from springtide.k8s.pod import PodPart
from springtide.ladder import RUNG, may_exceed, node_labels, node_taints, tolerations
from springtide.selection import Choice
from springtide.spec import PoolSpec

_BEFORE_A_NAME = re.compile(r"arn:[\w-]+:iam::\d*:(role/([\w+=,.@-]+/)*)?")
"""What an ARN says before the name of a role; a placeholder has no path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """What the parts of a pool are made of."""

    name: str
    spec: PoolSpec
    choice: Choice
    cluster: ClusterRef
    parent: pulumi.Resource

    @property
    def environment(self) -> str:
        return self.cluster["environment"]["name"]

    @property
    def rungs(self) -> tuple[Rung, ...]:
        return rungs(self.name, self.spec, self.choice.zones, self.environment)

    def owned(self, *needed: pulumi.Resource) -> pulumi.ResourceOptions:
        """Options of what is gone only when machines are, and of what a reserved pool must not lose."""
        timeouts = pulumi.CustomTimeouts(delete=DELETE_TIMEOUT)
        kept = {"protect": True} if self.spec.protected else {}
        return child_of(self.parent, depends_on=list(needed), custom_timeouts=timeouts, **kept)


def gpu_pool(name: str, spec: PoolSpec, choice: Choice, cluster: ClusterRef, parent: pulumi.Resource) -> PoolParts:
    """Machines that pods of this pool wake, and those that are always there."""
    draft = _Draft(name=name, spec=spec, choice=choice, cluster=cluster, parent=parent)
    tell(may_exceed("aws", name, spec, draft.rungs))
    groups = _security_groups(draft)
    placements = _placements(draft)
    made = [*_staying(draft, groups, placements), *_woken(draft, groups, placements)]
    return PoolParts(
        selector=after({"springtide.dev/pool": name}, *made),
        pod=pod_part(name, spec, choice, version=cluster["version"], mode=cluster["mode"]),
    )


def pod_part(name: str, spec: PoolSpec, choice: Choice, *, version: str, mode: str) -> PodPart:  # noqa: ARG001
    """What a pod says that takes a whole node of the pool."""
    machines = choice.machine_types
    fabric = spec.fabric == "efa" and bool(machines)
    return PodPart(
        resources={efa.RESOURCE: str(machines[0].efa_max)} if fabric else {},
        env=dict(efa.ENVIRONMENT) if fabric else {},
        annotations=dict(DO_NOT_DISRUPT) if spec.purpose == "training" and not managed(spec) else {},
        tolerations=tolerations(spec),
        together=RUNG if one_rung(spec) else ZONE,
    )


def _security_groups(draft: _Draft) -> list[pulumi.Input[str]]:
    """The cluster's own group; with EFA also one in which everything may reach everything, in and out, as EFA demands."""
    shared = draft.cluster["security_group"]
    if draft.spec.fabric != "efa":
        return [shared]
    title = f"{label(draft.environment)}-{draft.name}-efa"
    group = aws.ec2.SecurityGroup(
        f"{draft.name}-efa",
        description="EFA traffic between the nodes of one pool",
        vpc_id=draft.cluster["network_id"],
        tags={"Name": title},
        opts=child_of(draft.parent),
    )
    everything = "-1"
    rules = (
        aws.vpc.SecurityGroupIngressRule(
            f"{draft.name}-efa",
            security_group_id=group.id,
            referenced_security_group_id=group.id,
            ip_protocol=everything,
            opts=child_of(draft.parent),
        ),
        aws.vpc.SecurityGroupEgressRule(
            f"{draft.name}-efa",
            security_group_id=group.id,
            referenced_security_group_id=group.id,
            ip_protocol=everything,
            opts=child_of(draft.parent),
        ),
    )
    return [shared, id_after(group.id, *rules)]


def _placements(draft: _Draft) -> dict[str, aws.ec2.PlacementGroup]:
    """The placement groups that the pool's machines are in, by name."""
    staying = _staying_group(draft)
    found = [*([] if staying is None else [staying]), *(rung.placement_group for rung in draft.rungs)]
    return {
        group: aws.ec2.PlacementGroup(
            group.removeprefix(f"{label(draft.environment)}-"), name=group, strategy="cluster", opts=draft.owned()
        )
        for group in dict.fromkeys(found)
        if group is not None
    }


def _staying_group(draft: _Draft) -> str | None:
    if not (draft.spec.min_nodes > 0 or managed(draft.spec)):
        return None
    return placement_group(draft.name, draft.spec, draft.spec.capacity[0], draft.choice.zones[0], draft.environment)


def _staying(
    draft: _Draft, groups: Sequence[pulumi.Input[str]], placements: Mapping[str, aws.ec2.PlacementGroup]
) -> list[pulumi.Resource]:
    """The node group of warm nodes, or of the whole pool where Karpenter cannot make it."""
    if not (draft.spec.min_nodes > 0 or managed(draft.spec)):
        return []
    placement = _staying_group(draft)
    # Warm nodes count as the first rung's: a job may have some of both.
    rung = draft.rungs[0].name if draft.rungs else draft.name
    nodes = Nodes(
        name=draft.name,
        spec=draft.spec,
        choice=draft.choice,
        cluster=draft.cluster,
        labels=node_labels(draft.name, draft.spec, rung),
        taints=node_taints(draft.spec),
        groups=groups,
        placement_group=None if placement is None else placements[placement].name,
    )
    return [node_group(nodes, draft.parent)]


def _woken(
    draft: _Draft, groups: Sequence[pulumi.Input[str]], placements: Mapping[str, aws.ec2.PlacementGroup]
) -> list[pulumi.Resource]:
    """Karpenter's resources, made after Karpenter and destroyed before it: it is what ends their machines."""
    users = {
        name: [rung for rung in draft.rungs if rung.node_class == name]
        for name in sorted({rung.node_class for rung in draft.rungs})
    }
    classes = {
        name: _custom(name, _node_class(draft, name, of_it, groups, placements), draft.owned())
        for name, of_it in users.items()
    }
    pools = [_custom(rung.name, _node_pool(draft, rung), draft.owned(classes[rung.node_class])) for rung in draft.rungs]
    return [*classes.values(), *pools]


def _custom(name: str, manifest: Manifest, opts: pulumi.ResourceOptions) -> kubernetes.apiextensions.CustomResource:
    return kubernetes.apiextensions.CustomResource(name, **manifest, opts=opts)


def _node_pool(draft: _Draft, rung: Rung) -> Manifest:
    region = draft.cluster["environment"]["region"]
    spec = draft.spec
    return karpenter.node_pool(
        rung,
        machines=[item for item in draft.choice.machine_types if set(catalog.offered(item, region)) & set(rung.zones)],
        labels=node_labels(draft.name, spec, rung.name),
        taints=node_taints(spec),
        purpose=spec.purpose,
        gpus=(spec.max_nodes - spec.min_nodes) * spec.gpus_per_node,
    )


def _node_class(
    draft: _Draft,
    name: str,
    users: Sequence[Rung],
    groups: Sequence[pulumi.Input[str]],
    placements: Mapping[str, aws.ec2.PlacementGroup],
) -> Manifest:
    """The node class that some rungs, all in one placement group or in none, share."""
    spec, cluster, machines = draft.spec, draft.cluster, draft.choice.machine_types
    zones = {zone for rung in users for zone in rung.zones}
    placement = users[0].placement_group
    return karpenter.node_class(
        pulumi.Output.from_input(cluster["controllers"]["karpenter"]).apply(lambda _version: name),
        release=node_release(cluster["version"], gpu=True),
        disk_gib=spec.disk_gib,
        striped=spec.local_disks == "scratch" and any(machine.local_disk_gb > 0 for machine in machines),
        role=pulumi.Output.from_input(cluster["node_role"]).apply(lambda arn: _BEFORE_A_NAME.sub("", arn)),
        subnets=[cluster["private_subnets"][zone] for zone in draft.choice.zones if zone in zones],
        groups=groups,
        tags=tags(draft.environment) | {"Name": f"{label(draft.environment)}-{draft.name}"},
        reservation=spec.reservation if any("reserved" in rung.kinds for rung in users) else None,
        placement_group=None if placement is None else placements[placement].name,
        interfaces=efa.LAYOUTS[spec.efa_layout](machines[0]) if spec.fabric == "efa" else (),
    )
