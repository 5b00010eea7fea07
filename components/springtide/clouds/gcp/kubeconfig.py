"""How the Kubernetes API of a GKE cluster is reached, and the kubeconfig that says so."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_gcp as gcp

from springtide.spec import ClusterSpec

EVERYONE = "0.0.0.0/0"
WITHIN = ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16")
"""Where addresses of the network, and of networks connected to it, come from (RFC 1918, RFC 6598); nobody on the internet
has one. GKE's list holds for the private address too, and it wants one where there is no other address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """One way to the API."""

    by_name: bool = False
    """Through the DNS endpoint, whose certificate every machine trusts; else by address, with the cluster's own."""
    inside: bool = False
    """By the address that it has in the network; else by the public one."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What the cluster says for it."""


def reach(spec: ClusterSpec) -> Reach:
    """The way to the API that keeps what `access` promises.

    GKE's DNS endpoint is open to the whole internet, behind IAM alone, and no list of addresses applies to it. So it is the
    way in where everyone is let in, and no address is left then; a list, and `private`, mean an address that honours them.
    """
    if EVERYONE in spec.ranges:
        return Reach(by_name=True, settings=_endpoints(by_name=True) | _private_nodes(private_api=False))
    settings = _endpoints(by_name=False) | _private_nodes(private_api=spec.private)
    inside = spec.runner == "inside"
    listed = [*spec.ranges, *(WITHIN if inside else ())]
    authorized = {
        "cidr_blocks": [{"cidr_block": cidr, "display_name": cidr} for cidr in listed],
        "gcp_public_cidrs_access_enabled": False,
    }
    return Reach(inside=inside, settings={**settings, "master_authorized_networks_config": authorized})


def address(control_plane: gcp.container.Cluster, way: Reach) -> pulumi.Output[str]:
    """Address of the API, as a client writes it."""
    if way.by_name:
        return control_plane.control_plane_endpoints_config.apply(
            lambda config: f"https://{config.dns_endpoint_config.endpoint}"  # type: ignore[union-attr]
        )
    if way.inside:
        return control_plane.private_cluster_config.apply(lambda config: f"https://{config.private_endpoint}")
    return control_plane.endpoint.apply(lambda host: f"https://{host}")


def authority(control_plane: gcp.container.Cluster, way: Reach) -> pulumi.Output[str]:
    """Certificate that the API's own is checked against; empty where any machine's list of authorities does."""
    if way.by_name:
        return pulumi.Output.from_input("")
    return control_plane.master_auth.apply(lambda auth: str(auth.cluster_ca_certificate))


def kubeconfig(server: str, certificate: str, name: str) -> str:
    """A kubeconfig whose user asks Google's plugin for a token at each use: nothing in it is a secret."""
    trust = {"certificate-authority-data": certificate} if certificate else {}
    user = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "command": "gke-gcloud-auth-plugin",
            "installHint": "gcloud components install gke-gcloud-auth-plugin",
            "provideClusterInfo": True,
            "interactiveMode": "Never",
        }
    }
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {"server": server, **trust}}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        },
        ensure_ascii=False,
    )


def _endpoints(*, by_name: bool) -> dict[str, Any]:
    return {
        "control_plane_endpoints_config": {
            "dns_endpoint_config": {"allow_external_traffic": by_name},
            "ip_endpoints_config": {"enabled": not by_name},
        }
    }


def _private_nodes(*, private_api: bool) -> dict[str, Any]:
    """Nodes never have a public address; the API has none where it is private."""
    return {"private_cluster_config": {"enable_private_nodes": True, "enable_private_endpoint": private_api}}
