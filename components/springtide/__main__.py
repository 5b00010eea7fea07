"""Serves the components to programs in other languages: Pulumi's language host runs this module as the plugin.

People want the command `springtide`, or `python -m springtide.cli`.
"""

from pulumi.provider.experimental import component_provider_host

from springtide.cluster import Cluster
from springtide.controllers import Controllers
from springtide.environment import Environment
from springtide.identity import WorkloadIdentity
from springtide.network import Network
from springtide.pool import GpuPool
from springtide.service import ModelService
from springtide.storage import Storage
from springtide.training import TrainingJob

COMPONENTS = [
    Cluster,
    Controllers,
    Environment,
    GpuPool,
    ModelService,
    Network,
    Storage,
    TrainingJob,
    WorkloadIdentity,
]

if __name__ == "__main__":
    component_provider_host(COMPONENTS, "springtide")
