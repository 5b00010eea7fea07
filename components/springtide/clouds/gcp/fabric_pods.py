"""What pods need on machines with GPUDirect: interfaces, NCCL's settings, and a daemon beside them that receives.

The settings are those with which Google's NCCL plug-ins are shipped: github.com/GoogleCloudPlatform/cluster-toolkit v1.95,
examples/gke-a3-highgpu, gke-a3-megagpu and gke-a3-ultragpu; TCPXO's tuning as public run files repeat `nccl-env-profile.sh`, and
gIB's as they repeat `set_nccl_env.sh`. They are variables and no script to source, for our containers start no shell. Nothing of
this was run on such machines by us.
"""

import json
from collections.abc import Callable, Mapping, Sequence

from springtide import catalog
from springtide.catalog import MachineType
from springtide.k8s.pod import PodPart, Sidecar

LIBRARIES = "/usr/local/nvidia/lib64"
LIBRARIES_ON_NODE = "/home/kubernetes/bin/nvidia/lib64"
GIB = "/usr/local/gib"
GIB_ON_NODE = "/home/kubernetes/bin/gib"
APERTURE = "/dev/aperture_devices"
TCPX_SOCKET = "/run/tcpx"
_BIG_CHUNKS = {
    "NCCL_DYNAMIC_CHUNK_SIZE": "524288",
    "NCCL_P2P_NET_CHUNKSIZE": "524288",
    "NCCL_P2P_PCI_CHUNKSIZE": "524288",
    "NCCL_P2P_NVL_CHUNKSIZE": "1048576",
}


def card_names(pool: str, machine: MachineType) -> tuple[str, ...]:
    """By what names pods know the networks of a machine's cards, in the order of the cards."""
    plain = (f"{pool}-gpu-{i}" for i in range(1, machine.extra_networks + 1))
    return (*plain, *(f"{pool}-rdma-{i}" for i in range(machine.rdma_networks)))


def direct_part(pool: str, machine: MachineType) -> PodPart:
    """What a pod needs on such a machine of a pool."""
    networks = card_names(pool, machine)
    # eth0 is the cluster's own. With RDMA a pod leaves out eth1, the second plain card, and counts on from eth2.
    first = 1 + (machine.extra_networks if machine.rdma_networks else 0)
    used = networks[machine.extra_networks :] if machine.rdma_networks else networks
    cards = {f"eth{first + i}": name for i, name in enumerate(used)}
    part = _PARTS[machine.gpudirect](machine, tuple(cards))
    return {**part, "annotations": {**part.get("annotations", {}), **_interfaces(cards)}}


def version_of(fabric: str, name: str) -> str:
    """Image and tag of one part of a fabric."""
    [part] = [item for item in catalog.fabric_parts("gcp", fabric) if item.name == name]
    return f"{part.image}:{part.version}"


def _interfaces(cards: Mapping[str, str]) -> dict[str, str]:
    listed = [{"interfaceName": card, "network": network} for card, network in {"eth0": "default", **cards}.items()]
    return {
        "networking.gke.io/default-interface": "eth0",
        "networking.gke.io/interfaces": json.dumps(listed, separators=(",", ":")),
    }


def _devices(container: str, gpus: int, *more: str) -> dict[str, str]:
    """The GPUs for a container that has asked for none: the device injector on the node reads this."""
    paths = [*(f"/dev/nvidia{i}" for i in range(gpus)), "/dev/nvidiactl", "/dev/nvidia-uvm", *more]
    return {f"devices.gke.io/container.{container}": "".join(f"- path: {path}\n" for path in paths)}


def _tcpx(machine: MachineType, cards: Sequence[str]) -> PodPart:
    daemon = Sidecar(
        name="tcpx-daemon",
        image=version_of("tcpx", "rxdm"),
        command=[
            "/tcpgpudmarxd/build/app/tcpgpudmarxd",
            *("--gpu_nic_preset", "a3vm"),
            *("--gpu_shmem_type", "fd"),
            *("--uds_path", TCPX_SOCKET),
            # With the quotes and backslashes, as Google's manifest hands it over.
            *("--setup_param", r"\"--verbose 128 2 0 \""),
        ],
        env={"LD_LIBRARY_PATH": LIBRARIES},
        host_paths={
            LIBRARIES_ON_NODE: LIBRARIES,
            TCPX_SOCKET: TCPX_SOCKET,
            "/sys": "/hostsysfs",
            "/proc/sys": "/hostprocsysfs",
        },
        capabilities=["NET_ADMIN"],
    )
    tx, rx = ("8-21,112-125", "60-73,164-177"), ("22-35,124-139", "74-87,178-191")
    return PodPart(
        env={
            "LD_LIBRARY_PATH": LIBRARIES,
            "NCCL_ALGO": "Ring",
            "NCCL_BUFFSIZE": "4194304",
            "NCCL_CROSS_NIC": "0",
            "NCCL_GPUDIRECTTCPX_CTRL_DEV": "eth0",
            "NCCL_GPUDIRECTTCPX_FORCE_ACK": "0",
            "NCCL_GPUDIRECTTCPX_PROGRAM_FLOW_STEERING_WAIT_MICROS": "500000",
            "NCCL_GPUDIRECTTCPX_RX_BINDINGS": _bindings(cards, rx),
            "NCCL_GPUDIRECTTCPX_SOCKET_IFNAME": ",".join(cards),
            "NCCL_GPUDIRECTTCPX_TX_BINDINGS": _bindings(cards, tx),
            "NCCL_GPUDIRECTTCPX_TX_COMPLETION_NANOSLEEP": "1000",
            "NCCL_GPUDIRECTTCPX_UNIX_CLIENT_PREFIX": TCPX_SOCKET,
            "NCCL_MAX_NCHANNELS": "8",
            "NCCL_MIN_NCHANNELS": "8",
            "NCCL_NET_GDR_LEVEL": "PIX",
            "NCCL_NSOCKS_PERTHREAD": "4",
            "NCCL_P2P_PXN_LEVEL": "0",
            "NCCL_PROTO": "Simple",
            "NCCL_SOCKET_IFNAME": "eth0",
            "NCCL_SOCKET_NTHREADS": "1",
            **_BIG_CHUNKS,
        },
        annotations=_devices("tcpx-daemon", machine.gpus),
        host_paths={LIBRARIES_ON_NODE: LIBRARIES, TCPX_SOCKET: TCPX_SOCKET},
        # For memory that the cards reach; examples/gke-a3-highgpu/nccl-test.yaml has it, those of the other two have not.
        capabilities=["IPC_LOCK"],
        sidecars=[daemon],
    )


