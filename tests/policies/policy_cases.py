"""One table of small stacks and what each rule says of them, for the rules themselves and for the policy pack."""

from tests.policies.policy_stacks import (
    ALL_OF_IT,
    DIGEST,
    FAIL,
    NO_RESOURCE,
    NOT_HERE,
    PASS,
    UNKNOWN,
    UNPRICED,
    Case,
    bucket,
    closed_bucket,
    cluster,
    cpu_karpenter_pool,
    disk,
    encryption,
    facts,
    file_system,
    gke_driver,
    gke_pool,
    gke_reservation,
    google_bucket,
    gpu_pool,
    job_set,
    karpenter_pool,
    launch_template,
    node_class,
    node_group,
    pod,
    public_access_block,
    reserved_karpenter_pool,
    reserving_template,
    resource,
    service,
    templated,
    workload,
)

CEILING = [
    Case(
        claim="ten nodes of the dearest type fit a budget of just that",
        rule="gpu-ceiling-budget", resources=[gpu_pool()], facts=facts(10.06), says=[(PASS, NO_RESOURCE, "")],
    ),
    Case(
        claim="pools are added up",
        rule="gpu-ceiling-budget", resources=[gpu_pool(), gpu_pool("serve", maxNodes=1)], facts=facts(10.06),
        says=[(FAIL, NO_RESOURCE, "/policies/budget_usd_per_hour")],
    ),
    Case(
        claim="a pool counts with what its parts can come to, not with what was meant",
        rule="gpu-ceiling-budget", resources=[gpu_pool(maxNodes=2, ceilingNodes=10)], facts=facts(10.05),
        says=[(FAIL, NO_RESOURCE, "/policies/budget_usd_per_hour")],
    ),
    Case(
        claim="a budget of zero is a budget",
        rule="gpu-ceiling-budget", resources=[gpu_pool(maxNodes=1)], facts=facts(0),
        says=[(FAIL, NO_RESOURCE, "/policies/budget_usd_per_hour")],
    ),
    Case(
        claim="a pool of no nodes costs nothing, priced or not",
        rule="gpu-ceiling-budget", resources=[gpu_pool(maxNodes=0, machineTypes=[UNPRICED])], facts=facts(0),
        says=[(PASS, NO_RESOURCE, "")],
    ),
    Case(
        claim="a pool without a maximum is above every budget",
        rule="gpu-ceiling-budget", resources=[gpu_pool(maxNodes=None)], facts=facts(1e9),
        says=[(FAIL, NO_RESOURCE, "/policies/budget_usd_per_hour")],
    ),
    Case(
        claim="an unpriced type is named",
        rule="gpu-ceiling-budget", resources=[gpu_pool(machineTypes=["g6.xlarge", UNPRICED])], facts=facts(100),
        says=[(UNKNOWN, "train", "/machineTypes/1")],
    ),
    Case(
        claim="what is known to be too much is too much, whatever the rest costs",
        rule="gpu-ceiling-budget", resources=[gpu_pool(), gpu_pool("big", machineTypes=[UNPRICED])],
        facts=facts(1), says=[(FAIL, NO_RESOURCE, "/policies/budget_usd_per_hour")],
    ),
    Case(
        claim="the price of another region is no price",
        rule="gpu-ceiling-budget", resources=[gpu_pool(region="nowhere-1", machineTypes=["g6.xlarge"])],
        facts=facts(100), says=[(UNKNOWN, "train", "/machineTypes/0")],
    ),
    Case(
        claim="an unknown maximum leaves the ceiling open",
        rule="gpu-ceiling-budget", resources=[gpu_pool(unknown=["/maxNodes"])], facts=facts(100),
        says=[(UNKNOWN, "train", "/maxNodes")],
    ),
    Case(
        claim="unknown machine types leave the ceiling open",
        rule="gpu-ceiling-budget", resources=[gpu_pool(unknown=["/machineTypes"])], facts=facts(100),
        says=[(UNKNOWN, "train", "/machineTypes")],
    ),
    Case(
        claim="a pool without machine types has no price",
        rule="gpu-ceiling-budget", resources=[gpu_pool(machineTypes=[])], facts=facts(100),
        says=[(UNKNOWN, "train", "/machineTypes")],
    ),
    Case(
        claim="a maximum that is no count has no price",
        rule="gpu-ceiling-budget", resources=[gpu_pool(maxNodes="many")], facts=facts(100),
        says=[(UNKNOWN, "train", "/maxNodes")],
    ),
    Case(
        claim="GPU nodes outside every pool are in no sum",
        rule="gpu-ceiling-budget", resources=[gpu_pool(), node_group("stray")], facts=facts(100),
        says=[(UNKNOWN, "stray", ALL_OF_IT)],
    ),
    Case(
        claim="GPU nodes inside a pool are counted with it, CPU nodes not at all",
        rule="gpu-ceiling-budget",
        resources=[gpu_pool(), node_group(inside=gpu_pool()),
                   node_group("system", instanceTypes=["m7i.large"], amiType="BOTTLEROCKET_x86_64")],
        facts=facts(100), says=[(PASS, NO_RESOURCE, "")],
    ),
    Case(
        claim="without a budget there is nothing to keep",
        rule="gpu-ceiling-budget", resources=[gpu_pool()], says=[(NOT_HERE, NO_RESOURCE, "")],
    ),
    Case(
        claim="a budget without pools is kept by nobody",
        rule="gpu-ceiling-budget", resources=[], facts=facts(100), says=[(NOT_HERE, NO_RESOURCE, "")],
    ),
]  # fmt: skip

