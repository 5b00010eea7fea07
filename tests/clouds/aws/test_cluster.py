"""What an EKS cluster is made of in each of its forms, who gets in, and what EKS does not have."""

import json
from typing import Any

import pytest
from tests.environment_files import BASE, ENVIRONMENTS, edited
from tests.recordings import Recorded, of_file, of_text

from springtide import catalog
from springtide.clouds.aws.cluster import MOST_RANGES, adopted_findings, cluster_findings
from springtide.clouds.aws.kubeconfig import kubeconfig
from springtide.offline.plan import Resource
from springtide.spec import ClusterSpec, Outcome, Severity

IN_THE_CLUSTER = ("kubernetes:", "springtide:index:WorkloadIdentity")


@pytest.fixture(scope="module")
def private() -> Recorded:
    return of_file("private")


@pytest.fixture(scope="module")
def adopted() -> Recorded:
    return of_file("adopted")


@pytest.fixture(scope="module")
def auto() -> Recorded:
    return of_file("auto")


@pytest.fixture(scope="module")
def base() -> Recorded:
    return of_text(BASE)


def control_plane(found: Recorded) -> Resource:
    return next(item for item in found.all("Cluster") if item.custom)


def policies(found: Recorded, role: str) -> set[str]:
    prefix = "arn:aws:iam::aws:policy/"
    return {
        item.inputs["policyArn"].removeprefix(prefix)
        for item in found.all("RolePolicyAttachment")
        if item.name.startswith(f"{role}-")
    }


def test_the_way_in_over_the_internet_is_for_those_who_are_listed(base: Recorded) -> None:
    inputs = control_plane(base).inputs["vpcConfig"]
    assert {key: value for key, value in inputs.items() if key != "subnetIds"} == {
        "endpointPrivateAccess": True,
        "endpointPublicAccess": True,
        "publicAccessCidrs": ["203.0.113.0/24"],
    }


def test_a_private_api_has_no_address_on_the_internet_and_opens_to_its_runner(private: Recorded) -> None:
    inputs = control_plane(private).inputs["vpcConfig"]
    door = private.one("SecurityGroup", "cluster-api")
    assert {key: value for key, value in inputs.items() if key not in {"subnetIds", "securityGroupIds"}} == {
        "endpointPrivateAccess": True,
        "endpointPublicAccess": False,
    }
    [group] = inputs["securityGroupIds"]
    assert door.urn in group
    [rule] = door.inputs["ingress"]
    assert (rule["protocol"], rule["fromPort"], rule["toPort"]) == ("tcp", 443, 443)
    assert rule["cidrBlocks"] == ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"]


def test_a_runner_inside_gets_its_door_where_the_api_is_public_too() -> None:
    """Inside the network the API's name is that of its private addresses, whatever else it has."""
    found = of_text(edited(("access: [203.0.113.0/24]", "access: [203.0.113.0/24]\n    runner: inside")))
    inputs = control_plane(found).inputs["vpcConfig"]
    assert inputs["endpointPublicAccess"] is True
    assert len(inputs["securityGroupIds"]) == 1


def test_support_is_never_extended_and_no_shift_empties_a_zone(base: Recorded) -> None:
    inputs = control_plane(base).inputs
    assert inputs["upgradePolicy"] == {"supportType": "STANDARD"}
    assert inputs["zonalShiftConfig"] == {"enabled": False}
    assert inputs["bootstrapSelfManagedAddons"] is False


def test_addons_that_a_node_needs_come_before_it_and_the_rest_after(base: Recorded) -> None:
    system = base.one("NodeGroup", "cluster-system")
    addons = base.all("Addon")
    before = {item.name for item in addons if base.needs(system, item)}
    after = {item.name for item in addons if base.needs(item, system)}
    assert before == {"vpc-cni", "kube-proxy", "eks-pod-identity-agent"}
    assert after == {"coredns", "eks-node-monitoring-agent"}
    assert len(addons) == 5
    assert all("addonVersion" not in item.inputs for item in addons), "the version is EKS' to choose"


def test_a_node_hands_out_addresses_by_the_block(base: Recorded) -> None:
    said = {item.name: item.inputs.get("configurationValues") for item in base.all("Addon")}
    assert json.loads(said.pop("vpc-cni") or "") == {
        "env": {"ENABLE_PREFIX_DELEGATION": "true", "WARM_PREFIX_TARGET": "1"}
    }
    assert set(said.values()) == {None}


