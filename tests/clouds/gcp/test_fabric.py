"""GPUDirect: networks that exist for one pool, what Kubernetes knows of them, and what pods and nodes need."""

import json
from ipaddress import IPv4Network
from itertools import combinations
from typing import Any

import pytest
from tests.clouds.gcp.pool_recordings import pools
from tests.recordings import Recorded

from springtide import catalog, selection
from springtide.clouds.gcp.fabric import floor_findings, gpudirect_findings, unknown_floor_findings
from springtide.clouds.gcp.fabric_nodes import daemon_sets
from springtide.clouds.gcp.fabric_pods import direct_part
from springtide.clouds.gcp.network import DEFAULT_PODS_CIDR
from springtide.k8s.pod import Place, container
from springtide.spec import PoolSpec

DIRECT: dict[str, Any] = {"gpus_per_node": 8, "max_nodes": 2, "fabric": "gpudirect", "purpose": "training"}
POOLS = {
    "tcpx": {**DIRECT, "gpu": "H100", "machine_types": ["a3-highgpu-8g"], "capacity": ["spot"]},
    "tcpxo": {**DIRECT, "gpu": "H100", "machine_types": ["a3-megagpu-8g"], "capacity": ["spot"]},
    "rdma": {**DIRECT, "gpu": "H200", "capacity": ["flex-start"]},
}


@pytest.fixture(scope="module")
def made() -> Recorded:
    return pools({**POOLS, "plain": {"gpu": "L4", "max_nodes": 1}})


def below(made: Recorded, pool: str, kind: str) -> list[Any]:
    component = made.one("GpuPool", pool)
    return [item for item in made.children(component) if item.type.endswith(kind)]


def machine(name: str) -> catalog.MachineType:
    found = catalog.machine_type("gcp", name)
    assert found is not None
    return found


@pytest.mark.parametrize(("pool", "count", "mtu"), [("tcpx", 4, 8244), ("tcpxo", 8, 8244)])
def test_every_card_has_a_network_of_its_own(made: Recorded, pool: str, count: int, mtu: int) -> None:
    networks = below(made, pool, "compute/network:Network")
    assert [item.name for item in networks] == [f"{pool}-gpu-{i}" for i in range(1, count + 1)]
    assert {item.inputs["mtu"] for item in networks} == {mtu}
    assert {item.inputs["autoCreateSubnetworks"] for item in networks} == {False}
    assert len(below(made, pool, ":Subnetwork")) == count


def test_roce_is_one_network_of_the_zone_with_a_subnet_for_each_card(made: Recorded) -> None:
    plain, rdma = below(made, "rdma", "compute/network:Network")
    assert (plain.name, rdma.name) == ("rdma-gpu-1", "rdma-rdma")
    assert rdma.inputs["networkProfile"] == "projects/acme-ml-prod/global/networkProfiles/us-central1-b-vpc-roce"
    assert "networkProfile" not in plain.inputs
    assert plain.inputs["mtu"] == rdma.inputs["mtu"] == 8896
    subnets = [item.name for item in below(made, "rdma", ":Subnetwork")]
    assert subnets == ["rdma-gpu-1", *(f"rdma-rdma-{i}" for i in range(8))]
    assert [item.name for item in below(made, "rdma", ":Firewall")] == ["rdma-gpu-1"]


@pytest.mark.parametrize("pool", POOLS)
def test_the_cards_of_a_machine_have_ranges_apart_from_each_other_and_from_pods(made: Recorded, pool: str) -> None:
    ranges = [IPv4Network(item.inputs["ipCidrRange"]) for item in below(made, pool, ":Subnetwork")]
    assert not any(one.overlaps(other) for one, other in combinations(ranges, 2))
    assert not any(one.overlaps(IPv4Network(DEFAULT_PODS_CIDR)) for one in ranges)
    assert not any(one.is_global for one in ranges)


def test_inside_a_network_everything_may_talk_and_nobody_else(made: Recorded) -> None:
    for item in below(made, "tcpxo", ":Firewall"):
        assert item.inputs["direction"] == "INGRESS"
        assert item.inputs["sourceRanges"] == ["198.18.0.0/16"]
        assert [rule["protocol"] for rule in item.inputs["allows"]] == ["tcp", "udp", "icmp"]


@pytest.mark.parametrize(("pool", "modes"), [("tcpxo", ["NetDevice"] * 8), ("rdma", ["NetDevice", *["RDMA"] * 8])])
def test_kubernetes_knows_every_card_by_a_pair_of_objects(made: Recorded, pool: str, modes: list[str]) -> None:
    parameters = below(made, pool, ":GKENetworkParamSet")
    networks = below(made, pool, "networking.gke.io/v1:Network")
    assert [item.inputs["spec"]["deviceMode"] for item in parameters] == modes
    for item, behind in zip(networks, parameters, strict=True):
        assert item.inputs["spec"] == {
            "type": "Device",
            "parametersRef": {
                "group": "networking.gke.io",
                "kind": "GKENetworkParamSet",
                "name": behind.inputs["metadata"]["name"],
            },
        }


