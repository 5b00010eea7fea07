"""What GCP's network and cluster say; storage, identities and pools have files of their own."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.environment_files import edited
from tests.recordings import Recorded, of_file, of_text

from springtide.clouds.gcp.nodes import system_size
from springtide.clouds.gcp.services import BASE
from springtide.offline.plan import Resource

PROJECT = "ml-platform-dev"
NETWORK = f"projects/{PROJECT}/global/networks/springtide-gcp"
SUBNET = f"projects/{PROJECT}/regions/us-central1/subnetworks/springtide-gcp"
NODES = f"springtide-gcp@{PROJECT}.iam.gserviceaccount.com"
SMALL = """\
config:
  cloud: gcp
  account: ml-platform-dev
  region: us-central1
  zones: 2
  network: {cidr: 10.0.0.0/16}
  cluster:
    version: "1.35"
    access: [203.0.113.0/24]
"""
ADOPTED = """{
    existing: projects/net/global/networks/corp, subnets: {us-central1: projects/net/regions/us-central1/subnetworks/gpu}}"""


@pytest.fixture(scope="module")
def full() -> Recorded:
    return of_file("gcp")


@pytest.fixture(scope="module")
def small() -> Recorded:
    return of_text(SMALL)


@pytest.fixture(scope="module")
def auto() -> Recorded:
    return of_text(edited(('version: "1.35"', 'version: "1.35"\n    mode: auto'), text=SMALL))


def control_plane(plan: Recorded) -> Resource:
    [found] = [item for item in plan.all("Cluster") if item.custom]
    return found


def below(plan: Recorded, kind: str, component: str) -> list[Resource]:
    """Resources of a type that a kind of component made."""
    return [item for item in plan.all(kind) if f"{component}$gcp:" in item.urn]


def test_the_provider_works_in_one_project_and_charges_it_and_marks_what_it_makes(full: Recorded) -> None:
    provider = full.one("gcp", "gcp").inputs
    assert (provider["project"], provider["billingProject"]) == (PROJECT, PROJECT)
    assert (provider["userProjectOverride"], provider["region"]) == ("true", "us-central1")
    assert '"springtide-environment": "gcp"' in provider["defaultLabels"]


def test_apis_are_on_before_anything_uses_them_and_stay_on(full: Recorded) -> None:
    turned_on = {item.inputs["service"] for item in full.all("Service") if "Network$" in item.urn}
    assert turned_on == {f"{name}.googleapis.com" for name in BASE}
    assert {item.inputs["disableOnDestroy"] for item in full.all("Service") if "gcp:" in item.type} == {False}


@pytest.mark.parametrize(
    ("kind", "component", "api"),
    [
        ("Network", "Network", "compute"),
        ("Connection", "Network", "servicenetworking"),
        ("Account", "Cluster", "iam"),
        ("KeyRing", "Cluster", "cloudkms"),
        ("Cluster", "Cluster", "container"),
        ("ServiceIdentity", "Cluster", "container"),
        ("NodePool", "GpuPool", "container"),
        ("Account", "WorkloadIdentity", "iamcredentials"),
        ("Bucket", "Storage", "storage"),
        ("Instance", "FileSystem", "file"),
    ],
)
def test_a_resource_is_made_after_its_api_is_on(full: Recorded, kind: str, component: str, api: str) -> None:
    apis = {item.urn for item in full.all("Service") if item.inputs.get("service") == f"{api}.googleapis.com"}
    made = below(full, kind, component)
    assert made
    assert all(full.before(item.urn) & apis for item in made if "lustre" not in item.type)


def test_every_api_that_a_resource_belongs_to_is_turned_on(full: Recorded) -> None:
    of_type = {
        "artifactregistry": "artifactregistry", "compute": "compute", "container": "container", "filestore": "file",
        "kms": "cloudkms", "lustre": "lustre", "serviceaccount": "iam", "servicenetworking": "servicenetworking",
        "storage": "storage",
    }  # fmt: skip
    by_hand = {
        "organizations",
        "projects",
    }  # cloudresourcemanager and serviceusage, without which none can be turned on
    used = {item.type.split(":")[1].partition("/")[0] for item in full.resources if item.type.startswith("gcp:")}
    turned_on = {item.inputs["service"].partition(".")[0] for item in full.all("Service") if "gcp:" in item.type}
    assert {of_type[module] for module in used - by_hand} <= turned_on


def test_a_network_has_the_subnets_that_it_is_told_and_no_other(full: Recorded) -> None:
    network = full.one("Network", "network", "gcp:compute").inputs
    assert network == {"autoCreateSubnetworks": False, "name": "springtide-gcp", "routingMode": "REGIONAL"}
    subnet = full.one("Subnetwork", "network").inputs
    assert (subnet["network"], subnet["ipCidrRange"]) == (NETWORK, "10.8.0.0/19")
    assert subnet["privateIpGoogleAccess"] is True
    assert subnet["secondaryIpRanges"] == [
        {"rangeName": "pods", "ipCidrRange": "100.72.0.0/16"},
        {"rangeName": "services", "ipCidrRange": "10.8.32.0/20"},
    ]


def test_pods_have_a_range_of_their_own_without_being_given_one(small: Recorded) -> None:
    pods, _ = small.one("Subnetwork", "network").inputs["secondaryIpRanges"]
    assert pods == {"rangeName": "pods", "ipCidrRange": "100.64.0.0/14"}


def test_internal_load_balancers_find_a_place_for_their_proxies(full: Recorded) -> None:
    proxies = full.one("Subnetwork", "network-proxies").inputs
    assert (proxies["purpose"], proxies["role"], proxies["ipCidrRange"]) == (
        *("REGIONAL_MANAGED_PROXY", "ACTIVE"),
        "10.8.56.0/23",
    )


def test_nodes_leave_through_cloud_nat_which_says_what_failed(full: Recorded) -> None:
    nat = full.one("RouterNat", "network").inputs
    assert nat["sourceSubnetworkIpRangesToNat"] == "ALL_SUBNETWORKS_ALL_IP_RANGES"
    assert nat["logConfig"] == {"enable": True, "filter": "ERRORS_ONLY"}
    # The API refuses the one with the other.
    assert (nat["enableDynamicPortAllocation"], nat["enableEndpointIndependentMapping"]) == (True, False)
    assert full.needs(control_plane(full), full.one("RouterNat", "network"))


def test_googles_file_systems_are_peered_with_and_let_in_on_one_port(full: Recorded) -> None:
    reserved = full.one("GlobalAddress", "network-peering").inputs
    assert (reserved["purpose"], reserved["address"], reserved["prefixLength"]) == ("VPC_PEERING", "10.8.48.0", 21)
    connection = full.one("Connection", "network-peering").inputs
    assert connection["reservedPeeringRanges"] == ["springtide-gcp-peering"]
    rule = full.one("Firewall", "network-lustre").inputs
    assert (rule["direction"], rule["sourceRanges"]) == ("INGRESS", ["10.8.48.0/21"])
    assert rule["allows"] == [{"protocol": "tcp", "ports": ["988"]}]


def test_a_network_is_given_the_time_that_gke_takes_to_tidy_up(full: Recorded) -> None:
    kinds = ("Network", "Subnetwork", "Connection", "Firewall", "GlobalAddress")
    slow = [item for kind in kinds for item in below(full, kind, "Network")]
    assert {item.options["custom_timeouts"]["delete"] for item in slow} == {"20m"}


def test_an_adopted_network_is_read_and_nothing_is_made_in_it() -> None:
    plan = of_text(edited(("{cidr: 10.0.0.0/16}", ADOPTED), text=SMALL))
    network = [item for item in plan.resources if "index:Network$" in item.urn]
    assert {item.type.rpartition(":")[2] for item in network} == {"Service", "Network", "Subnetwork"}
    assert [item.id for item in network if item.id] == [
        "projects/net/global/networks/corp",
        "projects/net/regions/us-central1/subnetworks/gpu",
    ]
    cluster = control_plane(plan).inputs
    assert (cluster["network"], cluster["subnetwork"]) == tuple(item.id for item in network if item.id)
    assert cluster["ipAllocationPolicy"]["clusterSecondaryRangeName"] == "pods"


def test_a_cluster_is_regional_and_its_version_is_the_files(full: Recorded) -> None:
    cluster = control_plane(full).inputs
    assert (cluster["name"], cluster["location"]) == ("springtide-gcp", "us-central1")
    assert cluster["nodeLocations"] == ["us-central1-a", "us-central1-b", "us-central1-c"]
    assert (cluster["minMasterVersion"], cluster["releaseChannel"]) == ("1.35", {"channel": "STABLE"})
    [exclusion] = cluster["maintenancePolicy"]["maintenanceExclusions"]
    assert exclusion["exclusionOptions"] == {
        "scope": "NO_MINOR_OR_NODE_UPGRADES",
        "endTimeBehavior": "UNTIL_END_OF_SUPPORT",
    }


def test_what_can_be_chosen_only_when_a_cluster_is_made_is_chosen(small: Recorded) -> None:
    cluster = control_plane(small).inputs
    assert (cluster["datapathProvider"], cluster["enableMultiNetworking"]) == ("ADVANCED_DATAPATH", True)
    assert cluster["ipAllocationPolicy"] == {
        "clusterSecondaryRangeName": "pods",
        "servicesSecondaryRangeName": "services",
    }
    assert cluster["releaseChannel"] == {"channel": "REGULAR"}


def test_a_destroy_is_refused_by_pulumi_or_not_at_all(full: Recorded) -> None:
    assert control_plane(full).inputs["deletionProtection"] is False


def test_the_api_is_reachable_by_those_who_are_listed(full: Recorded) -> None:
    cluster = control_plane(full).inputs
    listed = cluster["masterAuthorizedNetworksConfig"]["cidrBlocks"]
    assert [item["cidrBlock"] for item in listed] == ["203.0.113.0/24", "198.51.100.7/32"]
    assert cluster["controlPlaneEndpointsConfig"]["dnsEndpointConfig"]["allowExternalTraffic"] is False
    config = json.loads(full.one("kubernetes", "cluster").inputs["kubeconfig"])["clusters"][0]["cluster"]
    assert config["server"].endswith("#/endpoint»")
    assert config["certificate-authority-data"]


@pytest.mark.parametrize(
    ("access", "server"),
    [
        ("[0.0.0.0/0]", "/dnsEndpointConfig/endpoint»"),
        ("private, runner: inside", "/privateEndpoint»"),
    ],
)
def test_who_deploys_elsewhere_is_sent_to_the_endpoint_that_is_open_to_them(access: str, server: str) -> None:
    plan = of_text(edited(("access: [203.0.113.0/24]", f"access: {access}".replace(", ", "\n    ")), text=SMALL))
    config = plan.one("kubernetes", "cluster").inputs["kubeconfig"]
    assert server in config
    assert ("certificate-authority-data" in config) == ("dns" not in server)


def test_secrets_are_encrypted_with_a_key_that_gke_may_use(full: Recorded) -> None:
    cluster, right = control_plane(full), full.one("CryptoKeyIAMMember", "cluster")
    assert cluster.inputs["databaseEncryption"]["state"] == "ENCRYPTED"
    assert cluster.inputs["databaseEncryption"]["keyName"] == right.inputs["cryptoKeyId"]
    assert right.inputs["role"] == "roles/cloudkms.cryptoKeyEncrypterDecrypter"
    assert right.inputs["member"].endswith("@container-engine-robot.iam.gserviceaccount.com")
    assert full.needs(cluster, right)
    assert full.needs(right, full.one("ServiceIdentity", "cluster"))


def test_a_key_ring_which_cannot_be_deleted_has_no_name_that_a_second_try_would_need(full: Recorded) -> None:
    assert "name" not in full.one("KeyRing", "cluster").inputs


def test_drivers_of_every_kind_of_storage_are_in_the_cluster(full: Recorded) -> None:
    on = {key for key, value in control_plane(full).inputs["addonsConfig"].items() if value == {"enabled": True}}
    assert on >= {f"{name}CsiDriverConfig" for name in ("gcePersistentDisk", "gcpFilestore", "gcsFuse", "lustre")}


def test_no_node_is_the_projects_default_account(full: Recorded) -> None:
    nodes = [item.inputs["nodeConfig"] for item in [*full.all("NodePool"), control_plane(full)]]
    assert len(nodes) > 2
    assert {node["serviceAccount"] for node in nodes} == {NODES}
    rights = [item for item in below(full, "IAMMember", "Cluster") if "nodes" in item.name]
    assert {item.inputs["role"] for item in rights} == {
        "roles/container.defaultNodeServiceAccount",
        "roles/artifactregistry.reader",
        "roles/serviceusage.serviceUsageConsumer",
    }
    assert {item.inputs["member"] for item in rights} == {f"serviceAccount:{NODES}"}
    assert all(full.needs(control_plane(full), right) for right in rights)


def test_nodes_that_stream_images_have_all_that_google_asks_for(full: Recorded) -> None:
    """Requirements of GKE's page on image streaming: the API, a role for an account of one's own, a way without addresses."""
    api = full.one("Service", "containerfilesystem")
    rights = [item for item in full.all("IAMMember") if item.inputs["member"] == f"serviceAccount:{NODES}"]
    assert "roles/serviceusage.serviceUsageConsumer" in {item.inputs["role"] for item in rights}
    assert full.one("Subnetwork", "network").inputs["privateIpGoogleAccess"] is True
    for pool in full.all("NodePool"):
        assert pool.inputs["nodeConfig"]["gcfsConfig"] == {"enabled": True}
        assert full.before(pool.urn) >= {api.urn, *(item.urn for item in rights)}


def test_nodes_boot_verified_and_hide_their_credentials_from_pods(full: Recorded) -> None:
    for item in [*full.all("NodePool"), control_plane(full)]:
        node = item.inputs["nodeConfig"]
        assert node["shieldedInstanceConfig"] == {"enableSecureBoot": True, "enableIntegrityMonitoring": True}
        assert node["workloadMetadataConfig"] == {"mode": "GKE_METADATA"}
        assert node["metadata"] == {"disable-legacy-endpoints": "true"}


def test_system_nodes_are_as_many_as_the_file_says_in_all_zones_together(full: Recorded, small: Recorded) -> None:
    pools = [plan.one("NodePool", "cluster-system").inputs for plan in (full, small)]
    assert [(len(pool["nodeLocations"]), pool["initialNodeCount"]) for pool in pools] == [(3, 2), (2, 1)]
    assert [pool["autoscaling"] for pool in pools] == [
        {"totalMinNodeCount": least, "totalMaxNodeCount": most, "locationPolicy": "BALANCED"}
        for least, most in ((4, 6), (2, 3))
    ]


@given(st.integers(min_value=1, max_value=100), st.integers(min_value=1, max_value=8))
def test_the_first_size_of_a_pool_lies_within_its_bounds(nodes: int, zones: int) -> None:
    size = system_size(nodes, zones)
    assert size.zones <= zones
    assert nodes <= size.zones * size.by_zone <= size.most
    assert size.zones * (size.by_zone - 1) < nodes


def test_system_nodes_are_of_the_type_that_the_file_says(full: Recorded, small: Recorded) -> None:
    assert full.one("NodePool", "cluster-system").inputs["nodeConfig"]["machineType"] == "e2-standard-8"
    assert small.one("NodePool", "cluster-system").inputs["nodeConfig"]["machineType"] == "e2-standard-4"


def test_another_number_of_system_nodes_does_not_make_the_pool_anew(small: Recorded) -> None:
    assert small.one("NodePool", "cluster-system").options["ignore_changes"] == ["initialNodeCount"]


def test_a_pod_waits_for_a_system_node(small: Recorded) -> None:
    assert small.needs(small.one("Namespace", "springtide"), small.one("NodePool", "cluster-system"))


def test_administrators_are_members_of_a_role(full: Recorded) -> None:
    right = full.one("IAMMember", "admin-group:ops@example.com").inputs
    assert (right["role"], right["member"]) == ("roles/container.admin", "group:ops@example.com")


def test_administrators_get_in_as_long_as_there_is_a_cluster(full: Recorded) -> None:
    assert full.needs(control_plane(full), full.one("IAMMember", "admin-group:ops@example.com"))


def test_a_cluster_that_makes_its_nodes_is_told_only_who_they_are(auto: Recorded) -> None:
    cluster = control_plane(auto).inputs
    assert cluster["enableAutopilot"] is True
    assert cluster["clusterAutoscaling"]["autoProvisioningDefaults"]["serviceAccount"].startswith("springtide-dev@")
    given = {"nodeConfig", "removeDefaultNodePool", "initialNodeCount", "workloadIdentityConfig", "enableShieldedNodes"}
    assert not given & cluster.keys()
    assert auto.all("NodePool") == []


def test_nodes_that_nobody_can_upgrade_by_hand_get_googles_patches_and_no_minor_version(auto: Recorded) -> None:
    policy = control_plane(auto).inputs["maintenancePolicy"]
    [exclusion] = policy["maintenanceExclusions"]
    assert exclusion["exclusionOptions"] == {"scope": "NO_MINOR_UPGRADES", "endTimeBehavior": "UNTIL_END_OF_SUPPORT"}
    assert policy["recurringWindow"]["recurrence"] == "FREQ=WEEKLY;BYDAY=SA,SU"


def test_an_adopted_cluster_is_read_and_its_pools_have_an_account_of_ours() -> None:
    plan = of_text(edited(('version: "1.35"', 'version: "1.35"\n    existing: shared'), text=SMALL))
    assert control_plane(plan).id == "projects/ml-platform-dev/locations/us-central1/clusters/shared"
    assert plan.all("NodePool") == plan.all("KeyRing") == []
    assert plan.outputs["cluster"]["value"] == "shared"
    assert plan.one("Account", "cluster-nodes").inputs["accountId"] == "springtide-dev"
    # The namespace does not go with a cluster that stays.
    assert plan.one("Namespace", "springtide").options["deleted_with"] is None


def test_an_account_is_called_as_iam_takes_it_where_the_environments_name_is_long() -> None:
    plan = of_text(SMALL, "a-long-name-of-twent")
    assert plan.one("Account", "cluster-nodes").inputs["accountId"] == "springtide-a-long-name-3f445f"
    assert control_plane(plan).inputs["name"] == plan.outputs["cluster"]["value"] == "springtide-a-long-name-of-twent"