def test_administrators_get_the_whole_cluster(private: Recorded) -> None:
    ops, deployer = "arn:aws:iam::123456789012:role/ops", "arn:aws:iam::123456789012:user/deployer@example.com"
    entries = {item.name: item.inputs for item in private.all("AccessEntry")}
    assert entries == {
        "cluster-admin-123456789012:role/ops": {
            "clusterName": "springtide-private", "principalArn": ops, "type": "STANDARD"
        },
        "cluster-admin-123456789012:user/deployer@example.com": {
            "clusterName": "springtide-private", "principalArn": deployer, "type": "STANDARD"
        },
    }  # fmt: skip
    associations = {item.inputs["principalArn"]: item.inputs for item in private.all("AccessPolicyAssociation")}
    assert associations.keys() == {ops, deployer}
    for inputs in associations.values():
        assert inputs["policyArn"] == "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
        assert inputs["accessScope"] == {"type": "cluster"}


def test_nobody_is_administrator_who_was_not_named_but_the_deployer(base: Recorded) -> None:
    assert base.all("AccessEntry") == base.all("AccessPolicyAssociation") == []
    access = control_plane(base).inputs["accessConfig"]
    assert access == {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": True}


@pytest.mark.parametrize("name", ["private", "adopted"])
def test_access_outlives_whatever_is_in_the_cluster(name: str) -> None:
    """Whoever deploys may be one of the administrators: without access, a destroy would strand what is inside."""
    found = of_file(name)
    inside = [item for item in found.resources if item.type.startswith(IN_THE_CLUSTER) and item.custom]
    access = found.all("AccessPolicyAssociation")
    assert inside
    assert access
    assert all(found.needs(item, way) for item in inside for way in access)


def test_machines_of_an_own_cluster_are_let_in_by_eks_itself(base: Recorded, auto: Recorded) -> None:
    """It makes an entry for the role of every managed node group, and refuses a second one."""
    [group] = [item for item in base.all("NodeGroup") if item.name == "cluster-system"]
    role = base.one("Role", "cluster-node").urn
    assert role in group.inputs["nodeRoleArn"]
    assert all(role in item.inputs["spec"]["role"] for item in base.all("EC2NodeClass"))
    assert base.all("AccessEntry") == auto.all("AccessEntry") == []


ADOPTED_KINDS = {"Cluster", "Role", "RolePolicyAttachment", "AccessEntry", "AccessPolicyAssociation", "kubernetes"}


def test_an_adopted_cluster_is_read_by_name_and_gets_leave_for_our_machines_and_people(adopted: Recorded) -> None:
    component = next(item for item in adopted.all("Cluster") if not item.custom)
    made = control_plane(adopted)
    assert (made.id, made.inputs) == ("shared-eks", {})
    assert {item.type.rpartition(":")[2] for item in adopted.children(component)} == ADOPTED_KINDS | {"Namespace"}
    entry = adopted.one("AccessEntry", "cluster-node").inputs
    assert (entry["clusterName"], entry["type"]) == ("shared-eks", "EC2_LINUX")
    assert adopted.one("Role", "cluster-node").urn in entry["principalArn"]
    assert "kubernetesGroups" not in entry
    people = adopted.one("AccessEntry", "cluster-admin-123456789012:role/teams/ml").inputs
    assert people["principalArn"] == "arn:aws:iam::123456789012:role/teams/ml"


def test_machines_come_to_an_adopted_cluster_once_they_are_let_in(adopted: Recorded) -> None:
    machines = adopted.one("EC2NodeClass", "train")
    assert adopted.one("Role", "cluster-node").urn in machines.inputs["spec"]["role"]
    assert adopted.needs(machines, adopted.one("AccessEntry", "cluster-node"))


def test_nothing_is_left_to_go_away_with_a_cluster_that_stays(adopted: Recorded) -> None:
    made = control_plane(adopted)
    assert [item.name for item in adopted.resources if item.options["deleted_with"] == made.urn] == []
    assert adopted.one("Namespace", "springtide").options["deleted_with"] is None


def test_the_way_to_an_adopted_cluster_is_its_own(adopted: Recorded) -> None:
    provider = adopted.one("kubernetes", "cluster")
    [entry] = json.loads(provider.inputs["kubeconfig"])["clusters"]
    assert entry["name"] == "shared-eks"
    assert control_plane(adopted).urn in entry["cluster"]["server"]


def test_machines_of_an_adopted_auto_cluster_come_in_as_such() -> None:
    text = (ENVIRONMENTS / "Pulumi.auto.yaml").read_text(encoding="utf-8")
    found = of_text(edited(("mode: auto", "mode: auto, existing: theirs"), text=text))
    assert found.one("AccessEntry", "cluster-node").inputs["type"] == "EC2"
    policy = found.one("AccessPolicyAssociation", "cluster-node").inputs["policyArn"]
    assert policy == "arn:aws:eks::aws:cluster-access-policy/AmazonEKSAutoNodePolicy"
    assert policies(found, "cluster-node") == {"AmazonEKSWorkerNodeMinimalPolicy", "AmazonEC2ContainerRegistryPullOnly"}


def test_auto_mode_turns_all_three_switches_on(auto: Recorded) -> None:
    inputs = control_plane(auto).inputs
    compute = inputs["computeConfig"]
    assert (compute["enabled"], compute["nodePools"]) == (True, ["general-purpose", "system"])
    assert auto.one("Role", "cluster-node").urn in compute["nodeRoleArn"]
    assert inputs["kubernetesNetworkConfig"] == {"elasticLoadBalancing": {"enabled": True}}
    assert inputs["storageConfig"] == {"blockStorage": {"enabled": True}}
    assert inputs["bootstrapSelfManagedAddons"] is False


def test_auto_mode_may_do_what_it_does_and_its_machines_very_little(auto: Recorded) -> None:
    assert policies(auto, "cluster-control-plane") == {
        "AmazonEKSClusterPolicy",
        "AmazonEKSComputePolicy",
        "AmazonEKSBlockStoragePolicy",
        "AmazonEKSLoadBalancingPolicy",
        "AmazonEKSNetworkingPolicy",
    }
    [trust] = json.loads(auto.one("Role", "cluster-control-plane").inputs["assumeRolePolicy"])["Statement"]
    assert trust["Action"] == ["sts:AssumeRole", "sts:TagSession"]
    assert policies(auto, "cluster-node") == {"AmazonEKSWorkerNodeMinimalPolicy", "AmazonEC2ContainerRegistryPullOnly"}


def test_in_auto_mode_system_nodes_and_addons_are_the_clouds(auto: Recorded) -> None:
    assert auto.all("Addon") == []
    assert [item.name for item in auto.all("NodeGroup") if item.name == "cluster-system"] == []


def test_in_auto_mode_secrets_are_encrypted_and_logs_end_as_well(auto: Recorded) -> None:
    made = control_plane(auto)
    assert made.inputs["encryptionConfig"]["resources"] == ["secrets"]
    assert auto.needs(made, auto.one("LogGroup", "cluster"))
    assert auto.needs(made, auto.one("RolePolicy", "cluster-secrets"))


def test_the_kubeconfig_holds_no_secret_and_asks_for_a_token_each_time() -> None:
    found = json.loads(kubeconfig("https://x", "Q0E=", "springtide-dev", "us-east-1"))
    [user] = found["users"]
    assert user["user"].keys() == {"exec"}
    assert user["user"]["exec"]["args"] == [
        *("eks", "get-token", "--cluster-name", "springtide-dev", "--region", "us-east-1", "--output", "json"),
    ]
    assert found["clusters"][0]["cluster"] == {"server": "https://x", "certificate-authority-data": "Q0E="}


RANGES = tuple(f"203.0.113.{i}/32" for i in range(MOST_RANGES + 1))
OPS = "arn:aws:iam::123456789012:role/ops"


def spec(**said: Any) -> ClusterSpec:
    return ClusterSpec(**({"version": "1.35", "access": ("203.0.113.0/24",)} | said))


REFUSED: list[tuple[dict[str, Any], dict[str, Any], str, str, str]] = [
    ({"access": RANGES}, {"access": RANGES[1:]}, "/access", "EKS takes 40", "private"),
    ({"access": ("10.1.0.0/16",)}, {"access": ("11.1.0.0/16",)}, "/access/0", "10.0.0.0/8", "public addresses"),
    ({"access": ("100.64.0.0/16",)}, {"access": ("100.0.0.0/16",)}, "/access/0", "100.64.0.0/10", "public addresses"),
    ({"access": ("127.0.0.1/32",)}, {"access": ("0.0.0.0/0",)}, "/access/0", "127.0.0.0/8", "public addresses"),
    ({"admins": ("ops",)}, {"admins": (OPS,)}, "/admins/0", "no IAM role or user", "role/ops"),
    (
        {"admins": (OPS, "arn:aws:iam::123456789012:root")}, {"admins": (OPS, f"{OPS}2")},
        "/admins/1", "no IAM role or user", "a role or a user",
    ),
    (
        {"admins": ("arn:aws:sts::123456789012:assumed-role/ops/me",)}, {"admins": (OPS,)},
        "/admins/0", "assumed-role", "of a session, its role's",
    ),
    (
        {"admins": ("arn:aws:iam::123456789012:role/aws-service-role/x.amazonaws.com/X",)},
        {"admins": ("arn:aws:iam::123456789012:role/service/x.amazonaws.com/X",)},
        "/admins/0", "no IAM role", "a role or a user",
    ),
    ({"release_channel": "regular"}, {}, "/release_channel", "no release channels", "remove release_channel"),
    ({"existing": "arn:aws:eks:::x"}, {"existing": "x"}, "/existing", "no name of an EKS cluster", "list-clusters"),
    ({"existing": "x", "system_nodes": 3}, {"existing": "x", "system_nodes": 2}, "/system_nodes", "as it is", "remove"),
    (
        {"existing": "x", "system_machine_types": ("m7i.large",)}, {"existing": "x"},
        "/system_machine_types", "as it is", "remove",
    ),
    ({"existing": "x", "log_retention_days": 7}, {"log_retention_days": 7}, "/log_retention_days", "as it is", "remove"),
    ({"mode": "auto", "system_nodes": 3}, {"mode": "standard", "system_nodes": 3}, "/system_nodes", "Auto", "standard"),
    (
        {"mode": "auto", "system_machine_types": ("m7i.large",)}, {"system_machine_types": ("m7i.large",)},
        "/system_machine_types", "Auto", "standard",
    ),
    ({"system_machine_types": ("g5.xlarge",)}, {}, "/system_machine_types/0", "no CPU machine type", "one of them"),
    ({"log_retention_days": 8}, {"log_retention_days": 7}, "/log_retention_days", "no logs for 8 days", "one of them"),
    ({"version": "1.2"}, {}, "/version", "no pinned node image", "in quotes"),
    ({"version": "1.2", "mode": "auto"}, {"mode": "auto"}, "/version", "no version of EKS", "in quotes"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "right", "path", "says", "fix"), REFUSED, ids=[f"{path}-{says}" for _, _, path, says, _ in REFUSED]
)
def test_what_eks_does_not_have_is_refused_and_its_neighbour_is_not(
    wrong: dict[str, Any], right: dict[str, Any], path: str, says: str, fix: str
) -> None:
    assert cluster_findings(spec(**right)) == []
    [found] = cluster_findings(spec(**wrong))
    assert (found.path, found.outcome, found.severity) == (path, Outcome.FAIL, Severity.ERROR)
    assert says in found.message
    assert fix in found.fix


def test_auto_mode_needs_no_node_image_of_ours() -> None:
    known = {item.version for item in catalog.kubernetes_versions("aws")}
    assert {name for name in known if cluster_findings(spec(mode="auto", version=name)) == []} == known


def test_a_range_that_is_none_is_left_to_the_rule_that_says_so() -> None:
    assert cluster_findings(spec(access=("everybody",))) == []


def test_what_only_aws_knows_of_an_adopted_cluster_is_told_with_the_commands_that_ask(adopted: Recorded) -> None:
    [found] = [item for item in adopted.warnings if item.rule == "aws/adopted-contents"]
    assert (found.outcome, found.stops, found.path) == (Outcome.CANNOT_TELL, False, "/cluster/existing")
    for part in ("authentication mode API", "eks-pod-identity-agent", "two CPU nodes", "controllers.existing"):
        assert part in found.message
    assert "describe-cluster --name shared-eks --region us-east-1 --query cluster.accessConfig" in found.fix
    assert "list-addons --cluster-name shared-eks" in found.fix


def test_auto_mode_brings_identities_and_nodes_by_itself() -> None:
    [found] = adopted_findings("shared", "auto", "us-east-1")
    assert "eks-pod-identity-agent" not in found.message
    assert "CPU nodes" not in found.message


def test_a_cluster_of_ours_is_told_nothing_of_what_is_in_it(base: Recorded) -> None:
    assert not [item for item in base.warnings if item.rule == "aws/adopted-contents"]
