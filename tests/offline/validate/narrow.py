"""A hand-made plan of an EKS cluster with one GPU pool, a job and a service: everything in it is right."""

import copy
from typing import Any

from tests.offline.validate.samples import IDENTITY, KEY, RESOURCE, TRUST

from springtide.offline.paths import steps
from springtide.offline.plan import Resource

NODE_GROUP = "aws:eks/nodeGroup:NodeGroup"
TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
CLUSTER = "aws:eks/cluster:Cluster"
JOB = "kubernetes:batch/v1:Job"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
GKE = "gcp:container/cluster:Cluster"
NODE_POOL = "gcp:container/nodePool:NodePool"
KARPENTER = "kubernetes:karpenter.sh/v1:NodePool"
JOB_SET = "kubernetes:jobset.x-k8s.io/v1alpha2:JobSet"
ACCOUNT = "dev-nodes@springtide-dev.iam.gserviceaccount.com"
BUCKET = "springtide-dev-artifacts-123456789012"
ROLE = "arn:aws:iam::123456789012:role/springtide-dev-node"
LABELS = {"app.kubernetes.io/name": "chat"}
POD = {
    "containers": [
        {
            "name": "main",
            "image": "registry.example/springtide@sha256:" + "ab" * 32,
            "env": [{"name": "PET_NNODES", "value": "2"}],
            "ports": [{"name": "http", "containerPort": 8000}],
            "resources": {"limits": {"nvidia.com/gpu": "1", "memory": "16Gi"}},
            "readinessProbe": {"httpGet": {"path": "/health/ready", "port": "http"}, "periodSeconds": 5},
        }
    ],
    "nodeSelector": {"springtide.dev/pool": "train"},
    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
    "restartPolicy": "Never",
}

