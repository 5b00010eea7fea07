"""A hand-made plan of the shape that the AWS stack registers, for tests of what is made from plans."""

from typing import Any

from springtide.offline.plan import Plan, Resource

DIGEST = "registry.example/springtide@sha256:" + "ab" * 32
STACK = "urn:pulumi:dev::springtide::pulumi:pulumi:Stack::springtide-dev"
PLACE = {"cloud": "aws", "region": "us-east-1"}
ZONES = ["use1-az1", "use1-az2"]


class Sample:
    """Collects resources; each method adds what one component of the stack makes."""

    def __init__(self) -> None:
        self.resources: list[Resource] = []
        self.stack = self.add("pulumi:pulumi:Stack", "springtide-dev", None, custom=False)
        where = PLACE | {"account": "123456789012", "budgetUsdPerHour": 20, "exempt": []}
        environment = self.add("springtide:index:Environment", "dev", self.stack, where, custom=False)
        self.add("pulumi:providers:aws", "dev", environment, {"region": "us-east-1"})

    def add(  # noqa: PLR0913  the members of a resource
        self,
        kind: str,
        name: str,
        parent: Resource | None,
        inputs: dict[str, Any] | None = None,
        *,
        custom: bool = True,
        uses: dict[str, tuple[Resource, ...]] | None = None,
        options: dict[str, Any] | None = None,
        read_id: str | None = None,
    ) -> Resource:
        """Register a resource; `uses` says which of its inputs take an output of which resources."""
        made = Resource(
            urn=urn_of(kind, name, parent), type=kind, name=name, parent=None if parent is None else parent.urn,
            custom=custom, id=read_id, inputs=inputs or {}, unknown=tuple(uses or ()), options=options or {},
            property_depends_on={path: tuple(item.urn for item in items) for path, items in (uses or {}).items()},
        )  # fmt: skip
        self.resources.append(made)
        return made

    def network(self, *, nat: str = "one") -> list[Resource]:
        """A network; returns its private subnets."""
        intent = PLACE | {"cidr": "10.0.0.0/16", "zones": ZONES, "nat": nat}
        component = self.add("springtide:index:Network", "network", self.stack, intent, custom=False)
        vpc = self.add("aws:ec2/vpc:Vpc", "network", component, {"cidrBlock": "10.0.0.0/16"})
        self.add("aws:ec2/internetGateway:InternetGateway", "network", component, {"vpcId": output(vpc)})
        private = []
        for index, zone in enumerate(ZONES):
            public = self._subnet(component, vpc, f"network-public-{zone}", zone, f"10.0.{128 + index}.0/24")
            if nat == "per-zone" or index == 0:
                address = self.add("aws:ec2/eip:Eip", f"network-nat-{zone}", component, {"domain": "vpc"})
                inputs = {"subnetId": output(public), "allocationId": output(address)}
                self.add("aws:ec2/natGateway:NatGateway", f"network-{zone}", component, inputs)
            private.append(self._subnet(component, vpc, f"network-private-{zone}", zone, f"10.0.{16 * index}.0/20"))
        return private

    def cluster(self, subnets: list[Resource]) -> Resource:
        """A cluster with two system nodes."""
        intent = PLACE | {
            "version": "1.35", "access": ["203.0.113.0/24"], "systemMachineTypes": ["m7i.large"], "systemNodes": 2,
        }  # fmt: skip
        component = self.add("springtide:index:Cluster", "cluster", self.stack, intent, custom=False)
        self.add("aws:kms/key:Key", "cluster", component, {"enableKeyRotation": True})
        role = self.add("aws:iam/role:Role", "cluster-node", component, {"assumeRolePolicy": "{}"})
        inputs = {"name": "springtide-dev", "version": "1.35", "vpcConfig": {"subnetIds": [output(s) for s in subnets]}}
        plane = self.add("aws:eks/cluster:Cluster", "cluster", component, inputs)
        self._node_group(component, "cluster-system", plane, role, subnets, ["m7i.large"], (2, 3), disk_gib=50)
        return plane

    def pool(  # noqa: PLR0913  the arguments of a pool
        self,
        name: str,
        plane: Resource,
        subnets: list[Resource],
        *,
        gpu: str = "L4",
        machine_types: tuple[str, ...] = ("g6.xlarge", "g6.2xlarge"),
        capacity: tuple[str, ...] = ("spot",),
        nodes: tuple[int, int] = (0, 4),
        purpose: str = "training",
        gpus_per_node: int = 1,
        ceiling: int | None = None,
    ) -> Resource:
        """A pool as one managed node group; returns the node group."""
        intent = PLACE | {
            "gpu": gpu, "gpusPerNode": gpus_per_node, "machineTypes": list(machine_types), "capacity": list(capacity),
            "minNodes": nodes[0], "maxNodes": nodes[1], "purpose": purpose, "diskGib": 200, "zones": ZONES,
        }  # fmt: skip
        if ceiling is not None:
            intent["ceilingNodes"] = ceiling
        component = self.add("springtide:index:GpuPool", name, self.stack, intent, custom=False)
        return self._node_group(component, name, plane, None, subnets, list(machine_types), nodes, disk_gib=200)

    def karpenter(self, pool: str) -> tuple[Resource, Resource]:
        """A NodePool and its EC2NodeClass in a pool that is there already."""
        component = next(
            item for item in self.resources if (item.type, item.name) == ("springtide:index:GpuPool", pool)
        )
        terms = {"amiSelectorTerms": [{"alias": "bottlerocket@v1.64.0"}], "role": "node"}
        template = {"spec": {"taints": [], "nodeClassRef": {"name": pool}}}
        limits = {"limits": {"nvidia.com/gpu": "4"}, "weight": 10}
        machine = self.add("kubernetes:karpenter.k8s.aws/v1:EC2NodeClass", pool, component, {"spec": terms})
        nodes = {"spec": {"template": template, **limits}}
        return self.add("kubernetes:karpenter.sh/v1:NodePool", pool, component, nodes), machine

    def platform(self, name: str = "prod-aws") -> None:
        """Another stack that this one's jobs and services run on."""
        full = f"organization/springtide/{name}"
        self.add("pulumi:pulumi:StackReference", full, self.stack, {"name": full}, read_id=full)

    def file_system(self, name: str = "corpus", *, size_gib: int | None = 4800) -> None:
        """A Lustre file system."""
        intent = PLACE | {"kind": "lustre"} | ({} if size_gib is None else {"sizeGib": size_gib})
        component = self.add("springtide:index:FileSystem", name, self.stack, intent, custom=False)
        inputs = {"storageCapacity": size_gib, "perUnitStorageThroughput": 500}
        self.add("aws:fsx/lustreFileSystem:LustreFileSystem", name, component, inputs)

    def queue(self, name: str = "research", *, pools: tuple[str, ...] = ("train",)) -> None:
        """A queue over some pools."""
        intent = {"maxGpus": 32, "pools": list(pools)}
        self.add("springtide:index:Queue", name, self.stack, intent, custom=False)

    def storage(self, name: str = "artifacts") -> None:
        """A bucket."""
        component = self.add("springtide:index:Storage", name, self.stack, PLACE | {"kind": "bucket"}, custom=False)
        self.add("aws:s3/bucket:Bucket", name, component, {"bucket": f"springtide-dev-{name}-123456789012"})

    def job(self, name: str, pool: str, *, nodes: int = 2, run: str | None = None, image: str | None = None) -> None:
        """A training job, with its Kubernetes Job where it has a run and an image."""
        intent = {
            "pool": pool, "nodes": nodes, "gpusPerNode": 1, "recipe": "gpt_small", "checkpoints": "artifacts",
            "noticeSeconds": 120, "graceSeconds": 110, "saveDeadlineSeconds": 90,
        }  # fmt: skip
        given = {key: value for key, value in (("run", run), ("image", image)) if value is not None}
        component = self.add("springtide:index:TrainingJob", name, self.stack, intent | given, custom=False)
        if run is not None and image is not None:
            spec = {"completions": nodes, "template": {"spec": {"containers": [{"name": "train", "image": image}]}}}
            self.add("kubernetes:batch/v1:Job", f"{name}-{run}", component, {"spec": spec})

    def service(self, name: str, pool: str | None, *, replicas: tuple[int, int] = (1, 3), gpus: int = 1) -> None:
        """A model server without an image."""
        intent = {
            "gpus": gpus, "model": {"job": "gpt"}, "minReplicas": replicas[0], "maxReplicas": replicas[1],
            "expose": "none", "scaleOn": {}, "propagationSeconds": 10, "drainSeconds": 60, "graceSeconds": 75,
        }  # fmt: skip
        where = {} if pool is None else {"pool": pool}
        self.add("springtide:index:ModelService", name, self.stack, intent | where, custom=False)

    def controllers(self, *charts: str) -> None:
        """What is installed in the cluster."""
        component = self.add(
            "springtide:index:Controllers", "controllers", self.stack, {"installed": list(charts)}, custom=False
        )
        for chart in charts:
            self.add("kubernetes:helm.sh/v3:Release", chart, component, {"chart": chart})

    def plan(self, **more: Any) -> Plan:
        """What was collected, as a plan."""
        environment = PLACE | {
            "name": "dev", "project": "springtide", "account": "123456789012", "file": "stacks/Pulumi.dev.yaml",
        }  # fmt: skip
        made_with = {"springtide": "0.1.0", "pulumi": "3.272.0", "catalog": "2026-11-22"}
        values = {"environment": environment, "made_with": made_with, "outputs": {}} | more
        return Plan(resources=tuple(self.resources), **values)

    def _subnet(self, component: Resource, vpc: Resource, name: str, zone: str, cidr: str) -> Resource:
        role = "kubernetes.io/role/elb" if "public" in name else "kubernetes.io/role/internal-elb"
        inputs = {"vpcId": output(vpc), "availabilityZoneId": zone, "cidrBlock": cidr, "tags": {role: "1"}}
        return self.add("aws:ec2/subnet:Subnet", name, component, inputs, uses={"/vpcId": (vpc,)})

    def _node_group(  # noqa: PLR0913, PLR0917  what a node group ties together
        self,
        component: Resource,
        name: str,
        plane: Resource,
        role: Resource | None,
        subnets: list[Resource],
        machine_types: list[str],
        nodes: tuple[int, int],
        disk_gib: int,
    ) -> Resource:
        disk = {"deviceName": "/dev/xvdb", "ebs": {"volumeSize": disk_gib, "volumeType": "gp3"}}
        template = self.add("aws:ec2/launchTemplate:LaunchTemplate", name, component, {"blockDeviceMappings": [disk]})
        inputs = {
            "clusterName": plane.inputs["name"],
            "nodeRoleArn": "arn:aws:iam::123456789012:role/node" if role is None else output(role, "arn"),
            "subnetIds": [output(subnet) for subnet in subnets],
            "instanceTypes": machine_types,
            "launchTemplate": {"id": output(template), "version": "1"},
            "releaseVersion": "1.50.0-abcdef12",
            "scalingConfig": {"minSize": nodes[0], "desiredSize": nodes[0], "maxSize": nodes[1]},
        }
        uses = {"/subnetIds": tuple(subnets), "/launchTemplate": (template,), "/clusterName": (plane,)}
        options = {"ignore_changes": ["scalingConfig.desiredSize"]}
        return self.add("aws:eks/nodeGroup:NodeGroup", name, component, inputs, uses=uses, options=options)