MAXIMUM = [
    Case(
        claim="a pool with a maximum has one",
        rule="gpu-max-required", resources=[gpu_pool()], says=[(PASS, "train", "/maxNodes")],
    ),
    Case(
        claim="a maximum of zero is a maximum",
        rule="gpu-max-required", resources=[gpu_pool(maxNodes=0)], says=[(PASS, "train", "/maxNodes")],
    ),
    Case(
        claim="a pool without a maximum fails",
        rule="gpu-max-required", resources=[gpu_pool(maxNodes=None)], says=[(FAIL, "train", "/maxNodes")],
    ),
    Case(
        claim="a node group must say its largest size",
        rule="gpu-max-required", resources=[node_group(), node_group("open", scalingConfig={"minSize": 0})],
        says=[(PASS, "train", "/scalingConfig/maxSize"), (FAIL, "open", "/scalingConfig/maxSize")],
    ),
    Case(
        claim="a hidden scaling configuration has no known maximum",
        rule="gpu-max-required", resources=[node_group(unknown=["/scalingConfig"])],
        says=[(UNKNOWN, "train", "/scalingConfig")],
    ),
    Case(
        claim="a Karpenter pool is limited in GPUs",
        rule="gpu-max-required", resources=[karpenter_pool(limits={"nvidia.com/gpu": 8})],
        says=[(PASS, "train", "/spec/limits/nvidia.com~1gpu")],
    ),
    Case(
        claim="a limit on CPU does not do for a Karpenter pool of GPUs",
        rule="gpu-max-required", resources=[karpenter_pool(limits={"cpu": 1000})],
        says=[(FAIL, "train", "/spec/limits/nvidia.com~1gpu")],
    ),
    Case(
        claim="a limit on CPU does for a Karpenter pool of CPUs",
        rule="gpu-max-required", resources=[cpu_karpenter_pool(limits={"cpu": 1000})],
        says=[(PASS, "general", "/spec/limits/cpu")],
    ),
    Case(
        claim="a GKE pool is limited per zone or altogether, or fixed",
        rule="gpu-max-required",
        resources=[gke_pool("zone", autoscaling={"maxNodeCount": 3}), gke_pool("all", autoscaling={"totalMaxNodeCount": 3}),
                   gke_pool("fixed", nodeCount=2), gke_pool("open", autoscaling={"minNodeCount": 0}, nodeCount=2)],
        says=[(PASS, "zone", "/autoscaling/maxNodeCount"), (PASS, "all", "/autoscaling/totalMaxNodeCount"),
              (PASS, "fixed", "/nodeCount"), (FAIL, "open", "/autoscaling/totalMaxNodeCount")],
    ),
    Case(
        claim="an exception is a decision with a name",
        rule="gpu-max-required", resources=[gpu_pool(maxNodes=None)], facts=facts(None, "gpu-max-required:train"),
        says=[(NOT_HERE, "train", "")],
    ),
    Case(
        claim="a stack without pools needs no maximum",
        rule="gpu-max-required", resources=[bucket()], says=[(NOT_HERE, NO_RESOURCE, "")],
    ),
]  # fmt: skip