INPUTS: dict[str, dict[str, Any]] = {
    "pulumi:providers:aws": {
        "region": "us-east-1", "allowedAccountIds": '["123456789012"]', "defaultTags": '{"tags":{"Name":"dev"}}',
        "skipMetadataApiCheck": "true", "version": "7.51.1", "__internal": {},
    },
    "pulumi:providers:kubernetes": {"kubeconfig": "{}", "enableServerSideApply": "true"},
    "aws:ec2/vpc:Vpc": {"cidrBlock": "10.0.0.0/16", "enableDnsSupport": True, "tags": {"Name": "dev"}},
    "aws:ec2/subnet:Subnet": {"vpcId": "vpc-01234567", "availabilityZoneId": "use1-az1", "cidrBlock": "10.0.0.0/19"},
    "aws:iam/role:Role": {"name": "springtide-dev-node", "assumeRolePolicy": TRUST},
    "aws:iam/rolePolicy:RolePolicy": {"role": "springtide-dev-node", "policy": IDENTITY},
    "aws:kms/key:Key": {"description": "Kubernetes secrets", "deletionWindowInDays": 7, "enableKeyRotation": True},
    "aws:s3/bucket:Bucket": {"bucket": BUCKET},
    "aws:s3/bucketPolicy:BucketPolicy": {"bucket": BUCKET, "policy": RESOURCE},
    CLUSTER: {
        "name": "springtide-dev", "version": "1.35", "roleArn": ROLE, "bootstrapSelfManagedAddons": False,
        "accessConfig": {"authenticationMode": "API"}, "enabledClusterLogTypes": ["api", "audit"],
        "encryptionConfig": {"provider": {"keyArn": KEY}, "resources": ["secrets"]},
        "vpcConfig": {"subnetIds": ["subnet-0123456789abcdef0"], "publicAccessCidrs": ["203.0.113.0/24"]},
    },
    TEMPLATE: {
        "blockDeviceMappings": [
            {"deviceName": "/dev/xvdb", "ebs": {"volumeSize": 200, "volumeType": "gp3", "encrypted": "true"}}
        ],
        "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1},
        "tagSpecifications": [{"resourceType": "instance", "tags": {"Name": "train"}}],
        "updateDefaultVersion": True,
    },
    NODE_GROUP: {
        "clusterName": "springtide-dev", "nodeRoleArn": ROLE, "subnetIds": ["subnet-0123456789abcdef0"],
        "amiType": "BOTTLEROCKET_x86_64_NVIDIA", "capacityType": "SPOT", "instanceTypes": ["g6.xlarge", "g5.xlarge"],
        "scalingConfig": {"minSize": 0, "desiredSize": 0, "maxSize": 4}, "labels": {"springtide.dev/pool": "train"},
        "taints": [{"key": "nvidia.com/gpu", "value": "present", "effect": "NO_SCHEDULE"}],
        "launchTemplate": {"id": "lt-0123456789abcdef0", "version": "1"},
        "updateConfig": {"maxUnavailable": 1, "updateStrategy": "MINIMAL"}, "nodeRepairConfig": {"enabled": True},
    },
    "kubernetes:core/v1:Service": {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "chat", "labels": LABELS},
        "spec": {"selector": LABELS, "ports": [{"port": 80, "targetPort": "http"}]},
    },
    JOB: {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "gpt-first", "namespace": "springtide"},
        "spec": {"completionMode": "Indexed", "completions": 2, "parallelism": 2, "template": {"spec": POD}},
    },
    DEPLOYMENT: {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "chat"},
        "spec": {
            "replicas": 0, "selector": {"matchLabels": LABELS},
            "template": {"metadata": {"labels": LABELS}, "spec": {**POD, "restartPolicy": "Always"}},
        },
    },
    KARPENTER: {
        "apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "train", "labels": LABELS},
        "spec": {
            "weight": 10, "limits": {"nvidia.com/gpu": "64"},
            "disruption": {"consolidationPolicy": "WhenEmpty", "consolidateAfter": "1h", "budgets": [{"nodes": "0"}]},
            "template": {
                "metadata": {"labels": {"springtide.dev/pool": "train"}},
                "spec": {
                    "nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "train"},
                    "requirements": [{"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["spot"]}],
                    "taints": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}], "expireAfter": "Never",
                },
            },
        },
    },
    JOB_SET: {
        "apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet", "metadata": {"name": "gpt"},
        "spec": {
            "suspend": True, "failurePolicy": {"maxRestarts": 3, "restartStrategy": "BlockingRecreate"},
            "replicatedJobs": [
                {
                    "name": "node", "replicas": 1,
                    "template": {"spec": {"completionMode": "Indexed", "parallelism": 2, "template": {"spec": POD}}},
                }
            ],
        },
    },
    "pulumi:providers:gcp": {"project": "springtide-dev", "region": "us-central1", "userProjectOverride": "true"},
    "gcp:compute/network:Network": {"name": "dev", "autoCreateSubnetworks": False, "mtu": 8896},
    "gcp:compute/subnetwork:Subnetwork": {
        "name": "dev", "region": "us-central1", "network": "dev", "ipCidrRange": "10.0.0.0/20",
        "secondaryIpRanges": [{"rangeName": "pods", "ipCidrRange": "10.64.0.0/14"}],
    },
    "gcp:storage/bucket:Bucket": {
        "name": "springtide-dev-artifacts", "location": "US-CENTRAL1", "publicAccessPrevention": "enforced",
        "lifecycleRules": [{"action": {"type": "Delete"}, "condition": {"age": 30, "withState": "ARCHIVED"}}],
    },
    "gcp:serviceaccount/account:Account": {"accountId": "dev-nodes", "displayName": "Nodes of dev"},
    "gcp:projects/iAMMember:IAMMember": {
        "project": "springtide-dev", "role": "roles/logging.logWriter", "member": f"serviceAccount:{ACCOUNT}",
    },
    GKE: {
        "name": "springtide-dev", "location": "us-central1", "minMasterVersion": "1.35.0-gke.1171000",
        "network": "dev", "subnetwork": "dev", "initialNodeCount": 1, "removeDefaultNodePool": True,
        "datapathProvider": "ADVANCED_DATAPATH", "releaseChannel": {"channel": "REGULAR"},
        "workloadIdentityConfig": {"workloadPool": "springtide-dev.svc.id.goog"}, "resourceLabels": {"env": "dev"},
        "ipAllocationPolicy": {"clusterSecondaryRangeName": "pods", "servicesIpv4CidrBlock": "/20"},
        "privateClusterConfig": {"enablePrivateNodes": True, "masterIpv4CidrBlock": "172.16.0.0/28"},
        "nodePools": [{"name": "system", "nodeConfig": {"machineType": "e2-standard-4"}}],
    },
    NODE_POOL: {
        "cluster": "springtide-dev", "name": "train", "location": "us-central1", "nodeLocations": ["us-central1-a"],
        "autoscaling": {"totalMinNodeCount": 0, "totalMaxNodeCount": 4, "locationPolicy": "ANY"},
        "management": {"autoRepair": True, "autoUpgrade": True}, "maxPodsPerNode": 32,
        "nodeConfig": {
            "machineType": "a3-highgpu-8g", "spot": True, "diskType": "pd-ssd", "diskSizeGb": 200,
            "imageType": "COS_CONTAINERD", "serviceAccount": ACCOUNT, "labels": {"springtide.dev/pool": "train"},
            "guestAccelerators": [
                {
                    "type": "nvidia-h100-80gb", "count": 8,
                    "gpuDriverInstallationConfig": {"gpuDriverVersion": "LATEST"},
                }
            ],
            "taints": [{"key": "nvidia.com/gpu", "value": "present", "effect": "NO_SCHEDULE"}],
            "oauthScopes": ["https://www.googleapis.com/auth/cloud-platform"],
            "kubeletConfig": {"insecureKubeletReadonlyPortEnabled": "FALSE", "shutdownGracePeriodSeconds": 120},
            "reservationAffinity": {"consumeReservationType": "NO_RESERVATION"}, "maxRunDuration": "604800s",
        },
        "upgradeSettings": {"strategy": "SURGE", "maxSurge": 0, "maxUnavailable": 1},
    },
    "kubernetes:helm.sh/v3:Release": {
        "chart": "metrics-server", "version": "3.13.0", "namespace": "kube-system", "values": {"replicas": 2},
    },
}  # fmt: skip


def resource(token: str, inputs: dict[str, Any] | None = None, **more: Any) -> Resource:
    """A resource that a plan creates, with the right inputs of its type unless others are given."""
    given = copy.deepcopy(INPUTS[token] if inputs is None else inputs)
    name = token.rpartition(":")[2].lower()
    made = {"urn": f"urn:pulumi:dev::springtide::{token}::{name}", "name": name, "parent": None, "custom": True, **more}
    return Resource(type=token, inputs=given, **made)


def changed(token: str, path: str, value: Any, **more: Any) -> Resource:
    """The right resource of a type with one value changed, added, or (None) left out."""
    made = resource(token, **more)
    *way, last = steps(path)
    place: Any = made.inputs
    for step in way:
        place = place[int(step) if isinstance(place, list) else step]
    if value is None:
        del place[last]
    else:
        place[int(last) if isinstance(place, list) else last] = value
    return made


def plan() -> tuple[Resource, ...]:
    """All of it."""
    return tuple(resource(token) for token in INPUTS)
