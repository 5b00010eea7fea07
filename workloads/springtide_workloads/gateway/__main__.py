"""The first process of a gateway's container; its exit code is the contract's, and 0 after SIGTERM.

In a pod it needs no argument. Elsewhere `--kubeconfig FILE` says how to reach the Kubernetes API, or `--replica [ARM=]HOST:PORT`,
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
from springtide_workloads.gateway.arms import Arm, arms_of
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
        asyncio.run(serve(contract, _backends(asked, contract, arms_of(contract)), asked.address))
    except EXPECTED as error:
        tell(str(error))
        return error.code
    return ExitCode.DONE


def _backends(asked: argparse.Namespace, contract: GatewayContract, arms: tuple[Arm, ...]) -> dict[Arm, Backends]:
    """Who knows the replicas of each arm. The first one's are those of the contract's Service."""
    if asked.replica:
        return {arm: Probed(_of(arm, asked.replica, own=arm is arms[0])) for arm in arms}
    if contract.namespace is None:
        raise ConfigError(f"{Env.NAMESPACE} is missing: say in which namespace {contract.service} is")
    access = in_cluster(os.environ) if asked.kubeconfig is None else by_kubeconfig(asked.kubeconfig)
    services = [contract.service, *(arm.name for arm in arms[1:])]
    return {
        arm: EndpointSlices(access, namespace=contract.namespace, service=service)
        for arm, service in zip(arms, services, strict=True)
    }


def _of(arm: Arm, said: list[str], *, own: bool) -> list[str]:
    """Addresses of one arm; those without an arm's name are the service's own."""
    pairs = [item.rpartition("=") for item in said]
    return [address for name, _, address in pairs if name == arm.name or (own and not name)]


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m springtide_workloads.gateway", description=__doc__)
    parser.add_argument("--address", default=ANY_ADDRESS, help="answer at this address only; default every one")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--kubeconfig", type=Path, metavar="FILE", help="reach the Kubernetes API as its user")
    where.add_argument(
        "--replica",
        action="append",
        metavar="[ARM=]HOST:PORT",
        help="lead to this server while it says it is ready; default: of the service itself",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
