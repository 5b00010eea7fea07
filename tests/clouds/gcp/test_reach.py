"""How the Kubernetes API of a GKE cluster is reached."""

import json
from ipaddress import IPv4Network
from typing import Any

import pytest

from springtide.clouds.gcp.kubeconfig import EVERYONE, WITHIN, kubeconfig, reach
from springtide.spec import PRIVATE, ClusterSpec


def settings(access: tuple[str, ...] | str, runner: str = "outside") -> dict[str, Any]:
    return dict(reach(ClusterSpec(version="1.35", access=access, runner=runner)).settings)


def let_in(access: tuple[str, ...] | str, runner: str) -> list[str]:
    blocks = settings(access, runner)["master_authorized_networks_config"]["cidr_blocks"]
    return [block["cidr_block"] for block in blocks]


def endpoints(access: tuple[str, ...] | str) -> object:
    return settings(access)["control_plane_endpoints_config"]


def test_a_list_of_addresses_is_kept_by_the_one_endpoint_that_keeps_lists() -> None:
    """No list applies to the DNS endpoint: with it open, the list would be a wish."""
    assert endpoints(("203.0.113.0/24",)) == {
        "dns_endpoint_config": {"allow_external_traffic": False},
        "ip_endpoints_config": {"enabled": True},
    }
    assert settings(("203.0.113.0/24",))["master_authorized_networks_config"] == {
        "cidr_blocks": [{"cidr_block": "203.0.113.0/24", "display_name": "203.0.113.0/24"}],
        "gcp_public_cidrs_access_enabled": False,
    }


def test_where_everyone_is_let_in_they_pass_iam_first_and_no_address_is_left() -> None:
    assert endpoints(("203.0.113.0/24", "0.0.0.0/0")) == {
        "dns_endpoint_config": {"allow_external_traffic": True},
        "ip_endpoints_config": {"enabled": False},
    }
    assert reach(ClusterSpec(version="1.35", access=(EVERYONE,))).by_name


@pytest.mark.parametrize("access", [PRIVATE, (PRIVATE,)])
def test_a_private_api_has_no_public_address_and_no_public_name(access: tuple[str, ...] | str) -> None:
    assert endpoints(access) == {
        "dns_endpoint_config": {"allow_external_traffic": False},
        "ip_endpoints_config": {"enabled": True},
    }
    assert settings(access)["private_cluster_config"] == {"enable_private_nodes": True, "enable_private_endpoint": True}


def test_whoever_deploys_from_inside_has_an_address_that_is_let_in() -> None:
    assert let_in((PRIVATE,), "inside") == list(WITHIN)
    assert let_in(("203.0.113.0/24",), "inside") == ["203.0.113.0/24", *WITHIN]
    assert let_in(("203.0.113.0/24",), "outside") == ["203.0.113.0/24"]
    assert all(IPv4Network(block).is_private or block == "100.64.0.0/10" for block in WITHIN)


@pytest.mark.parametrize("access", [PRIVATE, ("0.0.0.0/0",), ("203.0.113.0/24",)])
def test_nodes_never_have_a_public_address(access: tuple[str, ...] | str) -> None:
    assert settings(access)["private_cluster_config"]["enable_private_nodes"] is True


def test_the_kubeconfig_holds_no_secret_and_asks_for_a_token_each_time() -> None:
    found = json.loads(kubeconfig("https://192.0.2.1", "Q0E=", "springtide-dev"))
    [user] = found["users"]
    assert user["user"].keys() == {"exec"}
    assert user["user"]["exec"]["command"] == "gke-gcloud-auth-plugin"
    assert found["clusters"][0]["cluster"] == {"server": "https://192.0.2.1", "certificate-authority-data": "Q0E="}


def test_a_name_needs_no_certificate_of_the_cluster() -> None:
    [cluster] = json.loads(kubeconfig("https://gke-x.us-central1.gke.goog", "", "springtide-dev"))["clusters"]
    assert cluster["cluster"] == {"server": "https://gke-x.us-central1.gke.goog"}