def urn_of(kind: str, name: str, parent: Resource | None) -> str:
    """The engine's URN: the types of all ancestors below the root stack, then the resource's own."""
    above = "" if parent is None or parent.type == "pulumi:pulumi:Stack" else parent.urn.split("::")[2] + "$"
    return f"urn:pulumi:dev::springtide::{above}{kind}::{name}"


def output(resource: Resource, name: str = "id") -> str:
    """The placeholder of a resource's output."""
    return f"«{resource.urn}#/{name}»"


def work(*, run: str | None = "first") -> Sample:
    """A job and two services on somebody else's platform."""
    made = Sample()
    made.platform()
    made.job("gpt", "train", run=run)
    made.service("chat", "serve")
    made.service("draft", None)
    return made


def sample(*, run: str | None = None, image: str | None = None, **pool: Any) -> Sample:
    """Network, cluster, two pools, a bucket, a job and a service."""
    made = Sample()
    subnets = made.network()
    plane = made.cluster(subnets)
    made.pool("train", plane, subnets, **pool)
    made.pool("serve", plane, subnets, gpu="A10G", machine_types=("g5.xlarge",), nodes=(0, 3), purpose="serving")
    made.storage()
    made.controllers("metrics-server")
    made.job("gpt", "train", run=run, image=image)
    made.service("chat", "serve")
    return made
