"""What an environment file may say: its sections, one class each. Rules between sections are in `relations`."""

import re
from dataclasses import field

from springtide.spec import (
    DEFAULT_CIDR,
    DEFAULT_ENDPOINTS,
    DEFAULT_NAT,
    ClusterSpec,
    Finding,
    JobSpec,
    PoolSpec,
    QueueSpec,
    ServiceSpec,
    StorageSpec,
    at_least,
    digest,
    distinct,
    refuse,
    spec,
)

DEFAULT_ZONES = 2
LOCAL = "local"
"""Name of the cloud that is this machine."""
DEFAULT_MACHINES = "aws"
_REGISTRY = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")


@spec
class NetworkSection:
    """A network in a file: its zones are the environment's."""

    cidr: str = DEFAULT_CIDR
    nat: str = DEFAULT_NAT
    pods_cidr: str | None = None
    endpoints: tuple[str, ...] = DEFAULT_ENDPOINTS
    existing: str | None = None
    subnets: dict[str, str] = field(default_factory=dict)


@spec
class JobSection(JobSpec):
    """A job in a file."""

    pool: str
    """Name of the pool it runs on."""
    checkpoints: str
    """Name of the storage for checkpoints, events and the exported model."""
    data: str | None = None
    """Name of the storage that training data is read from: below `data/` in a bucket, all of a file system."""
    queue: str | None = None
    """Name of the queue it waits in for its GPUs. Default: none, it starts as soon as machines are there."""


@spec
class ServiceSection(ServiceSpec):
    """A service in a file."""

    pool: str | None = None
    """Name of the pool it runs on. Default: the system nodes, and the CPU."""


@spec
class ImagesSection:
    """The project's own image, once for the environment. Without a digest no workload starts; the plan says what waits."""

    digest: str
    """Digest that a push printed: "sha256:…"."""
    registry: str | None = None
    """Registry and path before the image's name. Default: the account's own registry."""
    fabrics: tuple[str, ...] = ()
    """Fabrics whose libraries are in the image, such as [efa]: libfabric and aws-ofi-nccl. Default: none."""

    def findings(self) -> list[Finding]:
        """What names no image."""
        if self.registry is None or _REGISTRY.fullmatch(self.registry):
            return digest("/digest", self.digest)
        message = f"{self.registry!r} is no registry."
        fix = "write host and path alone, without https:// and without a slash at the end: registry.example.com/team"
        return [*digest("/digest", self.digest), refuse("settings/registry", "/registry", self.registry, message, fix)]


@spec
class ControllersSection:
    """What runs in the cluster beside the workloads. The environment installs what it uses, and nothing else."""

    install: tuple[str, ...] = ()
    """Controllers for work in other stacks (`on:`), by their names in the chart table: jobset, keda. What this file asks
    for is installed anyway."""
    existing: tuple[str, ...] = ()
    """Controllers that are in the cluster already, by their names in the chart table, or prometheus-operator: used, and not
    installed. With the last one each service gets a PodMonitor, alerts and a dashboard."""
    monitor_labels: dict[str, str] = field(default_factory=dict)
    """Labels by which the Prometheus that is there chooses monitors and rules: {release: monitoring}. Default: it takes all."""
    mirror: str | None = None
    """Registry that holds copies of all charts, for networks without a way to the internet: oci://registry.example.com/charts."""

    def findings(self) -> list[Finding]:
        """What no controller is called, as far as it can be said without the chart table."""
        return [*distinct("/install", self.install), *distinct("/existing", self.existing)]


@spec
class PoliciesSection:
    """Limits that the policies hold the environment to."""

    budget_usd_per_hour: float | None = None
    """Most that all GPU pools together may cost at their ceiling, in USD per hour at on-demand list prices."""
    exempt: tuple[str, ...] = ()
    """Named exceptions from policies, each `<rule>:<resource>`."""

    def findings(self) -> list[Finding]:
        """What is no limit."""
        budget = self.budget_usd_per_hour
        return [] if budget is None else at_least("/budget_usd_per_hour", budget, 0)


