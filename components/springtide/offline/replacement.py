"""What a changed property means for the resource: an update in place, or a new one in place of the old.

The engine asks the provider. Without one this table answers; a type that is not in it is "not known", never guessed.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from springtide.offline.paths import overlaps, pointer_of
from springtide.offline.replacement_gcp import GCP


class Action(StrEnum):
    """What an update would do to one resource; the dangerous before the harmless."""

    REPLACE = "replace"
    UPDATE_OR_REPLACE = "update or replace"
    """Something changes, and whether in place is not known for this type."""
    DELETE = "delete"
    UPDATE = "update"
    CREATE = "create"
    KEEP = "keep"
    """Only ignored properties differ: the resource stays as it is."""


# Source: `ForceNew` in the resource's schema in hashicorp/terraform-provider-aws internal/service/**, which pulumi-aws
# bridges; read 2026-11-22. Input names are pulumi-aws's. A property that is not listed is updated in place.
_AWS_READ: dict[str, tuple[str, ...]] = {
    "aws:cloudwatch/logGroup:LogGroup": ("/logGroupClass", "/name", "/namePrefix"),
    "aws:ec2/eip:Eip": ("/address", "/domain", "/ipamPoolId", "/networkBorderGroup", "/publicIpv4Pool"),
    "aws:ec2/natGateway:NatGateway": (
        "/allocationId", "/connectivityType", "/privateIp", "/secondaryPrivateIpAddressCount", "/subnetId",
    ),
    "aws:ec2/route:Route": (
        "/destinationCidrBlock", "/destinationIpv6CidrBlock", "/destinationPrefixListId", "/routeTableId",
    ),
    "aws:ec2/subnet:Subnet": (
        "/availabilityZone", "/availabilityZoneId", "/cidrBlock", "/ipv4IpamPoolId", "/ipv4NetmaskLength",
        "/ipv6IpamPoolId", "/ipv6Native", "/ipv6NetmaskLength", "/outpostArn", "/vpcId",
    ),
    "aws:ec2/vpc:Vpc": ("/cidrBlock", "/ipv4IpamPoolId", "/ipv4NetmaskLength"),
    "aws:ec2/vpcEndpoint:VpcEndpoint": (
        "/dnsOptions/privateDnsPreference", "/dnsOptions/privateDnsSpecifiedDomains", "/resourceConfigurationArn",
        "/serviceName", "/serviceNetworkArn", "/serviceRegion", "/vpcEndpointType", "/vpcId",
    ),
    "aws:eks/addon:Addon": ("/addonName", "/clusterName"),
    "aws:eks/cluster:Cluster": (
        "/accessConfig/bootstrapClusterCreatorAdminPermissions", "/bootstrapSelfManagedAddons",
        "/kubernetesNetworkConfig/ipFamily", "/kubernetesNetworkConfig/serviceIpv4Cidr", "/name",
        "/outpostConfig/controlPlaneInstanceType", "/remoteNetworkConfig", "/roleArn",
    ),
    "aws:eks/nodeGroup:NodeGroup": (
        "/amiType", "/capacityType", "/clusterName", "/diskSize", "/instanceTypes", "/launchTemplate/id",
        "/launchTemplate/name", "/nodeGroupName", "/nodeGroupNamePrefix", "/nodeRoleArn", "/remoteAccess", "/subnetIds",
    ),
    "aws:efs/fileSystem:FileSystem": (
        "/availabilityZoneName", "/creationToken", "/encrypted", "/kmsKeyId", "/performanceMode",
    ),
    "aws:fsx/lustreFileSystem:LustreFileSystem": (
        "/backupId", "/copyTagsToBackups", "/deploymentType", "/driveCacheType", "/exportPath", "/fileSystemTypeVersion",
        "/importPath", "/importedFileChunkSize", "/kmsKeyId", "/perUnitStorageThroughput", "/securityGroupIds",
        "/storageType", "/subnetIds",
    ),
    "aws:sqs/queue:Queue": ("/fifoQueue", "/name", "/namePrefix"),
    "aws:kms/key:Key": ("/customKeyStoreId", "/customerMasterKeySpec", "/keyUsage", "/multiRegion", "/xksKeyId"),
}  # fmt: skip

# Small resources that are known by their own name or their owner's. The same source says so; not read again for this.
_AWS_KNOWN: dict[str, tuple[str, ...]] = {
    "aws:cloudwatch/eventRule:EventRule": ("/eventBusName", "/name", "/namePrefix"),
    "aws:cloudwatch/eventTarget:EventTarget": ("/eventBusName", "/rule", "/targetId"),
    "aws:ec2/internetGateway:InternetGateway": (),
    "aws:ec2/launchTemplate:LaunchTemplate": ("/name", "/namePrefix"),
    "aws:ec2/placementGroup:PlacementGroup": ("/name", "/partitionCount", "/spreadLevel", "/strategy"),
    "aws:ec2/routeTable:RouteTable": ("/vpcId",),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": ("/gatewayId", "/subnetId"),
    "aws:ec2/securityGroup:SecurityGroup": ("/description", "/name", "/namePrefix", "/vpcId"),
    "aws:ec2/vpcIpv4CidrBlockAssociation:VpcIpv4CidrBlockAssociation": ("/cidrBlock", "/vpcId"),
    "aws:efs/accessPoint:AccessPoint": ("/fileSystemId", "/posixUser", "/rootDirectory"),
    "aws:efs/backupPolicy:BackupPolicy": ("/fileSystemId",),
    "aws:efs/fileSystemPolicy:FileSystemPolicy": ("/fileSystemId",),
    "aws:efs/mountTarget:MountTarget": ("/fileSystemId", "/ipAddress", "/subnetId"),
    "aws:eks/accessEntry:AccessEntry": ("/clusterName", "/principalArn", "/type"),
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": (
        "/accessScope", "/clusterName", "/policyArn", "/principalArn",
    ),
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": ("/clusterName", "/namespace", "/serviceAccount"),
    "aws:fsx/dataRepositoryAssociation:DataRepositoryAssociation": (
        "/batchImportMetaDataOnCreate", "/dataRepositoryPath", "/fileSystemId", "/fileSystemPath",
    ),
    "aws:iam/role:Role": ("/name", "/namePrefix", "/path"),
    "aws:iam/rolePolicy:RolePolicy": ("/name", "/namePrefix", "/role"),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": ("/policyArn", "/role"),
    "aws:s3/bucket:Bucket": ("/bucket", "/bucketPrefix", "/objectLockEnabled"),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": ("/bucket", "/expectedBucketOwner"),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": ("/bucket",),
    "aws:s3/bucketPolicy:BucketPolicy": ("/bucket",),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": ("/bucket",),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
        "/bucket", "/expectedBucketOwner",
    ),
    "aws:s3/bucketVersioning:BucketVersioning": ("/bucket", "/expectedBucketOwner"),
    "aws:sqs/queuePolicy:QueuePolicy": ("/queueUrl",),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": ("/securityGroupId",),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": ("/securityGroupId",),
}  # fmt: skip
_CLOUDS = _AWS_READ | _AWS_KNOWN | GCP

# Source: pulumi/pulumi-kubernetes provider/pkg/provider/diff.go, read 2026-11-22. ConfigMaps and Secrets are replaced
# there unless the provider is told that they are mutable.
_KUBERNETES_ALL = ("/metadata/name", "/metadata/namespace")
_KUBERNETES: dict[str, tuple[str, ...]] = {
    "kubernetes:apps/v1:Deployment": ("/spec/selector",),
    "kubernetes:apps/v1:StatefulSet": (
        "/spec/podManagementPolicy", "/spec/revisionHistoryLimit", "/spec/selector", "/spec/serviceName",
        "/spec/volumeClaimTemplates",
    ),
    "kubernetes:batch/v1:Job": ("/spec/completions", "/spec/parallelism", "/spec/selector", "/spec/template"),
    "kubernetes:core/v1:ConfigMap": ("/binaryData", "/data"),
    "kubernetes:core/v1:PersistentVolumeClaim": ("/spec",),
    "kubernetes:core/v1:Secret": ("/data", "/stringData", "/type"),
    "kubernetes:core/v1:Service": ("/spec/clusterIP",),
    "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding": ("/roleRef",),
    "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding": ("/roleRef",),
    "kubernetes:storage.k8s.io/v1:StorageClass": ("/parameters", "/provisioner"),
}  # fmt: skip
_NOT_AN_OBJECT = ("kubernetes:helm.sh/", "kubernetes:kustomize", "kubernetes:yaml")


def replacing_properties(resource_type: str) -> tuple[str, ...] | None:
    """JSON Pointers whose change replaces a resource of this type, or None where that is not known."""
    if resource_type.startswith("kubernetes:") and not resource_type.startswith(_NOT_AN_OBJECT):
        return _KUBERNETES_ALL + _KUBERNETES.get(resource_type, ())
    return _CLOUDS.get(resource_type)


def action_for(resource_type: str, changed: Iterable[str], options: dict[str, Any]) -> tuple[Action, str]:
    """What a change of these properties does, and the property that decides it (empty for an update).

    Args:
        resource_type: Provider type token.
        changed: JSON Pointers of the properties that differ and are not ignored.
        options: The resource's options in the new plan; `replace_on_changes` counts.
    """
    changed = tuple(changed)
    known = replacing_properties(resource_type)
    asked = tuple(pointer_of(path) for path in options.get("replace_on_changes", ()))
    for path in changed:
        if any(overlaps(path, trigger) for trigger in (*(known or ()), *asked)):
            return Action.REPLACE, path
    if not changed:
        return Action.KEEP, ""
    return (Action.UPDATE_OR_REPLACE if known is None else Action.UPDATE), ""
