"""What has to be put on nodes with GPUDirect before a pod can use it: NCCL's plug-in, and who hands GPUs to the daemon.

Both are DaemonSets of a pool, in kube-system for they need rights that no workload has. What they do is what Google's own do:
github.com/GoogleCloudPlatform/cluster-toolkit v1.95, examples/gke-a3-highgpu and gke-a3-ultragpu. Not run by us.
"""

from typing import Any

from springtide.catalog import MachineType
from springtide.clouds.gcp.fabric_pods import APERTURE, version_of
from springtide.k8s import Manifest

NAMESPACE = "kube-system"
PAUSE = "gke.gcr.io/pause:3.8@sha256:880e63f94b145e46f1b1082bb71b85e21f16b99b180b9996407d61240ceb9830"
INJECTOR = (
    "gcr.io/gke-release/nri-device-injector@sha256:6e79483d52abdc28454bf186320b10a56b0f117a10e8d65d5c74dbb821a76970"
)
_LIBRARIES = "/home/kubernetes/bin/nvidia/lib64"
_PLUGINS = {"tcpx": "nccl-plugin", "tcpxo": "nccl-plugin", "rdma": "gib"}
_UNPACKED = {"tcpx": "/var/lib/tcpx", "tcpxo": "/var/lib/tcpxo", "rdma": "/var/lib/gib"}
"""Where an image's own installer leaves its files."""
_OPEN_APERTURE = f"""\
set -eu
iptables -I INPUT -p tcp -m tcp -j ACCEPT
modprobe import-helper
lspci -nn -D | grep '1ae0:0084' | while read -r device rest; do
  place={APERTURE}/$device
  mkdir -p "$place"
  mountpoint -q "$place" || mount --bind "$(readlink -f "/sys/bus/pci/devices/$device")" "$place"
  chmod a+r "$place"
  chmod a+rw "$place"/resource*
done
"""
"""On the node itself: the cards' memory windows as files that pods may be given (1ae0:0084 is Google's device for them)."""


def daemon_sets(pool: str, machine: MachineType) -> dict[str, Manifest]:
    """The DaemonSets of a pool of such machines, by the end of their names."""
    found = {"nccl-installer": _daemon_set(f"{pool}-nccl-installer", pool, _installer(machine.gpudirect))}
    if machine.gpudirect != "rdma":
        found["device-injector"] = _daemon_set(f"{pool}-device-injector", pool, _injector())
    return found


def _daemon_set(name: str, pool: str, pod: dict[str, Any]) -> Manifest:
    label = {"springtide.dev/daemon": name}
    return {
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": label,
            # A node that comes or goes meanwhile would keep a deployment waiting.
            "annotations": {"pulumi.com/skipAwait": "true"},
        },
        "spec": {
            "selector": {"matchLabels": label},
            "updateStrategy": {"type": "RollingUpdate"},
            "template": {
                "metadata": {"labels": label},
                "spec": {
                    "priorityClassName": "system-node-critical",
                    "nodeSelector": {"springtide.dev/pool": pool},
                    "tolerations": [{"operator": "Exists"}],
                    "hostNetwork": True,
                    "hostPID": True,
                    **pod,
                },
            },
        },
    }


def _installer(fabric: str) -> dict[str, Any]:
    image = version_of(fabric, _PLUGINS[fabric])
    unpacked = _UNPACKED[fabric]
    copies = [f"cp -r {unpacked}/lib64/. /node/libraries"]
    if fabric == "rdma":
        copies.append(f"cp -r {unpacked}/. /node/gib")
    script = "\n".join(["set -eu", "/scripts/container_entry.sh install --install-nccl", *copies])
    places = {"libraries": _LIBRARIES, **({"gib": "/home/kubernetes/bin/gib"} if fabric == "rdma" else {})}
    mounts = [{"name": name, "mountPath": f"/node/{name}"} for name in places]
    steps = [_privileged("install", image, ["/bin/sh", "-c", script], mounts)]
    if fabric == "tcpxo":
        on_node = ["nsenter", "--target=1", "--all", "--", "/bin/sh", "-c", _OPEN_APERTURE]
        steps.insert(0, _privileged("open-aperture", image, on_node, []))
    return {
        "volumes": [
            {"name": name, "hostPath": {"path": path, "type": "DirectoryOrCreate"}} for name, path in places.items()
        ],
        "initContainers": steps,
        "containers": [{"name": "pause", "image": PAUSE}],
    }


def _injector() -> dict[str, Any]:
    places = {"dev": "/dev", "nri": "/var/run/nri"}
    mounts = [{"name": name, "mountPath": path} for name, path in places.items()]
    return {
        "volumes": [{"name": name, "hostPath": {"path": path}} for name, path in places.items()],
        "containers": [_privileged("device-injector", INJECTOR, [], mounts)],
    }


def _privileged(name: str, image: str, command: list[str], mounts: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "name": name,
        "image": image,
        **({"command": command} if command else {}),
        "resources": {"requests": {"cpu": "150m"}},
        "securityContext": {"privileged": True},
        "volumeMounts": mounts,
    }