FLOOR = [
    Case(
        claim="a pool that sleeps at zero passes",
        rule="gpu-idle-floor-zero", resources=[gpu_pool()], says=[(PASS, "train", "/minNodes")],
    ),
    Case(
        claim="a pool with a floor fails",
        rule="gpu-idle-floor-zero", resources=[gpu_pool(minNodes=1)], says=[(FAIL, "train", "/minNodes")],
    ),
    Case(
        claim="a floor that a rendering adds is found, under the pool's own name",
        rule="gpu-idle-floor-zero",
        resources=[node_group("train-g6", inside=gpu_pool(), amiType=None, instanceTypes=[],
                              scalingConfig={"minSize": 2, "maxSize": 4})],
        says=[(FAIL, "train-g6", "/scalingConfig/minSize")],
    ),
    Case(
        claim="an exception of a pool covers what the pool is made of",
        rule="gpu-idle-floor-zero",
        resources=[gpu_pool(minNodes=2), node_group("train-g6", inside=gpu_pool(),
                                                    scalingConfig={"minSize": 2, "maxSize": 4})],
        facts=facts(None, "gpu-idle-floor-zero:train"), says=[(NOT_HERE, "train", ""), (NOT_HERE, "train-g6", "")],
    ),
    Case(
        claim="an exception of another rule covers nothing here",
        rule="gpu-idle-floor-zero", resources=[gpu_pool(minNodes=1)], facts=facts(None, "gpu-max-required:train"),
        says=[(FAIL, "train", "/minNodes")],
    ),
    Case(
        claim="GPU machines are known by their type",
        rule="gpu-idle-floor-zero",
        resources=[node_group(amiType="CUSTOM", scalingConfig={"minSize": 1, "maxSize": 4})],
        says=[(FAIL, "train", "/scalingConfig/minSize")],
    ),
    Case(
        claim="CPU nodes may always run",
        rule="gpu-idle-floor-zero",
        resources=[node_group("system", instanceTypes=["m7i.large"], amiType="BOTTLEROCKET_x86_64",
                              scalingConfig={"minSize": 2, "maxSize": 2})],
        says=[(NOT_HERE, NO_RESOURCE, "")],
    ),
    Case(
        claim="nodes of an unknown kind may be GPU nodes",
        rule="gpu-idle-floor-zero",
        resources=[node_group(amiType="CUSTOM", unknown=["/instanceTypes"], scalingConfig={"minSize": 1, "maxSize": 4})],
        says=[(UNKNOWN, "train", "/instanceTypes")],
    ),
    Case(
        claim="a Karpenter pool sleeps unless its size is fixed",
        rule="gpu-idle-floor-zero", resources=[karpenter_pool(), karpenter_pool("fixed", replicas=2)],
        says=[(PASS, "train", "/spec/replicas"), (FAIL, "fixed", "/spec/replicas")],
    ),
    Case(
        claim="Karpenter pools are GPU pools by their limits and machine types, and not by what they rule out",
        rule="gpu-idle-floor-zero",
        resources=[
            cpu_karpenter_pool("cpu", replicas=2),
            cpu_karpenter_pool("zero", replicas=2, limits={"nvidia.com/gpu": 0}),
            cpu_karpenter_pool("four", replicas=2, limits={"nvidia.com/gpu": 4}),
            karpenter_pool("types", replicas=2, template={"spec": {"requirements": [
                {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": ["g6.xlarge"]}]}}),
            karpenter_pool("none", replicas=2, template={"spec": {"requirements": [
                {"key": "karpenter.k8s.aws/instance-gpu-count", "operator": "DoesNotExist"}]}}),
        ],
        says=[(FAIL, "four", "/spec/replicas"), (FAIL, "types", "/spec/replicas")],
    ),
    Case(
        claim="a GKE pool has a floor per zone, altogether, or fixed",
        rule="gpu-idle-floor-zero",
        resources=[gke_pool("zone", autoscaling={"minNodeCount": 1}), gke_pool("all", autoscaling={"totalMinNodeCount": 1}),
                   gke_pool("fixed", nodeCount=2), gke_pool("sleeps", autoscaling={"maxNodeCount": 3}),
                   gke_pool("attached", nodeCount=1, nodeConfig={"guestAccelerators": [{"type": "nvidia-tesla-t4"}]}),
                   gke_pool("cpu", nodeCount=2, nodeConfig={"machineType": "n4-standard-4"})],
        says=[(FAIL, "zone", "/autoscaling/minNodeCount"), (FAIL, "all", "/autoscaling/totalMinNodeCount"),
              (FAIL, "fixed", "/nodeCount"), (PASS, "sleeps", "/autoscaling/totalMinNodeCount"),
              (FAIL, "attached", "/nodeCount")],
    ),
    Case(
        claim="a service that may go to zero lets its GPU go",
        rule="gpu-idle-floor-zero", resources=[service()], says=[(PASS, "chat", "/minReplicas")],
    ),
    Case(
        claim="a service that always runs keeps a GPU",
        rule="gpu-idle-floor-zero", resources=[service(minReplicas=1)], says=[(FAIL, "chat", "/minReplicas")],
    ),
    Case(
        claim="a service is excused by its name or by its pool's",
        rule="gpu-idle-floor-zero", resources=[service(minReplicas=1), service("code", pool="other", minReplicas=1)],
        facts=facts(None, "gpu-idle-floor-zero:chat", "gpu-idle-floor-zero:other"),
        says=[(NOT_HERE, "chat", ""), (NOT_HERE, "code", "")],
    ),
    Case(
        claim="a service on CPU keeps no GPU",
        rule="gpu-idle-floor-zero", resources=[service(pool=None, minReplicas=2), service("zero", gpus=0, minReplicas=2)],
        says=[(NOT_HERE, NO_RESOURCE, "")],
    ),
    Case(
        claim="an unknown floor may be anything",
        rule="gpu-idle-floor-zero", resources=[gpu_pool(unknown=["/minNodes"]), service(unknown=["/pool"])],
        says=[(UNKNOWN, "train", "/minNodes"), (UNKNOWN, "chat", "/pool")],
    ),
]  # fmt: skip

IMAGES = [
    Case(
        claim="a digest pins an image",
        rule="image-pinned-by-digest", resources=[workload("apps/v1:Deployment", templated())],
        says=[(PASS, "gpt", "/spec/template/spec/containers/0/image")],
    ),
    Case(
        claim="a tag does not, nor a tag that looks like a digest, nor a digest cut short",
        rule="image-pinned-by-digest",
        resources=[workload("batch/v1:Job", templated("train:1"), name="tag"),
                   workload("batch/v1:Job", templated("train"), name="bare"),
                   workload("batch/v1:Job", templated("train:sha256-" + "0" * 64), name="look"),
                   workload("batch/v1:Job", templated("train@sha256:0123"), name="short")],
        says=[(FAIL, name, "/spec/template/spec/containers/0/image") for name in ("tag", "bare", "look", "short")],
    ),
    Case(
        claim="a digest beside a tag pins",
        rule="image-pinned-by-digest", resources=[workload("batch/v1:Job", templated("train:1@sha256:" + "a" * 64))],
        says=[(PASS, "gpt", "/spec/template/spec/containers/0/image")],
    ),
    Case(
        claim="every kind of container counts",
        rule="image-pinned-by-digest",
        resources=[workload("core/v1:Pod", pod(initContainers="init:1", ephemeralContainers="debug:1"))],
        says=[(FAIL, "gpt", "/spec/initContainers/0/image"), (PASS, "gpt", "/spec/containers/0/image"),
              (FAIL, "gpt", "/spec/ephemeralContainers/0/image")],
    ),
    Case(
        claim="pods are found in every kind of object that makes them",
        rule="image-pinned-by-digest",
        resources=[workload("apps/v1:StatefulSet", templated("a:1")), workload("apps/v1:DaemonSet", templated("a:1")),
                   workload("apps/v1:ReplicaSet", templated("a:1")),
                   workload("core/v1:ReplicationController", templated("a:1")),
                   workload("batch/v1:CronJob", {"jobTemplate": {"spec": templated("a:1")}}), job_set(DIGEST, "a:1"),
                   resource("kubernetes:core/v1:PodTemplate", "bare", {"template": {"spec": pod("a:1")}})],
        says=[*[(FAIL, "gpt", "/spec/template/spec/containers/0/image")] * 4,
              (FAIL, "gpt", "/spec/jobTemplate/spec/template/spec/containers/0/image"),
              (PASS, "gpt", "/spec/replicatedJobs/0/template/spec/template/spec/containers/0/image"),
              (FAIL, "gpt", "/spec/replicatedJobs/1/template/spec/template/spec/containers/0/image"),
              (FAIL, "bare", "/template/spec/containers/0/image")],
    ),
    Case(
        claim="an image of the same deployment has no digest yet, and hides no other image",
        rule="image-pinned-by-digest",
        resources=[workload("apps/v1:Deployment", templated(initContainers="init:1"),
                            unknown=["/spec/template/spec/containers/0/image"])],
        says=[(FAIL, "gpt", "/spec/template/spec/initContainers/0/image"),
              (UNKNOWN, "gpt", "/spec/template/spec/containers/0/image")],
    ),
    Case(
        claim="an unknown list of containers hides no other list",
        rule="image-pinned-by-digest",
        resources=[workload("core/v1:Pod", pod("train:1"), unknown=["/spec/initContainers"])],
        says=[(UNKNOWN, "gpt", "/spec/initContainers"), (FAIL, "gpt", "/spec/containers/0/image")],
    ),
    Case(
        claim="what a vendor publishes under tags alone is no choice of ours, and hides no other image",
        rule="image-pinned-by-digest",
        resources=[workload("apps/v1:DaemonSet", templated(
            "train:1", initContainers="us-docker.pkg.dev/gce-ai-infra/gpudirect-tcpxo/tcpgpudmarxd-dev:v1.0.21"))],
        says=[(NOT_HERE, "gpt", ""), (FAIL, "gpt", "/spec/template/spec/containers/0/image")],
    ),
    Case(
        claim="an exception frees one object",
        rule="image-pinned-by-digest", resources=[workload("batch/v1:Job", templated("train:1"))],
        facts=facts(None, "image-pinned-by-digest:gpt"), says=[(NOT_HERE, "gpt", "")],
    ),
    Case(
        claim="what has no pods has no images",
        rule="image-pinned-by-digest",
        resources=[workload("core/v1:Service", {}), resource("kubernetes:helm.sh/v3:Release", "kueue", {"chart": "kueue"})],
        says=[(NOT_HERE, NO_RESOURCE, "")],
    ),
]  # fmt: skip

STORAGE = [
    Case(
        claim="a bucket with a block and encryption passes both times",
        rule="storage-encrypted-private", resources=closed_bucket(),
        says=[(PASS, "artifacts", ""), (PASS, "artifacts", "")],
    ),
    Case(
        claim="a bare bucket fails both times",
        rule="storage-encrypted-private", resources=[bucket()],
        says=[(FAIL, "artifacts", ""), (FAIL, "artifacts", "")],
    ),
    Case(
        claim="a block with a gap is named by the gap",
        rule="storage-encrypted-private",
        resources=[bucket(), public_access_block(bucket(), blockPublicPolicy=False), encryption(bucket())],
        says=[(FAIL, "block", "/blockPublicPolicy"), (PASS, "artifacts", "")],
    ),
    Case(
        claim="a block belongs to a bucket by its name, too",
        rule="storage-encrypted-private",
        resources=[bucket(bucket="mine", serverSideEncryptionConfiguration={
                       "rule": {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms"}}}),
                   public_access_block(None, bucket="mine", unknown=[])],
        says=[(PASS, "artifacts", ""), (PASS, "artifacts", "")],
    ),
    Case(
        claim="the block of another bucket closes nothing",
        rule="storage-encrypted-private",
        resources=[bucket(bucket="mine"), public_access_block(None, bucket="other", unknown=[]), encryption(bucket())],
        says=[(FAIL, "artifacts", ""), (PASS, "artifacts", "")],
    ),
    Case(
        claim="a block of nobody knows which bucket may be this one's",
        rule="storage-encrypted-private", resources=[bucket(), public_access_block(None), encryption(bucket())],
        says=[(UNKNOWN, "block", "/bucket"), (PASS, "artifacts", "")],
    ),
    Case(
        claim="an exception of a bucket covers its block",
        rule="storage-encrypted-private",
        resources=[bucket(), public_access_block(bucket(), blockPublicPolicy=False), encryption(bucket())],
        facts=facts(None, "storage-encrypted-private:artifacts"), says=[(NOT_HERE, "block", ""), (PASS, "artifacts", "")],
    ),
    Case(
        claim="disks of machines are encrypted one by one",
        rule="storage-encrypted-private",
        resources=[launch_template(disk(), disk("false"), disk(None), {"deviceName": "/dev/sdz", "noDevice": ""})],
        says=[(PASS, "train", "/blockDeviceMappings/0/ebs/encrypted"),
              (FAIL, "train", "/blockDeviceMappings/1/ebs/encrypted"),
              (FAIL, "train", "/blockDeviceMappings/2/ebs/encrypted"),
              (PASS, "train", "/blockDeviceMappings/3/ebs/encrypted")],
    ),
    Case(
        claim="disks that are nowhere written are the account's to encrypt",
        rule="storage-encrypted-private", resources=[launch_template()],
        says=[(UNKNOWN, "train", "/blockDeviceMappings")],
    ),
    Case(
        claim="one unknown disk hides no other",
        rule="storage-encrypted-private",
        resources=[launch_template(disk(), disk("false"), unknown=["/blockDeviceMappings/0/ebs"])],
        says=[(UNKNOWN, "train", "/blockDeviceMappings/0/ebs"), (FAIL, "train", "/blockDeviceMappings/1/ebs/encrypted")],
    ),
    Case(
        claim="a key that is made in the same stack encrypts the Secrets",
        rule="storage-encrypted-private", resources=[cluster("secrets")], says=[(PASS, "dev", "/encryptionConfig")],
    ),
    Case(
        claim="a cluster that encrypts something else, or nothing, fails",
        rule="storage-encrypted-private", resources=[cluster("pods", name="pods"), cluster(name="none")],
        says=[(FAIL, "pods", "/encryptionConfig"), (FAIL, "none", "/encryptionConfig")],
    ),
    Case(
        claim="a shared file system is encrypted or it fails, and one that nobody can tell of is not passed",
        rule="storage-encrypted-private",
        resources=[file_system(encrypted=True), file_system("old"), file_system("late", unknown=["/encrypted"])],
        says=[(PASS, "home", "/encrypted"), (FAIL, "old", "/encrypted"), (UNKNOWN, "late", "/encrypted")],
    ),
    Case(
        claim="a Google bucket that could be opened fails",
        rule="storage-encrypted-private",
        resources=[google_bucket("enforced"), google_bucket("inherited", name="open"), google_bucket(None, name="bare")],
        says=[(PASS, "artifacts", "/publicAccessPrevention"), (FAIL, "open", "/publicAccessPrevention"),
              (FAIL, "bare", "/publicAccessPrevention")],
    ),
    Case(
        claim="a stack without storage has nothing to close",
        rule="storage-encrypted-private", resources=[gpu_pool()], says=[(NOT_HERE, NO_RESOURCE, "")],
    ),
]  # fmt: skip

EXEMPTIONS = [
    Case(
        claim="an exception names a rule and a resource",
        rule="exemption-known", resources=[], facts=facts(None, "gpu-max-required:train"), says=[(PASS, NO_RESOURCE, "")],
    ),
    Case(
        claim="a misspelt rule, and an exception of nothing, are refused",
        rule="exemption-known", resources=[],
        facts=facts(None, "gpu-maximum:train", "gpu-max-required", "gpu-max-required:"),
        says=[(FAIL, NO_RESOURCE, f"/policies/exempt/{index}") for index in range(3)],
    ),
    Case(
        claim="no exceptions, nothing to refuse",
        rule="exemption-known", resources=[gpu_pool()], says=[(NOT_HERE, NO_RESOURCE, "")],
    ),
]  # fmt: skip

PINNED = [
    Case(
        claim="an alias with its release is pinned, and so is an image by its id",
        rule="node-image-pinned",
        resources=[node_class({"alias": "bottlerocket@v1.64.0"}), node_class({"id": "ami-0123"}, name="own")],
        says=[(PASS, "train", "/spec/amiSelectorTerms/0/alias"), (PASS, "own", "/spec/amiSelectorTerms/0/id")],
    ),
    Case(
        claim="the latest of an alias moves under the fleet",
        rule="node-image-pinned", resources=[node_class({"alias": "bottlerocket@latest"})],
        says=[(FAIL, "train", "/spec/amiSelectorTerms/0/alias")],
    ),
    Case(
        claim="a name, tags and a parameter find another image tomorrow",
        rule="node-image-pinned",
        resources=[node_class({"name": "gpu-*"}, {"tags": {"team": "ml"}}, {"ssmParameter": "/aws/service/eks"})],
        says=[(FAIL, "train", "/spec/amiSelectorTerms/0/name"), (FAIL, "train", "/spec/amiSelectorTerms/1/tags"),
              (FAIL, "train", "/spec/amiSelectorTerms/2/ssmParameter")],
    ),
    Case(
        claim="a class that selects nothing is pinned to nothing",
        rule="node-image-pinned", resources=[node_class(), node_class({}, name="empty")],
        says=[(FAIL, "train", "/spec/amiSelectorTerms/0"), (FAIL, "empty", "/spec/amiSelectorTerms/0")],
    ),
    Case(
        claim="a node group names its release, or has an image of its own",
        rule="node-image-pinned",
        resources=[node_group(), node_group("own", amiType="CUSTOM", releaseVersion=None),
                   node_group("open", releaseVersion=None)],
        says=[(PASS, "train", "/releaseVersion"), (PASS, "own", "/releaseVersion"), (FAIL, "open", "/releaseVersion")],
    ),
    Case(
        claim="an image that is not known yet is not pinned yet",
        rule="node-image-pinned", resources=[node_class({"alias": ""}, unknown=["/spec/amiSelectorTerms/0/alias"])],
        says=[(UNKNOWN, "train", "/spec/amiSelectorTerms/0/alias")],
    ),
    Case(
        claim="on GKE the release channel picks the image",
        rule="node-image-pinned", resources=[gke_pool()], says=[(NOT_HERE, NO_RESOURCE, "")],
    ),
]  # fmt: skip

DRIVER = [
    Case(
        claim="an image with the driver inside has one, one without has none",
        rule="node-image-has-driver", resources=[node_group(), node_group("bare", amiType="AL2023_x86_64_STANDARD")],
        says=[(PASS, "train", "/amiType"), (FAIL, "bare", "/amiType")],
    ),
    Case(
        claim="of an image of one's own nobody can tell",
        rule="node-image-has-driver",
        resources=[node_group(amiType="CUSTOM"), node_group("silent", amiType=None), node_group("late", unknown=["/amiType"])],
        says=[(UNKNOWN, "train", "/amiType"), (UNKNOWN, "silent", "/amiType"), (UNKNOWN, "late", "/amiType")],
    ),
    Case(
        claim="GKE installs the driver unless it is told not to",
        rule="node-image-has-driver",
        resources=[gke_pool(nodeConfig=gke_driver("DEFAULT")), gke_pool("off", nodeConfig=gke_driver("INSTALLATION_DISABLED"))],
        says=[(PASS, "train", "/nodeConfig/guestAccelerators"),
              (UNKNOWN, "off", "/nodeConfig/guestAccelerators/0/gpuDriverInstallationConfig/gpuDriverVersion")],
    ),
    Case(
        claim="nodes without accelerators need no driver",
        rule="node-image-has-driver",
        resources=[node_group("system", instanceTypes=["m7i.large"], amiType="BOTTLEROCKET_x86_64"),
                   gke_pool("cpu", nodeConfig={"machineType": "e2-standard-4"}), karpenter_pool()],
        says=[(NOT_HERE, NO_RESOURCE, "")],
    ),
]  # fmt: skip

PROTECTED = [
    Case(
        claim="a NodePool that buys reserved machines is protected, or it fails",
        rule="reserved-pool-protected",
        resources=[reserved_karpenter_pool("reserved", protect=True), reserved_karpenter_pool("spot", "reserved", name="open"),
                   reserved_karpenter_pool("spot", "on-demand", name="bought")],
        says=[(PASS, "train", ALL_OF_IT), (FAIL, "open", ALL_OF_IT)],
    ),
    Case(
        claim="a NodePool that shuns reserved machines needs no protection",
        rule="reserved-pool-protected", resources=[reserved_karpenter_pool("reserved", operator="NotIn")],
        says=[(NOT_HERE, NO_RESOURCE, "")],
    ),
    Case(
        claim="a GKE node pool with a reservation of its own is protected, or it fails",
        rule="reserved-pool-protected",
        resources=[gke_pool(nodeConfig=gke_reservation("SPECIFIC_RESERVATION"), protect=True),
                   gke_pool("open", nodeConfig=gke_reservation("SPECIFIC_RESERVATION")),
                   gke_pool("any", nodeConfig=gke_reservation("ANY_RESERVATION")), gke_pool("none")],
        says=[(PASS, "train", ALL_OF_IT), (FAIL, "open", ALL_OF_IT)],
    ),
    Case(
        claim="a capacity block, and a reservation that a launch template names, are protected or fail",
        rule="reserved-pool-protected",
        resources=[reserving_template(), node_group("block", capacityType="CAPACITY_BLOCK"),
                   node_group("named", template=reserving_template()), node_group("bought", template=launch_template()),
                   node_group("kept", capacityType="CAPACITY_BLOCK", protect=True)],
        says=[(FAIL, "block", ALL_OF_IT), (FAIL, "named", ALL_OF_IT), (PASS, "kept", ALL_OF_IT)],
    ),
    Case(
        claim="whether it buys reserved machines may not be known",
        rule="reserved-pool-protected",
        resources=[reserved_karpenter_pool("reserved", unknown=["/spec/template/spec/requirements/1/values"])],
        says=[(UNKNOWN, "train", "/spec/template/spec/requirements/1/values")],
    ),
    Case(
        claim="a stack without reserved machines gives none away",
        rule="reserved-pool-protected", resources=[gpu_pool()], says=[(NOT_HERE, NO_RESOURCE, "")],
    ),
]  # fmt: skip

CASES = [*CEILING, *MAXIMUM, *FLOOR, *IMAGES, *STORAGE, *PINNED, *DRIVER, *PROTECTED, *EXEMPTIONS]