@pytest.mark.parametrize("pool", POOLS)
def test_a_node_has_its_cards_in_the_order_that_pods_count_them(made: Recorded, pool: str) -> None:
    [node] = below(made, pool, ":NodePool")[:1]
    cards = node.inputs["networkConfig"]["additionalNodeNetworkConfigs"]
    subnets = below(made, pool, ":Subnetwork")
    assert [card["subnetwork"] for card in cards] == [item.inputs["name"] for item in subnets]
    named = {item.name: item.inputs["name"] for item in below(made, pool, "compute/network:Network")}
    expected = [named.get(item.name, named.get(f"{pool}-rdma")) for item in subnets]
    assert [card["network"] for card in cards] == expected


@pytest.mark.parametrize("pool", POOLS)
def test_nodes_go_before_the_objects_and_the_objects_before_the_networks(made: Recorded, pool: str) -> None:
    for node in below(made, pool, ":NodePool"):
        for known in below(made, pool, "networking.gke.io/v1:Network"):
            assert made.needs(node, known)
        for rule in below(made, pool, ":Firewall"):
            assert made.needs(node, rule)
    for known, parameters, subnet in zip(
        below(made, pool, "networking.gke.io/v1:Network"),
        below(made, pool, ":GKENetworkParamSet"),
        below(made, pool, ":Subnetwork"),
        strict=True,
    ):
        assert made.needs(known, parameters)
        assert made.needs(parameters, subnet)
        assert any(made.needs(subnet, network) for network in below(made, pool, "compute/network:Network"))


def test_a_pool_without_a_fabric_has_no_networks(made: Recorded) -> None:
    assert [item.type.rpartition(":")[2] for item in made.children(made.one("GpuPool", "plain"))] == ["NodePool"]


@pytest.mark.parametrize(
    ("pool", "cards"),
    [
        ("tcpx", {f"eth{i}": f"tcpx-gpu-{i}" for i in range(1, 5)}),
        ("tcpxo", {f"eth{i}": f"tcpxo-gpu-{i}" for i in range(1, 9)}),
        ("rdma", {f"eth{i + 2}": f"rdma-rdma-{i}" for i in range(8)}),
    ],
)
def test_pods_ask_for_the_cards_by_the_names_that_kubernetes_knows(
    made: Recorded, pool: str, cards: dict[str, str]
) -> None:
    said = made.outputs["refs"]["value"][pool]["pod"]["annotations"]
    assert said["networking.gke.io/default-interface"] == "eth0"
    listed = json.loads(said["networking.gke.io/interfaces"])
    assert {item["interfaceName"]: item["network"] for item in listed} == {"eth0": "default", **cards}
    known = {item.inputs["metadata"]["name"] for item in below(made, pool, "networking.gke.io/v1:Network")}
    assert set(cards.values()) <= known


@pytest.mark.parametrize(("name", "gpus"), [("a3-highgpu-8g", 8), ("a3-megagpu-8g", 8)])
def test_the_daemon_beside_a_pod_is_given_the_gpus_by_its_own_name(name: str, gpus: int) -> None:
    kind = machine(name)
    part = direct_part("p", kind)
    [daemon] = part["sidecars"]
    devices = part["annotations"][f"devices.gke.io/container.{daemon['name']}"]
    assert devices.count("/dev/nvidia") == gpus + 2
    assert "NET_ADMIN" in daemon["capabilities"]
    [catalogued] = [item for item in catalog.fabric_parts("gcp", kind.gpudirect) if item.name == "rxdm"]
    assert daemon["image"] == f"{catalogued.image}:{catalogued.version}"


def test_tcpxos_daemon_serves_as_many_cards_as_the_machine_has() -> None:
    part = direct_part("p", machine("a3-megagpu-8g"))
    assert part["sidecars"][0]["command"][-1] == "--num_nics=8"
    assert part["env"]["NCCL_FASTRAK_IFNAME"] == "eth1,eth2,eth3,eth4,eth5,eth6,eth7,eth8"
    assert part["host_paths"]["/dev/aperture_devices"] == part["env"]["NCCL_FASTRAK_LLCM_DEVICE_DIRECTORY"]


def test_tcpx_binds_each_card_to_the_cpus_beside_it() -> None:
    part = direct_part("p", machine("a3-highgpu-8g"))
    assert part["env"]["NCCL_GPUDIRECTTCPX_TX_BINDINGS"] == (
        "eth1:8-21,112-125;eth2:8-21,112-125;eth3:60-73,164-177;eth4:60-73,164-177"
    )
    socket = part["env"]["NCCL_GPUDIRECTTCPX_UNIX_CLIENT_PREFIX"]
    assert socket in part["host_paths"].values()
    assert socket in part["sidecars"][0]["host_paths"].values()


@pytest.mark.parametrize(
    ("name", "held"),
    [("a3-highgpu-8g", ["IPC_LOCK"]), ("a3-megagpu-8g", []), ("a3-ultragpu-8g", []), ("a4-highgpu-8g", [])],
)
def test_tcpx_alone_wants_a_capability_of_the_workload(name: str, held: list[str]) -> None:
    place = Place(
        namespace="springtide",
        account="a",
        selector={},
        memory_gib=8,
        scratch_gib=8,
        part=direct_part("p", machine(name)),
    )
    rights = container("trainer", "i", ("train",), [], place=place, gpus=8)["securityContext"]
    assert rights["capabilities"].get("add", []) == held
    assert ("runAsUser" in rights) is bool(held)


