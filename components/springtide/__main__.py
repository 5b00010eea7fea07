"""Serves the components to programs in other languages: Pulumi's language host runs this module as the plugin.

People want the command `springtide`, or `python -m springtide.cli`.
"""

import sys

import pulumi
from pulumi.provider import main
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.provider.provider import ConstructResult
from pulumi.provider.server import ComponentInitError

from springtide.cluster import Cluster
from springtide.component import ArgumentsError
from springtide.controllers import Controllers
from springtide.environment import Environment
from springtide.file_system import FileSystem
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
    FileSystem,
    GpuPool,
    ModelService,
    Network,
    Storage,
    TrainingJob,
    WorkloadIdentity,
]


class Host(ComponentProvider):
    """Hosts the components. Mistakes in arguments go back to the program by property, without a traceback of ours."""

    def construct(
        self,
        name: str,
        resource_type: str,
        inputs: pulumi.Inputs,
        options: pulumi.ResourceOptions | None = None,
    ) -> ConstructResult:
        """Make a component.

        Raises:
            pulumi.InputPropertiesError: its arguments cannot be. The SDK's own host would show a crash.
        """
        try:
            return super().construct(name, resource_type, inputs, options)
        except ComponentInitError as error:
            if isinstance(error.inner, ArgumentsError):
                raise pulumi.InputPropertiesError(error.inner.message, error.inner.errors) from error
            raise


if __name__ == "__main__":
    main(Host(COMPONENTS, "springtide"), sys.argv[1:])
