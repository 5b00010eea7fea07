"""What a VPC is made of, what an adopted one is not, and what neither can be."""

from typing import Any

import pytest
from tests.environment_files import BASE, edited
from tests.recordings import Recorded, of_file, of_text

from springtide.clouds.aws.network import network_findings
from springtide.spec import NetworkSpec, Outcome, Severity

ZONES = ("use1-az1", "use1-az2")
VPC = "vpc-0123456789abcdef0"
SUBNETS = {"use1-az1": "subnet-0123456789abcdef0", "use1-az2": "subnet-0fedcba9876543210"}


@pytest.fixture(scope="module")
def private() -> Recorded:
    return of_file("private")


@pytest.fixture(scope="module")
def adopted() -> Recorded:
    return of_file("adopted")


def test_private_subnets_lie_in_the_second_range_once_the_network_has_it(private: Recorded) -> None:
    second = private.one("VpcIpv4CidrBlockAssociation", "network-pods")
    assert second.inputs["cidrBlock"] == "100.64.0.0/16"
    placed = {item.name: item for item in private.all("Subnet")}
    assert {name: item.inputs["cidrBlock"] for name, item in placed.items()} == {
        "network-private-eun1-az1": "100.64.0.0/19",
        "network-private-eun1-az2": "100.64.32.0/19",
        "network-private-eun1-az3": "100.64.64.0/19",
        "network-public-eun1-az1": "10.2.8.0/27",
        "network-public-eun1-az2": "10.2.8.32/27",
        "network-public-eun1-az3": "10.2.8.64/27",
    }
    for name, item in placed.items():
        assert private.needs(item, second) == name.startswith("network-private")


def test_without_a_second_range_there_is_none() -> None:
    assert of_text(BASE).all("VpcIpv4CidrBlockAssociation") == []


def test_subnets_say_what_may_be_put_in_them(private: Recorded) -> None:
    assert private.one("Subnet", "network-private-eun1-az1").inputs["tags"] == {
        "Name": "network-private-eun1-az1",
        "kubernetes.io/role/internal-elb": "1",
        "karpenter.sh/discovery": "springtide-private",
    }
    assert private.one("Subnet", "network-public-eun1-az1").inputs["tags"] == {
        "Name": "network-public-eun1-az1",
        "kubernetes.io/role/elb": "1",
    }
    cluster = next(item for item in private.all("Cluster") if item.custom)
    assert cluster.inputs["name"] == "springtide-private"


def test_each_service_is_answered_inside_the_network_in_every_zone(private: Recorded) -> None:
    interfaces = {
        item.name: item for item in private.all("VpcEndpoint") if item.inputs["vpcEndpointType"] == "Interface"
    }
    assert {name: item.inputs["serviceName"] for name, item in interfaces.items()} == {
        "network-ecr-api": "com.amazonaws.eu-north-1.ecr.api",
        "network-ecr-dkr": "com.amazonaws.eu-north-1.ecr.dkr",
        "network-sts": "com.amazonaws.eu-north-1.sts",
        "network-eks-auth": "com.amazonaws.eu-north-1.eks-auth",
    }
    group = private.one("SecurityGroup", "network-endpoints")
    for item in interfaces.values():
        assert item.inputs["privateDnsEnabled"] is True
        assert len(item.inputs["subnetIds"]) == 3
        assert all("network-private-" in subnet for subnet in item.inputs["subnetIds"])
        [guard] = item.inputs["securityGroupIds"]
        assert group.urn in guard


def test_services_are_open_to_https_of_both_ranges_and_to_nothing_else(private: Recorded) -> None:
    group = private.one("SecurityGroup", "network-endpoints").inputs
    assert group["ingress"] == [
        {
            "description": "HTTPS",
            "protocol": "tcp",
            "fromPort": 443,
            "toPort": 443,
            "cidrBlocks": ["10.2.0.0/20", "100.64.0.0/16"],
        }
    ]
    assert "egress" not in group


def test_machines_come_after_every_way_to_the_services_they_boot_with(private: Recorded) -> None:
    system = private.one("NodeGroup", "cluster-system")
    endpoints = private.all("VpcEndpoint")
    assert len(endpoints) == 5
    assert all(private.needs(system, item) for item in endpoints)


@pytest.mark.parametrize(
    ("endpoints", "made"),
    [
        ("[]", []),
        ("[storage]", ["network-s3"]),
        ("[registry]", ["network-ecr-api", "network-ecr-dkr"]),
        ("[identity]", ["network-eks-auth", "network-sts"]),
    ],
)
def test_an_endpoint_is_there_when_it_is_asked_for(endpoints: str, made: list[str]) -> None:
    found = of_text(edited(("nat: one}", f"nat: one, endpoints: {endpoints}}}")))
    assert sorted(item.name for item in found.all("VpcEndpoint")) == made
    paid = [item for item in found.all("SecurityGroup") if item.name == "network-endpoints"]
    assert len(paid) == (1 if len(made) > 1 else 0)


