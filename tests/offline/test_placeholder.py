"""Placeholders have the shape that the provider SDKs promise, so that no `apply` of a component fails on one."""

import base64
import json
import re
import ssl
from typing import Any

import pytest
from pulumi.runtime import rpc

from springtide.offline import placeholder, sdk, wire

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pulumi_aws")  # its own modules, on import

URN = "urn:pulumi:dev::house::aws:eks/cluster:Cluster::main"
VPC_CONFIG = {"subnetIds": ["subnet-1"], "endpointPublicAccess": True}


def answer(token: str, inputs: dict[str, Any] | None = None, world: int = 0) -> dict[str, Any]:
    return placeholder.outputs(URN, token, inputs or {}, world)


def test_a_placeholder_names_its_resource_and_its_place_in_it() -> None:
    assert answer("aws:eks/cluster:Cluster")["endpoint"] == f"«{URN}#/endpoint»"
    assert placeholder.identity(URN) == f"«{URN}#/id»"


def test_two_calls_answer_the_same() -> None:
    assert answer("aws:eks/cluster:Cluster") == answer("aws:eks/cluster:Cluster")


def test_an_input_comes_back_as_the_output_of_its_name() -> None:
    assert answer("aws:eks/cluster:Cluster", {"version": "1.35"})["version"] == "1.35"


def test_an_input_that_is_no_output_does_not_come_back() -> None:
    assert "nonsense" not in answer("aws:eks/cluster:Cluster", {"nonsense": 1})


def test_an_optional_input_that_was_not_given_stays_absent() -> None:
    assert "mapPublicIpOnLaunch" not in answer("aws:ec2/subnet:Subnet")


def test_the_cloud_completes_an_object_that_was_given_in_part() -> None:
    config = answer("aws:eks/cluster:Cluster", {"vpcConfig": VPC_CONFIG})["vpcConfig"]
    assert config["clusterSecurityGroupId"] == f"«{URN}#/vpcConfig/clusterSecurityGroupId»"
    assert config | VPC_CONFIG == config


def test_computed_lists_of_objects_hold_one_of_each() -> None:
    (found,) = answer("aws:eks/nodeGroup:NodeGroup")["resources"]
    assert found["autoscalingGroups"] == [{"name": f"«{URN}#/resources/0/autoscalingGroups/0/name»"}]


def test_computed_numbers_and_truths_have_their_type() -> None:
    assert answer("aws:ec2/launchTemplate:LaunchTemplate")["latestVersion"] == 1
    assert answer("aws:eks/cluster:Cluster")["deletionProtection"] is False


def test_certificate_data_can_be_decoded_as_a_client_would() -> None:
    data = answer("aws:eks/cluster:Cluster")["certificateAuthority"]["data"]
    body = ssl.PEM_cert_to_DER_cert(base64.b64decode(data).decode())
    assert body.decode() == f"«{URN}#/certificateAuthority/data»"


def test_an_arn_can_be_taken_apart() -> None:
    partition, provider, service, *_, resource = answer("aws:iam/role:Role")["arn"].split(":", 5)
    assert (partition, provider, service) == ("arn", "aws", "iam")
    assert resource == f"«{URN}#/arn»"


def test_a_kubernetes_object_is_named_typed_and_given_a_status() -> None:
    service = answer(
        "kubernetes:core/v1:Service", {"metadata": {"labels": {"a": "b"}}, "spec": {"ports": [{"port": 80}]}}
    )
    assert service["metadata"]["labels"] == {"a": "b"}
    assert service["metadata"]["name"] == f"«{URN}#/metadata/name»"
    assert service["spec"]["clusterIP"] == f"«{URN}#/spec/clusterIP»"
    assert service["status"]["loadBalancer"]["ingress"][0]["hostname"].endswith("ingress/0/hostname»")
    assert (service["apiVersion"], service["kind"]) == ("v1", "Service")


def test_a_type_that_holds_itself_comes_to_an_end() -> None:
    definition = answer("kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition")
    assert json.dumps(definition).count("openAPIV3Schema") < 100


@pytest.mark.parametrize(
    "token", ["kubernetes:karpenter.sh/v1:NodePool", "nowhere:index:Thing", "pulumi:providers:aws"]
)
def test_a_type_that_no_sdk_lists_answers_with_its_inputs(token: str) -> None:
    assert answer(token, {"spec": {"a": 1}}) == {"spec": {"a": 1}}


@pytest.mark.parametrize(
    "token",
    ["aws:eks/cluster:Cluster", "aws:eks/nodeGroup:NodeGroup", "aws:s3/bucket:Bucket", "kubernetes:batch/v1:Job"],
)
def test_two_worlds_differ_in_every_value_that_the_cloud_decides(token: str) -> None:
    one, other = (answer(token, world=world) for world in placeholder.WORLDS)
    same = set(_leaves(one)) & set(_leaves(other))
    assert same <= {(str, "batch/v1"), (str, "Job")}  # what the type itself decides
    assert list(wire.differing_paths(one, other))


def _leaves(value: Any) -> list[tuple[type, Any]]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in _leaves(item)]
    return [leaf for item in value for leaf in _leaves(item)] if isinstance(value, list) else [(type(value), value)]


def test_the_sdk_still_has_the_private_tables_that_placeholders_are_read_from() -> None:
    sdk.resource_class("aws:ec2/vpc:Vpc")
    (module,) = rpc._RESOURCE_MODULES["aws:ec2/vpc"]
    assert vars(module)["mod_info"]["classes"] == {"aws:ec2/vpc:Vpc": "Vpc"}


def test_an_sdk_tells_inputs_from_outputs() -> None:
    subnet = sdk.resource_class("aws:ec2/subnet:Subnet")
    assert subnet is not None
    assert {"vpcId", "mapPublicIpOnLaunch"} <= sdk.input_names(subnet)
    assert not {"arn", "ownerId", "id", "urn"} & sdk.input_names(subnet)
    assert {"arn", "ownerId", "vpcId"} <= sdk.output_types(subnet).keys()


def test_markers_of_the_second_world_differ_in_their_last_character_only() -> None:
    first, second = (placeholder.marker(URN, "/a", world) for world in placeholder.WORLDS)
    assert re.sub("'»$", "»", second) == first != second
