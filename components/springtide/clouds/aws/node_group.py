"""A managed node group: machines that stay, and machines that Karpenter does not make.

A pool's warm nodes are one of fixed size: a static NodePool would do the same and is alpha in Karpenter 1.14. A capacity
block and the older EFA layout are one as a whole, which nothing scales: `min_nodes` is its size.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from springtide.clouds.aws.efa import LAYOUTS
from springtide.clouds.aws.ladder import managed, together
from springtide.clouds.aws.nodes import launch_template, node_release, template_reference
from springtide.cluster import ClusterRef
from springtide.component import child_of
from springtide.selection import Choice
from springtide.spec import PoolSpec
from springtide.spec.taints import API_EFFECTS

AMI_TYPES = {"x86_64": "BOTTLEROCKET_x86_64_NVIDIA", "arm64": "BOTTLEROCKET_ARM_64_NVIDIA"}
CAPACITY_TYPES = {"spot": "SPOT", "on-demand": "ON_DEMAND", "reserved": "ON_DEMAND"}
"""A reservation is on-demand capacity that is paid for already; the launch template names it."""
MOST_INSTANCE_TYPES = 20
"""CreateNodegroup takes no more; the cheapest are kept."""
STRIPE = """\
[settings.bootstrap-commands.scratch]
commands = [
    ["apiclient", "ephemeral-storage", "init"],
    ["apiclient", "ephemeral-storage", "bind", "--dirs", "/var/lib/containerd", "/var/lib/kubelet", "/var/log/pods"],
]
mode = "always"
essential = true
"""
"""Bottlerocket settings that make one disk of the machine's NVMe, as Karpenter does for its own machines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """What a pool's node group is made of."""

    name: str
    spec: PoolSpec
    choice: Choice
    cluster: ClusterRef
    labels: Mapping[str, str]
    taints: Sequence[Mapping[str, str]]
    groups: Sequence[pulumi.Input[str]]
    """Security groups, for machines whose interfaces are listed."""
    placement_group: pulumi.Input[str] | None


def node_group(nodes: Nodes, parent: pulumi.Resource) -> aws.eks.NodeGroup:
    """The node group of a pool."""
    spec, cluster, machines = nodes.spec, nodes.cluster, nodes.choice.machine_types
    block = spec.reservation_kind == "capacity-block"
    zones = nodes.choice.zones[:1] if together(spec) or block else nodes.choice.zones
    template = launch_template(nodes.name, cluster["environment"]["name"], spec.disk_gib, parent, **_template(nodes))
    return aws.eks.NodeGroup(
        nodes.name,
        cluster_name=cluster["name"],
        node_role_arn=cluster["node_role"],
        subnet_ids=[cluster["private_subnets"][zone] for zone in zones],
        ami_type=AMI_TYPES[machines[0].architecture],
        release_version=node_release(cluster["version"], gpu=True),
        version=cluster["version"],
        capacity_type="CAPACITY_BLOCK" if block else CAPACITY_TYPES[spec.capacity[0]],
        # A block's machine type stands in the template, and EKS takes it in one place only.
        instance_types=None if block else [machine.name for machine in machines[:MOST_INSTANCE_TYPES]],
        launch_template=template_reference(template),
        scaling_config={
            "min_size": spec.min_nodes,
            "desired_size": spec.min_nodes,
            "max_size": spec.max_nodes if managed(spec) else spec.min_nodes,
        },
        # Scarce machines are given back before others are asked for: a surge may never come.
        update_config={"max_unavailable": 1, "update_strategy": "MINIMAL"},
        labels=dict(nodes.labels),
        taints=[
            {"key": taint["key"], "value": taint["value"], "effect": API_EFFECTS[taint["effect"]]}
            for taint in nodes.taints
        ],
        node_repair_config={"enabled": True},
        opts=child_of(parent, **({"protect": True} if spec.protected else {})),
    )


def _template(nodes: Nodes) -> dict[str, Any]:
    """What the launch template says beyond disks, metadata and tags."""
    spec, machine = nodes.spec, nodes.choice.machine_types[0]
    said: dict[str, Any] = {}
    if spec.local_disks == "scratch" and machine.local_disk_gb > 0:
        said["user_data"] = base64.b64encode(STRIPE.encode()).decode()
    if nodes.placement_group is not None:
        said["placement"] = {"group_name": nodes.placement_group}
    if "reserved" in spec.capacity[:1]:
        said["capacity_reservation_specification"] = {
            "capacity_reservation_target": {"capacity_reservation_id": spec.reservation}
        }
    if spec.reservation_kind == "capacity-block":
        said |= {"instance_type": machine.name, "instance_market_options": {"market_type": "capacity-block"}}
    if spec.fabric == "efa":
        said["network_interfaces"] = [
            {
                "network_card_index": item.card,
                "device_index": item.device,
                "interface_type": item.kind,
                "security_groups": list(nodes.groups),
                "delete_on_termination": "true",
            }
            for item in LAYOUTS[spec.efa_layout](machine)
        ]
    return said