def test_an_adopted_network_is_read_and_nothing_is_made_in_it(adopted: Recorded) -> None:
    component = next(item for item in adopted.all("Network"))
    children = {item.name: (item.type.rpartition(":")[2], item.id) for item in adopted.children(component)}
    assert children == {
        "network": ("Vpc", VPC),
        "network-private-use1-az1": ("Subnet", SUBNETS["use1-az1"]),
        "network-private-use1-az2": ("Subnet", SUBNETS["use1-az2"]),
    }


def test_machines_live_in_the_subnets_of_an_adopted_network(adopted: Recorded) -> None:
    terms = adopted.one("EC2NodeClass", "train").inputs["spec"]["subnetSelectorTerms"]
    assert terms == [{"id": subnet} for subnet in SUBNETS.values()]


def spec(**said: Any) -> NetworkSpec:
    return NetworkSpec(zones=ZONES, **said)


ADOPTED = {"existing": VPC, "subnets": SUBNETS}
REFUSED = [
    ({"pods_cidr": "100.64.0.0/15"}, {"pods_cidr": "100.64.0.0/16"}, "/pods_cidr", "wider", "100.64.0.0/16"),
    ({"pods_cidr": "10.0.64.0/18"}, {"pods_cidr": "10.1.64.0/18"}, "/pods_cidr", "overlaps", "100.64.0.0/16"),
    ({"pods_cidr": "172.16.0.0/16"}, {"pods_cidr": "20.16.0.0/16"}, "/pods_cidr", "two private blocks", "100.64"),
    ({"pods_cidr": "198.19.0.0/16"}, {"pods_cidr": "198.18.0.0/16"}, "/pods_cidr", "198.19.0.0/16", "private range"),
    ({"cidr": "127.0.0.0/16"}, {"cidr": "10.9.0.0/16"}, "/cidr", "127.0.0.0/8", "private range"),
    (ADOPTED | {"cidr": "10.9.0.0/16"}, ADOPTED | {"cidr": "10.0.0.0/16"}, "/cidr", "as it is", "remove cidr"),
    (ADOPTED | {"nat": "per-zone"}, ADOPTED | {"nat": "one"}, "/nat", "as it is", "remove nat"),
    (ADOPTED | {"pods_cidr": "100.64.0.0/16"}, ADOPTED, "/pods_cidr", "as it is", "remove pods_cidr"),
    (ADOPTED | {"endpoints": ()}, ADOPTED | {"endpoints": ("storage",)}, "/endpoints", "as it is", "remove endpoints"),
    (ADOPTED | {"existing": "vpc-12"}, ADOPTED | {"existing": "vpc-0123abcd"}, "/existing", "no id", "vpc- and 17"),
    (
        ADOPTED | {"subnets": SUBNETS | {"use1-az1": "10.0.0.0/24"}}, ADOPTED,
        "/subnets/use1-az1", "no id of a subnet", "subnet- and 17",
    ),
    (
        ADOPTED | {"subnets": SUBNETS | {"use1-az2": SUBNETS["use1-az1"]}}, ADOPTED,
        "/subnets/use1-az2", "one zone only", "another",
    ),
    (
        ADOPTED | {"subnets": SUBNETS | {"use1-az4": "subnet-0123abcd"}}, ADOPTED,
        "/subnets/use1-az4", "no zone of this environment", "did you mean use1-az",
    ),
    (
        ADOPTED | {"subnets": {"use1-az1": SUBNETS["use1-az1"]}}, ADOPTED,
        "/subnets", "named for use1-az2", "each zone",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "right", "path", "says", "fix"), REFUSED, ids=[f"{path}-{says}" for _, _, path, says, _ in REFUSED]
)
def test_what_no_vpc_can_be_is_refused_and_its_neighbour_is_not(
    wrong: dict[str, Any], right: dict[str, Any], path: str, says: str, fix: str
) -> None:
    assert network_findings(spec(**right)) == []
    [found] = network_findings(spec(**wrong))
    assert (found.path, found.outcome, found.severity) == (path, Outcome.FAIL, Severity.ERROR)
    assert says in found.message
    assert fix in found.fix
    key, _, zone = path.removeprefix("/").partition("/")
    assert found.value == (wrong[key][zone] if zone else wrong[key])


def test_a_zone_that_is_not_known_is_not_judged() -> None:
    """The file's own rules look at a network before the zones are counted; the component looks again."""
    assert network_findings(NetworkSpec(zones=(), existing=VPC, subnets=SUBNETS)) == []


def test_what_is_no_range_is_left_to_the_rule_that_says_so() -> None:
    assert network_findings(spec(cidr="ten", pods_cidr="100.64.0.0/16")) == []
    assert network_findings(spec(pods_cidr="sixty-four")) == []