@spec
class EnvironmentFile:
    """An environment: one file, one stack."""

    cloud: str
    """Cloud to build in."""
    account: str
    """Account id, in quotes; the provider refuses any other."""
    region: str
    """Region of the cloud, such as us-east-1."""
    zones: int | tuple[str, ...] = DEFAULT_ZONES
    """How many zones to span, or a list of zone ids (use1-az1). A number takes the first that clusters may use."""
    network: NetworkSection = NetworkSection()
    """The private network."""
    cluster: ClusterSpec
    """The Kubernetes cluster."""
    storage: dict[str, StorageSpec] = field(default_factory=dict)
    """Places for checkpoints, models and data, by name."""
    pools: dict[str, PoolSpec] = field(default_factory=dict)
    """GPU pools, by name."""
    queues: dict[str, QueueSpec] = field(default_factory=dict)
    """Shares of the pools that jobs wait for in order, by name."""
    jobs: dict[str, JobSection] = field(default_factory=dict)
    """Training jobs, by name."""
    services: dict[str, ServiceSection] = field(default_factory=dict)
    """Model services, by name."""
    images: ImagesSection | None = None
    """The project's own image."""
    controllers: ControllersSection = ControllersSection()
    """What runs in the cluster beside the workloads."""
    policies: PoliciesSection = PoliciesSection()
    """Limits that the policies hold the environment to."""

    @property
    def machines(self) -> str:
        """Cloud whose catalog describes the machines: its own."""
        return self.cloud

    def findings(self) -> list[Finding]:
        """Nothing: what can be wrong needs the catalog and the clouds, which `relations` asks."""
        return []


@spec
class LocalFile:
    """An environment on this machine: real Kubernetes, and GPU nodes that are simulated."""

    cloud: str
    """This machine: local."""
    machines: str = DEFAULT_MACHINES
    """Cloud whose machine types, prices and boot times are imitated: aws (default) or gcp."""
    storage: dict[str, StorageSpec] = field(default_factory=dict)
    """Places for checkpoints, models and data, by name: folders of this machine."""
    pools: dict[str, PoolSpec] = field(default_factory=dict)
    """GPU pools, by name."""
    queues: dict[str, QueueSpec] = field(default_factory=dict)
    """Shares of the pools that jobs wait for in order, by name."""
    jobs: dict[str, JobSection] = field(default_factory=dict)
    """Training jobs, by name."""
    services: dict[str, ServiceSection] = field(default_factory=dict)
    """Model services, by name."""
    policies: PoliciesSection = PoliciesSection()
    """Limits that the policies hold the environment to."""

    def findings(self) -> list[Finding]:
        """Nothing: what can be wrong needs the catalog and the clouds, which `relations` asks."""
        return []


MEANINGLESS = {
    "account": "no account is asked",
    "region": "nothing is made in a region; prices are those of the region that the catalog knows best",
    "zones": "simulated nodes lie in every zone of the cloud that is imitated",
    "network": "nodes are simulated on this machine's own network",
    "cluster": "the cluster is the control plane that `springtide up` starts",
    "images": "the image is made on this machine",
    "controllers": "Karpenter and KEDA run beside the control plane already, and no chart can be installed",
}
"""Why a key of a cloud's file means nothing in a local one."""
OWN_MACHINES = {"machines": "the machines are the cloud's own"}
"""Why a key of a local file means nothing in a cloud's one."""


@spec
class WorkFile:
    """A team's work on a platform that another file describes: a stack with a state, a lock and credentials of its own."""

    on: str
    """Name of the platform's environment: the file beside this one that has `cloud:`."""
    jobs: dict[str, JobSection] = field(default_factory=dict)
    """Training jobs, by name."""
    services: dict[str, ServiceSection] = field(default_factory=dict)
    """Model services, by name."""
    images: ImagesSection | None = None
    """The team's own image."""
    policies: PoliciesSection = PoliciesSection()
    """Limits that the policies hold this work to."""

    def findings(self) -> list[Finding]:
        """Nothing: what can be wrong is wrong with regard to the platform, which `relations` looks at."""
        return []
