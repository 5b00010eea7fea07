"""The first process of a gateway's container; its exit code is the contract's, and 0 after SIGTERM.

In a pod it needs no argument. Elsewhere `--kubeconfig FILE` says how to reach the Kubernetes API, or `--replica HOST:PORT`,
once for each, where replicas are without Kubernetes.
"""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

from springtide_workloads.contract import Env, ExitCode, GatewayContract
from springtide_workloads.errors import EXPECTED, ConfigError
from springtide_workloads.gateway.access import by_kubeconfig, in_cluster
from springtide_workloads.gateway.backends import Backends, Probed
from springtide_workloads.gateway.server import serve
from springtide_workloads.gateway.slices import EndpointSlices
from springtide_workloads.ports import ANY_ADDRESS
from springtide_workloads.tell import tell


def main() -> ExitCode:
    """Serve as the environment says, until told to stop."""
    # until the server handles signals there is nothing to finish; without a handler process 1 would not get them
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(ExitCode.DONE))
    asked = _arguments().parse_args()
    try:
        contract = GatewayContract.from_env(os.environ)
        asyncio.run(serve(contract, _backends(asked, contract), asked.address))
    except EXPECTED as error:
        tell(str(error))
        return error.code
    return ExitCode.DONE


def _backends(asked: argparse.Namespace, contract: GatewayContract) -> Backends:
    if asked.replica:
        return Probed(asked.replica)
    if contract.namespace is None:
        raise ConfigError(f"{Env.NAMESPACE} is missing: say in which namespace {contract.service} is")
    access = in_cluster(os.environ) if asked.kubeconfig is None else by_kubeconfig(asked.kubeconfig)
    return EndpointSlices(access, namespace=contract.namespace, service=contract.service)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m springtide_workloads.gateway", description=__doc__)
    parser.add_argument("--address", default=ANY_ADDRESS, help="answer at this address only; default every one")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--kubeconfig", type=Path, metavar="FILE", help="reach the Kubernetes API as its user")
    where.add_argument(
        "--replica", action="append", metavar="HOST:PORT", help="lead to this server while it says it is ready"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
