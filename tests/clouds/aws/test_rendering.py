"""What AWS resources say; the order they come in is tested with the program, `tests/stacks/test_program.py`."""

import json
from typing import Any

import pytest
from tests.environment_files import BASE
from tests.recordings import Recorded, of_file, of_text

from springtide import catalog
from springtide.clouds.aws.identity import statements
from springtide.clouds.aws.nodes import node_release
from springtide.identity import Grant


@pytest.fixture(scope="module")
def full() -> Recorded:
    return of_file("full")


@pytest.fixture(scope="module")
def base() -> Recorded:
    return of_text(BASE)


def test_the_provider_refuses_every_other_account_and_marks_what_it_makes(full: Recorded) -> None:
    provider = full.one("aws", "full").inputs
    assert json.loads(provider["allowedAccountIds"]) == ["123456789012"]
    assert provider["region"] == "us-east-1"
    assert json.loads(provider["defaultTags"])["tags"]["springtide:environment"] == "full"


def test_system_nodes_run_the_pinned_image_without_a_driver(full: Recorded) -> None:
    image = catalog.node_image("aws", "1.34", gpu=False)
    assert image is not None
    group = full.one("NodeGroup", "cluster-system").inputs
    assert (group["amiType"], group["releaseVersion"], group["version"]) == (
        "BOTTLEROCKET_x86_64",
        image.release,
        "1.34",
    )


def test_a_version_without_a_pinned_image_has_no_release() -> None:
    with pytest.raises(LookupError, match=r"no pinned node image for Kubernetes 1\.2"):
        node_release("1.2", gpu=True)


def test_anything_may_enter_a_system_node(full: Recorded) -> None:
    assert "taints" not in full.one("NodeGroup", "cluster-system").inputs


def test_a_broken_node_is_repaired(full: Recorded) -> None:
    assert {item.inputs["nodeRepairConfig"]["enabled"] for item in full.all("NodeGroup")} == {True}


TEMPLATES = ["cluster-system", "train"]


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_launch_template_guards_the_metadata_service_and_encrypts_the_disk(full: Recorded, name: str) -> None:
    template = full.one("LaunchTemplate", name).inputs
    assert template["metadataOptions"] == {
        "httpEndpoint": "enabled",
        "httpTokens": "required",
        "httpPutResponseHopLimit": 1,
    }
    assert {disk["ebs"]["encrypted"] for disk in template["blockDeviceMappings"]} == {"true"}
    assert {disk["ebs"]["deleteOnTermination"] for disk in template["blockDeviceMappings"]} == {"true"}


def test_a_launch_template_says_nothing_that_belongs_to_the_node_group(full: Recorded) -> None:
    """Each of these in the template of a managed node group makes EKS refuse the group."""
    template = full.one("LaunchTemplate", "cluster-system").inputs
    ours = {"instanceType", "networkInterfaces", "iamInstanceProfile", "instanceMarketOptions", "imageId", "userData"}
    assert not ours & template.keys()
    assert template.keys() == {"blockDeviceMappings", "metadataOptions", "tagSpecifications"}


def test_the_api_is_reachable_by_those_who_are_listed_and_from_inside(full: Recorded) -> None:
    inputs = next(item for item in full.all("Cluster") if item.custom).inputs
    assert inputs["vpcConfig"]["publicAccessCidrs"] == ["203.0.113.0/24", "198.51.100.7/32"]
    assert inputs["vpcConfig"]["endpointPrivateAccess"] is True
    assert inputs["accessConfig"]["authenticationMode"] == "API"


def test_secrets_are_encrypted_with_a_key_that_the_control_plane_may_use(full: Recorded) -> None:
    cluster = next(item for item in full.all("Cluster") if item.custom)
    assert cluster.inputs["encryptionConfig"]["resources"] == ["secrets"]
    assert full.one("Key", "cluster").inputs["enableKeyRotation"] is True
    policy = json.loads(full.one("RolePolicy", "cluster-secrets").inputs["policy"])
    assert policy["Statement"][0]["Resource"] == [cluster.inputs["encryptionConfig"]["provider"]["keyArn"]]
    assert full.needs(cluster, full.one("RolePolicy", "cluster-secrets"))


def test_logs_of_the_control_plane_are_ours_and_end(full: Recorded) -> None:
    group = full.one("LogGroup", "cluster").inputs
    assert (group["name"], group["retentionInDays"]) == ("/aws/eks/springtide-full/cluster", 90)


def test_support_never_becomes_extended_by_itself(full: Recorded) -> None:
    inputs = next(item for item in full.all("Cluster") if item.custom).inputs
    assert inputs["upgradePolicy"] == {"supportType": "STANDARD"}


def test_one_address_translator_serves_all_zones_or_each_has_its_own(full: Recorded, base: Recorded) -> None:
    assert [item.name for item in base.all("NatGateway")] == ["network-use1-az1"]
    assert len(full.all("NatGateway")) == 3
    for zone in ("use1-az1", "use1-az2", "use1-az4"):
        route = full.one("Route", f"network-private-{zone}")
        assert full.one("NatGateway", f"network-{zone}").urn in route.inputs["natGatewayId"]


