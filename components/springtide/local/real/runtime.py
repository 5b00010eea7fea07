"""Containerd and the network of real pods, as configuration: everything below one folder, nothing shared with others."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from springtide.local.real.twin import IMAGE

_SECOND_OCTET = 213
"""Pods' addresses are in 10.213.0.0/16, a part of it for each environment; they never leave this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeFolders:
    """Where containerd keeps its things.

    Attributes:
        root: Folder of the environment's real node.
    """

    root: Path

    @property
    def config(self) -> Path:
        """Containerd's configuration file."""
        return self.root / "containerd.toml"

    @property
    def socket(self) -> Path:
        """Where the kubelet reaches it."""
        return self.root / "containerd.sock"

    @property
    def networks(self) -> Path:
        """Folder of the network configuration."""
        return self.root / "cni"

    @property
    def images(self) -> Path:
        """Archive of the image."""
        return self.root / "machine.tar"

    @property
    def data(self) -> Path:
        """Images and containers."""
        return self.root / "containerd"

    @property
    def state(self) -> Path:
        """Mounts and sockets of what runs."""
        return self.root / "containerd-state"

    @property
    def addresses(self) -> Path:
        """Which pod has which address."""
        return self.root / "addresses"

    @property
    def kubelet(self) -> Path:
        """The kubelet's root."""
        return self.root / "kubelet"

    @property
    def pod_logs(self) -> Path:
        """What containers say, in a folder for each pod."""
        return self.root / "pod-logs"

    @property
    def kubelet_config(self) -> Path:
        """The kubelet's configuration file."""
        return self.root / "kubelet.json"


def containerd_config(folders: RuntimeFolders, plugins: Path) -> str:
    """Containerd's configuration, version 2: the form that 1.6 and 1.7 read, and 2.x converts.

    Args:
        folders: Where it keeps its things.
        plugins: Folder of the network plugins.
    """
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    return f"""\
version = 2
root = "{folders.data}"
state = "{folders.state}"
# Its plugin for tools that somebody installs later would use a folder outside.
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = "{folders.socket}"
[{cri}]
  sandbox_image = "{IMAGE}"
  disable_tcp_service = true
  # Below our own folder, so that `down` finds them after a crash as well.
  netns_mounts_under_state_dir = true
  # Without it no sandbox starts where root may not raise limits (CAP_SYS_RESOURCE).
  restrict_oom_score_adj = true
  [{cri}.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [{cri}.cni]
    bin_dir = "{plugins}"
    conf_dir = "{folders.networks}"
"""


def network_config(folders: RuntimeFolders, subnet: str) -> str:
    """Each pod's own address, and a route from this machine to it: no bridge, no way to the internet."""
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": subnet}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": str(folders.addresses),
    }
    pair = {"type": "ptp", "ipMasq": False, "ipam": addresses}
    return json.dumps({"cniVersion": "0.4.0", "name": "springtide", "plugins": [pair]}, indent=1)


def subnet(root: Path) -> str:
    """Addresses for the pods of one environment: 254 of them, by the path of its folder."""
    third = hashlib.sha256(str(root).encode()).digest()[0]
    return f"10.{_SECOND_OCTET}.{third}.0/24"
