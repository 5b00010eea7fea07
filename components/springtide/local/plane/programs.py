"""The programs of a control plane: command lines, in the order they start, and how each says that it is well."""

import ipaddress
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from springtide.local.home import Home
from springtide.local.plane import kwok
from springtide.local.plane.certificates import AUTHORITY, FRONT_AUTHORITY, Keys
from springtide.local.plane.ports import LOOPBACK
from springtide.local.plane.process import Program
from springtide_workloads.contract import LIVE_PATH, Env

SERVICES = ipaddress.ip_network("10.96.0.0/16")
"""Addresses that Services are given. Nothing routes them here."""
_SCHEDULER_QPS = 300
_GATEWAY_PATIENCE_SECONDS = 5.0
"""How long a gateway may finish what it holds when the environment goes down or it is started anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tempo:
    """How soon things happen.

    Attributes:
        sync_seconds: How often the horizontal pod autoscaler looks; Kubernetes' default is 15.
        downscale_seconds: How long it waits before it shrinks, where an autoscaler does not say; the default is 300.
        lease_seconds: How long leases of simulated nodes hold.
    """

    sync_seconds: int = 5
    downscale_seconds: int = 60
    lease_seconds: int = kwok.LEASE_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How a program says that it is well; where there is neither of the two, it is while it runs.

    Attributes:
        url: Asked with GET; 200 is well. Its certificate, if any, must be of our authority.
        command: Run; an exit status of 0 is well.
    """

    url: str = ""
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A program, and how long it may take until it is well."""

    program: Program
    health: Health
    seconds: float = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What the command lines are made of."""

    home: Home
    binaries: Mapping[str, Path]
    keys: Keys
    ports: Mapping[str, int]
    tempo: Tempo = Tempo()

    def kubeconfig(self, name: str) -> Path:
        """Kubeconfig of one of the programs."""
        return self.home.root / "kubeconfigs" / name

    @property
    def server(self) -> str:
        """Address of the API server."""
        return f"https://{LOOPBACK}:{self.ports['kube-apiserver']}"


