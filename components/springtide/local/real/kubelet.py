"""The kubelet of the real node, as configuration."""

import json
from collections.abc import Mapping
from pathlib import Path

from springtide.local.real.runtime import RuntimeFolders
from springtide.local.real.twin import NODE, TAINT


def kubelet_config(folders: RuntimeFolders, *, client_ca: Path, port: int, health_port: int, cgroup: str) -> str:
    """The kubelet's configuration.

    Args:
        folders: Where the runtime keeps its things.
        client_ca: Certificate authority of the API server's client certificate.
        port: Where the API server reaches it, for logs and `exec`.
        health_port: Where it says that it is well.
        cgroup: Control group that its pods are in; it must be there.
    """
    return json.dumps(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": "127.0.0.1",
            "port": port,
            "healthzPort": health_port,
            "healthzBindAddress": "127.0.0.1",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": False},
                "x509": {"clientCAFile": str(client_ca)},
            },
            "authorization": {"mode": "AlwaysAllow"},
            "containerRuntimeEndpoint": f"unix://{folders.socket}",
            "cgroupDriver": "cgroupfs",
            # Many machines still have cgroup v1, and pods of ours ask nothing of it.
            "failCgroupV1": False,
            # All of its pods below one group of this environment's, which `down` removes.
            "cgroupRoot": cgroup,
            "enforceNodeAllocatable": [],
            "failSwapOn": False,
            "makeIPTablesUtilChains": False,
            "localStorageCapacityIsolation": False,
            # A laptop's disk is often nearly full; pods of ours are small.
            "evictionHard": {"nodefs.available": "1%", "imagefs.available": "1%", "memory.available": "50Mi"},
            "imageGCHighThresholdPercent": 100,
            "registerWithTaints": [TAINT],
            "resolvConf": "",
            "podLogsDir": str(folders.pod_logs),
            "syncFrequency": "5s",
            "volumeStatsAggPeriod": "0s",
        },
        indent=1,
    )


def kubelet_arguments(binaries: Mapping[str, Path], folders: RuntimeFolders, kubeconfig: Path) -> list[str]:
    """The kubelet's command line."""
    return [
        str(binaries["kubelet"]),
        f"--config={folders.kubelet_config}",
        f"--kubeconfig={kubeconfig}",
        f"--root-dir={folders.kubelet}",
        f"--hostname-override={NODE}",
        "--node-labels=springtide.dev/real=true",
        "--v=1",
    ]
