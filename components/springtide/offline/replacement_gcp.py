"""Properties whose change replaces a resource of Google Cloud, by type."""

# Source: `ForceNew` in the resource's schema in hashicorp/terraform-provider-google google/services/**, which pulumi-gcp
# bridges; read 2026-11-22 at commit e03b762 of 2026-08-21. Input names are pulumi-gcp's. A property that is not listed
# is updated in place. A subnetwork's range is replaced where it shrinks only, and is listed as if always.
_NODE_CONFIG = (
    "advancedMachineFeatures", "bootDiskKmsKey", "confidentialNodes", "enableConfidentialStorage",
    "ephemeralStorageLocalSsdConfig", "flexStart", "guestAccelerators", "hostMaintenancePolicy",
    "localNvmeSsdBlockConfig", "localSsdCount", "localSsdEncryptionMode", "maxRunDuration", "metadata",
    "minCpuPlatform", "nodeGroup", "oauthScopes", "preemptible", "reservationAffinity", "sandboxConfig",
    "secondaryBootDisks", "serviceAccount", "shieldedInstanceConfig", "soleTenantConfig", "spot",
)  # fmt: skip
GCP: dict[str, tuple[str, ...]] = {
    "gcp:artifactregistry/repository:Repository": (
        "/format", "/kmsKeyName", "/location", "/mode", "/project", "/remoteRepositoryConfig", "/repositoryId",
    ),
    "gcp:compute/firewall:Firewall": ("/direction", "/name", "/params", "/project"),
    "gcp:compute/globalAddress:GlobalAddress": (
        "/address", "/addressType", "/description", "/ipVersion", "/name", "/network", "/prefixLength", "/project",
        "/purpose",
    ),
    "gcp:compute/network:Network": (
        "/autoCreateSubnetworks", "/description", "/internalIpv6Range", "/name", "/networkProfile", "/params", "/project",
    ),
    "gcp:compute/router:Router": (
        "/encryptedInterconnectRouter", "/name", "/nccGateway", "/network", "/params", "/project", "/region",
    ),
    "gcp:compute/routerNat:RouterNat": (
        "/endpointTypes", "/initialNatIps", "/name", "/project", "/region", "/router", "/type",
    ),
    "gcp:compute/subnetwork:Subnetwork": (
        "/description", "/externalIpv6Prefix", "/internalIpv6Prefix", "/ipCidrRange", "/name", "/network", "/params",
        "/project", "/region", "/reservedInternalRange", "/resolveSubnetMask",
    ),
    "gcp:container/cluster:Cluster": (
        "/clusterAutoscaling/autoProvisioningDefaults/bootDiskKmsKey", "/clusterIpv4Cidr", "/confidentialNodes",
        "/datapathProvider", "/dataplaneOptimizationMode", "/defaultMaxPodsPerNode", "/description", "/enableAutopilot",
        "/enableKubernetesAlpha", "/enableTpu", "/initialNodeCount", "/ipAllocationPolicy/clusterIpv4CidrBlock",
        "/ipAllocationPolicy/clusterSecondaryRangeName", "/ipAllocationPolicy/podCidrOverprovisionConfig",
        "/ipAllocationPolicy/servicesIpv4CidrBlock", "/ipAllocationPolicy/servicesSecondaryRangeName", "/location",
        "/masterAuth/clientCertificateConfig", "/name", "/network", "/networkingMode",
        "/privateClusterConfig/masterIpv4CidrBlock", "/privateClusterConfig/privateEndpointSubnetwork", "/project",
        "/subnetwork", "/userManagedKeysConfig",
    ),
    "gcp:container/nodePool:NodePool": (
        "/cluster", "/initialNodeCount", "/location", "/maxPodsPerNode", "/name", "/namePrefix",
        "/networkConfig/acceleratorNetworkProfile", "/networkConfig/additionalNodeNetworkConfigs",
        "/networkConfig/additionalPodNetworkConfigs", "/networkConfig/createPodRange",
        "/networkConfig/podCidrOverprovisionConfig", "/networkConfig/podIpv4CidrBlock", "/networkConfig/podRange",
        "/networkConfig/subnetwork", *(f"/nodeConfig/{name}" for name in _NODE_CONFIG), "/placementPolicy", "/project",
        "/queuedProvisioning",
    ),
    "gcp:filestore/instance:Instance": (
        "/fileShares/name", "/fileShares/sourceBackup", "/initialReplication", "/kmsKeyName", "/location", "/name",
        "/networks", "/project", "/protocol", "/tags", "/tier", "/zone",
    ),
    "gcp:kms/cryptoKey:CryptoKey": (
        "/cryptoKeyBackend", "/destroyScheduledDuration", "/importOnly", "/keyRing", "/name", "/purpose",
        "/versionTemplate/protectionLevel",
    ),
    "gcp:kms/keyRing:KeyRing": ("/location", "/name", "/project"),
    "gcp:lustre/instance:Instance": (
        "/dynamicTierOptions", "/filesystem", "/instanceId", "/kmsKey", "/location", "/network",
        "/perUnitStorageThroughput", "/project",
    ),
    "gcp:projects/service:Service": ("/project", "/service"),
    "gcp:serviceaccount/account:Account": ("/accountId", "/project"),
    "gcp:servicenetworking/connection:Connection": ("/network", "/service"),
    "gcp:storage/bucket:Bucket": (
        "/customPlacementConfig/dataLocations", "/enableObjectRetention", "/hierarchicalNamespace", "/location", "/name",
        "/project",
    ),
}  # fmt: skip

# Rights are a member, a role and what it is a right to: another one of them is another right. Not read.
_RIGHT = ("/condition", "/member", "/role")
GCP |= {
    "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember": ("/cryptoKeyId", *_RIGHT),
    "gcp:projects/iAMMember:IAMMember": ("/project", *_RIGHT),
    "gcp:projects/serviceIdentity:ServiceIdentity": ("/project", "/service"),
    "gcp:serviceaccount/iAMMember:IAMMember": ("/serviceAccountId", *_RIGHT),
    "gcp:storage/bucketIAMMember:BucketIAMMember": ("/bucket", *_RIGHT),
}