NAMES = frozenset(
    {
        *("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "karpenter"),
        *("keda-operator", "keda-adapter", "kubelet", "containerd", "containerd-shim-runc-v2"),
    }
)
"""Names of our programs' files."""
PORTS = (
    *("etcd", "etcd-peer", "etcd-health", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"),
    *("karpenter-metrics", "karpenter-health", "keda-health", "keda-metrics", "keda-grpc", "keda-adapter"),
    *("keda-adapter-metrics", "kubelet", "kubelet-health"),
)
"""What needs a port, besides gateways."""
GATEWAY = "springtide_workloads.gateway"
"""Module that holds the requests of a service that sleeps."""


def core(site: Site) -> tuple[Service, ...]:
    """Kubernetes itself, and what plays its nodes."""
    return (_etcd(site), _api_server(site), _controller_manager(site), _scheduler(site), _kwok(site))


def autoscaler(site: Site) -> tuple[Service, ...]:
    """What makes nodes for pods and takes them back. Its resource definitions must be there before."""
    health, metrics = site.ports["karpenter-health"], site.ports["karpenter-metrics"]
    program = Program(
        name="karpenter",
        words=(str(site.binaries["karpenter"]), f"--instance-types-file-path={site.home.instance_types}"),
        environment={
            "KUBECONFIG": str(site.kubeconfig("admin")),
            "SYSTEM_NAMESPACE": "kube-system",
            "DISABLE_LEADER_ELECTION": "true",
            # It offers no way to name an address: both ports are open on every interface of this machine.
            "METRICS_PORT": str(metrics),
            "HEALTH_PROBE_PORT": str(health),
            "BATCH_IDLE_DURATION": "500ms",
            "BATCH_MAX_DURATION": "3s",
            "LOG_LEVEL": "info",
            # 1.14.1 gives simulated reservations another id at each look, and ends when it meets the second.
            # Without the feature a reserved offering is one like others.
            "FEATURE_GATES": "ReservedCapacity=false",
        },
        files=(site.home.instance_types, site.kubeconfig("admin")),
    )
    return (Service(program=program, health=Health(url=f"http://{LOOPBACK}:{health}/healthz")),)


def event_scaler(site: Site) -> tuple[Service, ...]:
    """KEDA: what wakes services and gives autoscalers their figures. Its resource definitions must be there before."""
    return (_keda_operator(site), _keda_adapter(site))


def gateway(site: Site, name: str, environment: Mapping[str, str]) -> Service:
    """What holds a sleeping service's requests and wakes it.

    Args:
        site: What command lines are made of; it has two ports for it, `name` and `name:metrics`.
        name: Of the process, `gateway-<service>`.
        environment: Its contract, with the namespace of the service.
    """
    here = {
        Env.HTTP_PORT: site.ports[name],
        Env.METRICS_PORT: site.ports[f"{name}:metrics"],
        # no load balancer has to learn that it goes
        Env.PROPAGATION_SECONDS: 0,
    }
    program = Program(
        name=name,
        words=(
            *(sys.executable, "-m", GATEWAY, "--kubeconfig", str(site.kubeconfig(name))),
            *("--address", LOOPBACK),
        ),
        environment={**environment, **{key.value: str(value) for key, value in here.items()}},
        files=(site.kubeconfig(name),),
        patience_seconds=_GATEWAY_PATIENCE_SECONDS,
    )
    return Service(program=program, health=Health(url=f"http://{LOOPBACK}:{site.ports[name]}{LIVE_PATH}"))


def _etcd(site: Site) -> Service:
    client, peer = (f"https://{LOOPBACK}:{site.ports[name]}" for name in ("etcd", "etcd-peer"))
    health = f"http://{LOOPBACK}:{site.ports['etcd-health']}"
    keys = site.keys
    served, authority = keys.certificate("kube-apiserver"), keys.certificate(AUTHORITY)
    words = {
        "name": "springtide",
        "data-dir": site.home.root / "etcd",
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"springtide={peer}",
        "listen-metrics-urls": health,
        "cert-file": served,
        "key-file": keys.key("kube-apiserver"),
        "trusted-ca-file": authority,
        "client-cert-auth": "true",
        "peer-cert-file": served,
        "peer-key-file": keys.key("kube-apiserver"),
        "peer-trusted-ca-file": authority,
        "peer-client-cert-auth": "true",
        # What it holds can be made again; a disk that must write each change is what makes it slow.
        "unsafe-no-fsync": "true",
        "log-level": "warn",
    }
    return Service(program=_program(site, "etcd", words), health=Health(url=f"{health}/health"))


def _api_server(site: Site) -> Service:
    keys = site.keys
    client = keys.certificate("kubelet-client"), keys.key("kubelet-client")
    words = {
        "etcd-servers": f"https://{LOOPBACK}:{site.ports['etcd']}",
        "etcd-cafile": keys.certificate(AUTHORITY),
        "etcd-certfile": client[0],
        "etcd-keyfile": client[1],
        "bind-address": LOOPBACK,
        "advertise-address": LOOPBACK,
        "secure-port": site.ports["kube-apiserver"],
        # An address on loopback is none that it would publish.
        "endpoint-reconciler-type": "none",
        "authorization-mode": "RBAC",
        "client-ca-file": keys.certificate(AUTHORITY),
        "tls-cert-file": keys.certificate("kube-apiserver"),
        "tls-private-key-file": keys.key("kube-apiserver"),
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-account-key-file": keys.accounts_public,
        "service-account-signing-key-file": keys.key("accounts"),
        "service-cluster-ip-range": str(SERVICES),
        "requestheader-client-ca-file": keys.certificate(FRONT_AUTHORITY),
        "requestheader-allowed-names": "front-proxy-client",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-username-headers": "X-Remote-User",
        "proxy-client-cert-file": keys.certificate("front-proxy-client"),
        "proxy-client-key-file": keys.key("front-proxy-client"),
        "kubelet-client-certificate": client[0],
        "kubelet-client-key": client[1],
        "allow-privileged": "true",
        "max-requests-inflight": 2000,
        "max-mutating-requests-inflight": 1000,
        "profiling": "false",
    }
    return Service(
        program=_program(site, "kube-apiserver", words, patience_seconds=10), health=Health(url=f"{site.server}/readyz")
    )


def _controller_manager(site: Site) -> Service:
    keys = site.keys
    words = {
        "kubeconfig": site.kubeconfig("kube-controller-manager"),
        "authentication-kubeconfig": site.kubeconfig("kube-controller-manager"),
        "authorization-kubeconfig": site.kubeconfig("kube-controller-manager"),
        **_served(site, "kube-controller-manager"),
        "use-service-account-credentials": "true",
        "root-ca-file": keys.certificate(AUTHORITY),
        "service-account-private-key-file": keys.key("accounts"),
        "cluster-signing-cert-file": keys.certificate(AUTHORITY),
        "cluster-signing-key-file": keys.key(AUTHORITY),
        "leader-elect": "false",
        "kube-api-qps": _SCHEDULER_QPS,
        "kube-api-burst": 500,
        # A thousand simulated nodes report in turn.
        "node-monitor-grace-period": "120s",
        "horizontal-pod-autoscaler-sync-period": f"{site.tempo.sync_seconds}s",
        "horizontal-pod-autoscaler-downscale-stabilization": f"{site.tempo.downscale_seconds}s",
        "profiling": "false",
    }
    return _own_port(site, "kube-controller-manager", words)


def _scheduler(site: Site) -> Service:
    words = {
        "config": site.home.root / "scheduler.yaml",
        "authentication-kubeconfig": site.kubeconfig("kube-scheduler"),
        "authorization-kubeconfig": site.kubeconfig("kube-scheduler"),
        **_served(site, "kube-scheduler"),
    }
    return _own_port(site, "kube-scheduler", words)


def _kwok(site: Site) -> Service:
    address = f"{LOOPBACK}:{site.ports['kwok']}"
    words = {
        "config": site.home.root / "kwok.yaml",
        "kubeconfig": site.kubeconfig("admin"),
        "server-address": address,
        "node-ip": LOOPBACK,
        "node-port": site.ports["kwok"],
    }
    return Service(program=_program(site, "kwok", words), health=Health(url=f"http://{address}/healthz"))


def _keda_operator(site: Site) -> Service:
    health = f"{LOOPBACK}:{site.ports['keda-health']}"
    words = {
        "metrics-bind-address": f"{LOOPBACK}:{site.ports['keda-metrics']}",
        "health-probe-bind-address": health,
        "metrics-service-bind-address": f"{LOOPBACK}:{site.ports['keda-grpc']}",
        "cert-dir": site.home.root / "keda",
        "enable-cert-rotation": "false",
        "enable-webhook-patching": "false",
        "enable-apiservice-patching": "false",
        "zap-log-level": "info",
    }
    program = _program(site, "keda-operator", words, environment=_keda_environment(site))
    return Service(program=program, health=Health(url=f"http://{health}/healthz"))


def _keda_adapter(site: Site) -> Service:
    admin = site.kubeconfig("admin")
    words = {
        "secure-port": site.ports["keda-adapter"],
        "bind-address": LOOPBACK,
        "port": site.ports["keda-adapter-metrics"],
        "metrics-service-address": f"localhost:{site.ports['keda-grpc']}",
        "lister-kubeconfig": admin,
        "authentication-kubeconfig": admin,
        "authorization-kubeconfig": admin,
        # Both by the folder, to the operator, and by the files, to the API server.
        "cert-dir": site.home.root / "keda",
        "tls-cert-file": site.keys.certificate("keda"),
        "tls-private-key-file": site.keys.key("keda"),
        "client-ca-file": site.keys.certificate(AUTHORITY),
    }
    program = _program(site, "keda-adapter", words, environment=_keda_environment(site))
    return Service(program=program, health=Health(url=f"https://{LOOPBACK}:{site.ports['keda-adapter']}/readyz"))


def _keda_environment(site: Site) -> dict[str, str]:
    return {
        "KUBECONFIG": str(site.kubeconfig("admin")),
        "POD_NAMESPACE": "keda",
        "POD_NAME": "keda-operator",
        "WATCH_NAMESPACE": "",
        "KEDA_CLUSTER_OBJECT_NAMESPACE": "keda",
        "KEDA_HTTP_DEFAULT_TIMEOUT": "3000",
    }


def _own_port(site: Site, name: str, words: Mapping[str, object]) -> Service:
    port = site.ports[name]
    return Service(program=_program(site, name, words), health=Health(url=f"https://{LOOPBACK}:{port}/healthz"))


def _served(site: Site, name: str) -> dict[str, object]:
    return {
        "bind-address": LOOPBACK,
        "secure-port": site.ports[name],
        "tls-cert-file": site.keys.certificate("kube-apiserver"),
        "tls-private-key-file": site.keys.key("kube-apiserver"),
    }


def _program(
    site: Site,
    name: str,
    words: Mapping[str, object],
    *,
    environment: Mapping[str, str] | None = None,
    patience_seconds: float = 5,
) -> Program:
    variables = {} if environment is None else environment
    named = [value for value in words.values() if isinstance(value, Path)]
    return Program(
        name=name,
        words=(str(site.binaries[name]), *(f"--{key}={value}" for key, value in words.items())),
        environment=variables,
        files=(*named, *(Path(variables[key]) for key in ("KUBECONFIG",) if key in variables)),
        patience_seconds=patience_seconds,
    )