def test_subnets_are_placed_by_zone_id_and_lie_where_the_plan_puts_them(full: Recorded) -> None:
    placed = {item.name: (item.inputs["availabilityZoneId"], item.inputs["cidrBlock"]) for item in full.all("Subnet")}
    assert placed["network-private-use1-az1"] == ("use1-az1", "10.8.0.0/22")
    assert placed["network-private-use1-az4"] == ("use1-az4", "10.8.8.0/22")
    assert placed["network-public-use1-az1"] == ("use1-az1", "10.8.32.0/25")
    assert len({cidr for _, cidr in placed.values()}) == len(placed) == 6


def test_checkpoints_and_image_layers_do_not_pass_the_address_translator(full: Recorded) -> None:
    endpoint = full.one("VpcEndpoint", "network-s3").inputs
    assert (endpoint["vpcEndpointType"], endpoint["serviceName"]) == ("Gateway", "com.amazonaws.us-east-1.s3")
    assert len(endpoint["routeTableIds"]) == 3


def test_a_bucket_is_private_encrypted_versioned_and_tidied(full: Recorded) -> None:
    name = "springtide-full-artifacts-123456789012"
    assert full.one("Bucket", "artifacts").inputs == {"bucket": name}
    private = full.one("BucketPublicAccessBlock", "artifacts").inputs
    assert {value for key, value in private.items() if key != "bucket"} == {True}
    assert len(private) == 5
    [rule] = full.one("BucketServerSideEncryptionConfiguration", "artifacts").inputs["rules"]
    assert rule["applyServerSideEncryptionByDefault"]["sseAlgorithm"] == "AES256"
    assert full.one("BucketVersioning", "artifacts").inputs["versioningConfiguration"]["status"] == "Enabled"
    assert full.one("BucketOwnershipControls", "artifacts").inputs["rule"] == {"objectOwnership": "BucketOwnerEnforced"}


def test_a_bucket_takes_encrypted_connections_only(full: Recorded) -> None:
    [deny] = json.loads(full.one("BucketPolicy", "artifacts").inputs["policy"])["Statement"]
    assert (deny["Effect"], deny["Principal"], deny["Action"]) == ("Deny", "*", "s3:*")
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    arn = "arn:aws:s3:::springtide-full-artifacts-123456789012"
    assert deny["Resource"] == [arn, f"{arn}/*"]


def test_superseded_versions_go_when_the_file_says_so_and_abandoned_uploads_always(full: Recorded) -> None:
    rules = {
        item.name: {rule["id"]: rule for rule in item.inputs["rules"]}
        for item in full.all("BucketLifecycleConfiguration")
    }
    assert rules["archive"].keys() == {"abandoned-uploads"}
    assert rules["artifacts"]["superseded-versions"]["noncurrentVersionExpiration"] == {"noncurrentDays": 14}


def actions(policy: list[dict[str, Any]]) -> set[str]:
    return {action for statement in policy for action in statement["Action"]}


def test_a_workload_reads_its_prefix_and_writes_only_with_that_right() -> None:
    arn = "arn:aws:s3:::bucket"
    read = statements(Grant(resource=arn, prefix="jobs/gpt", write=False), arn)
    write = statements(Grant(resource=arn, prefix="jobs/gpt", write=True), arn)
    assert actions(read) == {"s3:ListBucket", "s3:GetObject"}
    assert actions(write) - actions(read) == {"s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"}
    assert [statement["Resource"] for statement in write] == [[arn], [f"{arn}/jobs/gpt/*"]]
    assert write[0]["Condition"] == {"StringLike": {"s3:prefix": ["jobs/gpt/*", "jobs/gpt"]}}


def test_an_identity_is_for_pods_of_one_account_in_one_namespace(full: Recorded) -> None:
    association = full.one("PodIdentityAssociation", "chat").inputs
    assert (association["namespace"], association["serviceAccount"]) == ("springtide", "chat")
    trust = json.loads(full.one("Role", "chat").inputs["assumeRolePolicy"])["Statement"]
    assert [statement["Principal"] for statement in trust] == [{"Service": "pods.eks.amazonaws.com"}]


def test_no_right_of_a_workload_is_wider_than_its_run(full: Recorded) -> None:
    policies = [
        json.loads(item.inputs["policy"])["Statement"] for item in full.all("RolePolicy") if "Identity" in item.urn
    ]
    resources = {name for policy in policies for statement in policy for name in statement["Resource"]}
    artifacts, archive = (f"arn:aws:s3:::springtide-full-{name}-123456789012" for name in ("artifacts", "archive"))
    assert resources == {artifacts, f"{artifacts}/jobs/gpt/2026-11-22a/*", archive, f"{archive}/data/*"}