@pytest.mark.parametrize(("name", "tuning"), [("a3-ultragpu-8g", "a3u"), ("a4-highgpu-8g", "a4")])
def test_gib_is_tuned_for_the_machine(name: str, tuning: str) -> None:
    part = direct_part("p", machine(name))
    assert part["env"]["NCCL_NET"] == "gIB"
    assert part["env"]["NCCL_TUNER_CONFIG_PATH"].endswith(f"/tuner_config_{tuning}.txtpb")
    assert "sidecars" not in part


@pytest.mark.parametrize(
    ("pool", "daemons"),
    [("tcpx", ["device-injector", "nccl-installer"]), ("rdma", ["nccl-installer"]), ("plain", [])],
)
def test_nodes_get_the_plugin_and_where_a_daemon_needs_gpus_what_hands_them_over(
    made: Recorded, pool: str, daemons: list[str]
) -> None:
    found = below(made, pool, ":DaemonSet")
    assert sorted(item.name for item in found) == [f"{pool}-{name}" for name in daemons]
    for item in found:
        assert item.inputs["metadata"]["namespace"] == "kube-system"
        assert item.inputs["spec"]["template"]["spec"]["nodeSelector"] == {"springtide.dev/pool": pool}


def test_pods_come_after_what_prepares_their_nodes_and_it_goes_before_the_nodes(made: Recorded) -> None:
    user = made.one("ConfigMap", "tcpxo-user")
    for daemon in below(made, "tcpxo", ":DaemonSet"):
        assert made.needs(user, daemon)
        assert all(made.needs(daemon, node) for node in below(made, "tcpxo", ":NodePool"))


@pytest.mark.parametrize("name", ["a3-highgpu-8g", "a3-megagpu-8g", "a3-ultragpu-8g"])
def test_daemons_run_pinned_images_and_select_their_own_pods(name: str) -> None:
    for manifest in daemon_sets("train", machine(name)).values():
        pod = manifest["spec"]["template"]["spec"]
        images = [item["image"] for item in [*pod.get("initContainers", []), *pod["containers"]]]
        assert all("@sha256:" in image or ":v" in image for image in images)
        assert manifest["spec"]["selector"]["matchLabels"] == manifest["spec"]["template"]["metadata"]["labels"]
        mounted = {mount["name"] for item in pod.get("initContainers", []) for mount in item["volumeMounts"]}
        assert mounted <= {volume["name"] for volume in pod["volumes"]}


def test_the_plugin_lands_where_pods_look_for_it() -> None:
    for name in ("a3-highgpu-8g", "a3-megagpu-8g", "a3-ultragpu-8g"):
        kind = machine(name)
        volumes = daemon_sets("p", kind)["nccl-installer"]["spec"]["template"]["spec"]["volumes"]
        put = {volume["hostPath"]["path"] for volume in volumes}
        wanted = direct_part("p", kind)["host_paths"]
        assert {path for path in wanted if path.startswith("/home/kubernetes/bin")} <= put


def chosen(**asked: Any) -> tuple[PoolSpec, selection.Choice]:
    spec = PoolSpec(**{"gpu": "H100", "gpus_per_node": 8, "max_nodes": 1, "fabric": "gpudirect", **asked})
    return spec, selection.choose(spec, "gcp", "us-central1", ("us-central1-a", "us-central1-b", "us-central1-c"))


def test_pods_of_a_pool_are_made_for_one_fabric() -> None:
    [found] = gpudirect_findings(*chosen())
    assert (found.path, found.allowed) == ("/machine_types", ("a3-highgpu-8g", "a3-megagpu-8g"))
    assert gpudirect_findings(*chosen(machine_types=("a3-megagpu-8g",))) == []


def test_a_machine_without_a_fabric_is_refused() -> None:
    [found] = gpudirect_findings(*chosen(gpu="L4", gpus_per_node=1))
    assert found.path == "/fabric"


@pytest.mark.parametrize(
    ("version", "refused", "unknown"),
    [("1.27", True, False), ("1.32", False, True), ("1.32.11-gke.1174000", False, False), ("1.35", False, False)],
)
def test_a_version_below_the_floor_is_refused_and_one_on_the_edge_is_told(
    version: str, refused: bool, unknown: bool
) -> None:
    asked = chosen(machine_types=("a3-megagpu-8g",))
    assert bool(floor_findings(*asked, version)) is refused
    told = unknown_floor_findings("/pools/train", *asked, version)
    assert bool(told) is unknown
    assert all((item.path, item.outcome) == ("/pools/train/fabric", "cannot-tell") for item in told)


def test_no_floor_is_asked_of_a_pool_without_a_fabric() -> None:
    spec, choice = chosen(machine_types=("a3-megagpu-8g",), fabric="none")
    assert floor_findings(spec, choice, "1.27") == []