def _bindings(cards: Sequence[str], halves: tuple[str, str]) -> str:
    """Which CPUs serve a card: the first two cards are next to the first socket, the others to the second."""
    return ";".join(f"{card}:{halves[i >= len(cards) // 2]}" for i, card in enumerate(cards))


def _tcpxo(machine: MachineType, cards: Sequence[str]) -> PodPart:
    daemon = Sidecar(
        name="tcpxo-daemon",
        image=version_of("tcpxo", "rxdm"),
        command=["/bin/bash", "/fts/entrypoint_rxdm_container.sh", "--num_hops=2", f"--num_nics={len(cards)}"],
        env={"LD_LIBRARY_PATH": LIBRARIES},
        host_paths={LIBRARIES_ON_NODE: LIBRARIES, "/sys": "/hostsysfs", "/proc/sys": "/hostprocsysfs"},
        capabilities=["NET_ADMIN", "NET_BIND_SERVICE"],
    )
    return PodPart(
        env={
            "LD_LIBRARY_PATH": LIBRARIES,
            "NCCL_ALGO": "Ring,Tree",
            "NCCL_BUFFSIZE": "8388608",
            "NCCL_CROSS_NIC": "0",
            "NCCL_FASTRAK_CTRL_DEV": "eth0",
            "NCCL_FASTRAK_ENABLE_CONTROL_CHANNEL": "0",
            "NCCL_FASTRAK_ENABLE_HOTPATH_LOGGING": "0",
            "NCCL_FASTRAK_IFNAME": ",".join(cards),
            "NCCL_FASTRAK_LLCM_DEVICE_DIRECTORY": APERTURE,
            "NCCL_FASTRAK_NUM_FLOWS": "2",
            "NCCL_FASTRAK_PLUGIN_ACCEPT_TIMEOUT_MS": "600000",
            "NCCL_FASTRAK_USE_LLCM": "1",
            "NCCL_FASTRAK_USE_SNAP": "1",
            "NCCL_MIN_NCHANNELS": "4",
            "NCCL_NET_GDR_LEVEL": "PIX",
            "NCCL_NVLS_ENABLE": "0",
            "NCCL_PROTO": "Simple",
            "NCCL_SHIMNET_GUEST_CONFIG_CHECKER_CONFIG_FILE": f"{LIBRARIES}/a3plus_guest_config.textproto",
            "NCCL_SOCKET_IFNAME": "eth0",
            "NCCL_TUNER_CONFIG_PATH": f"{LIBRARIES}/a3plus_tuner_config.textproto",
            "NCCL_TUNER_PLUGIN": "libnccl-tuner.so",
            **_BIG_CHUNKS,
        },
        annotations=_devices("tcpxo-daemon", machine.gpus, "/dev/dmabuf_import_helper"),
        host_paths={LIBRARIES_ON_NODE: LIBRARIES, APERTURE: APERTURE},
        sidecars=[daemon],
    )


def _rdma(machine: MachineType, cards: Sequence[str]) -> PodPart:  # noqa: ARG001  gIB finds the cards by itself
    tuning = "tuner_config_a4" if machine.name.startswith("a4-") else "tuner_config_a3u"
    return PodPart(
        env={
            "LD_LIBRARY_PATH": f"{GIB}/lib64:{LIBRARIES}",
            "NCCL_CROSS_NIC": "0",
            "NCCL_IB_ADAPTIVE_ROUTING": "1",
            "NCCL_IB_FIFO_TC": "84",
            "NCCL_IB_QPS_PER_CONNECTION": "4",
            "NCCL_IB_TC": "52",
            "NCCL_NET": "gIB",
            "NCCL_NET_GDR_LEVEL": "PIX",
            "NCCL_NVLS_CHUNKSIZE": "524288",
            "NCCL_P2P_NET_CHUNKSIZE": "131072",
            "NCCL_TUNER_CONFIG_PATH": f"{GIB}/configs/{tuning}.txtpb",
        },
        host_paths={GIB_ON_NODE: GIB, LIBRARIES_ON_NODE: LIBRARIES},
    )


_PARTS: Mapping[str, Callable[[MachineType, Sequence[str]], PodPart]] = {"tcpx": _tcpx, "tcpxo": _tcpxo, "rdma": _rdma}
