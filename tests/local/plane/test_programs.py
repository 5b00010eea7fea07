"""Command lines of the control plane, read as the programs will read them."""

import datetime as dt
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from springtide.local.home import Home
from springtide.local.plane import ports, programs
from springtide.local.plane.certificates import Keys, keys
from springtide.local.plane.programs import Service, Site, Tempo

NOW = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
CORE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")
CLIENTS = ("kube-controller-manager", "kube-scheduler", "kwok", "karpenter", "keda-operator", "keda-adapter")
LISTENS = {
    "etcd": {"etcd", "etcd-peer", "etcd-health"},
    "kube-apiserver": {"kube-apiserver"},
    "kube-controller-manager": {"kube-controller-manager"},
    "kube-scheduler": {"kube-scheduler"},
    "kwok": {"kwok"},
    "karpenter": {"karpenter-metrics", "karpenter-health"},
    "keda-operator": {"keda-health", "keda-metrics", "keda-grpc"},
    "keda-adapter": {"keda-adapter", "keda-adapter-metrics"},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return keys(tmp_path_factory.mktemp("plane") / "keys", NOW)


@pytest.fixture
def site(made: Keys, tmp_path: Path) -> Site:
    home = Home(environment="local", cache=tmp_path / "cache", root=tmp_path / "root")
    chosen = ports.given(programs.PORTS, {}, kept=lambda _: False, is_free=lambda _: True)
    return Site(home=home, binaries={name: Path("/bin") / name for name in LISTENS}, keys=made, ports=chosen)


def all_of(site: Site) -> dict[str, Service]:
    every = (*programs.core(site), *programs.autoscaler(site), *programs.event_scaler(site))
    return {service.program.name: service for service in every}


def flags(service: Service) -> dict[str, str]:
    return dict(word.removeprefix("--").split("=", 1) for word in service.program.words[1:])


def said(service: Service) -> Iterator[str]:
    yield from flags(service).values()
    yield from service.program.environment.values()
    yield service.health.url


def test_they_start_with_what_the_others_need(site: Site) -> None:
    assert tuple(all_of(site)) == (*CORE, "karpenter", "keda-operator", "keda-adapter")
    assert set(all_of(site)) <= programs.NAMES


def test_every_address_is_on_loopback(site: Site) -> None:
    hosts = {
        host
        for service in all_of(site).values()
        for text in said(service)
        for host in re.findall(r"(?:^|//|=)([\w.]+):\d+", text)
    }
    assert hosts == {"127.0.0.1", "localhost"}
    assert all(flags(all_of(site)[name])["bind-address"] == "127.0.0.1" for name in (*CORE[1:4], "keda-adapter"))


def test_each_port_belongs_to_one_program_which_keeps_it_while_it_runs(site: Site) -> None:
    owners = {port: name for name, own in LISTENS.items() for port in own}
    rest = {port for port in programs.PORTS if port not in owners}
    assert rest == {"kubelet", "kubelet-health"}
    for name, own in LISTENS.items():
        words = " ".join(said(all_of(site)[name]))
        assert all(str(site.ports[port]) in words for port in own), name


def test_each_says_whether_it_is_well_on_a_port_of_its_own(site: Site) -> None:
    for name, service in all_of(site).items():
        found = re.fullmatch(r"https?://127\.0\.0\.1:(\d+)/\w+", service.health.url)
        assert found is not None, name
        assert int(found[1]) in {site.ports[port] for port in LISTENS[name]}


def test_the_kubernetes_api_is_never_spoken_without_tls(site: Site) -> None:
    found = all_of(site)
    assert site.server.startswith("https://")
    assert flags(found["etcd"])["client-cert-auth"] == "true"
    assert flags(found["etcd"])["listen-client-urls"] == flags(found["kube-apiserver"])["etcd-servers"]
    assert flags(found["kube-apiserver"])["etcd-servers"].startswith("https://")
    assert flags(found["kube-apiserver"])["authorization-mode"] == "RBAC"


def test_who_asks_by_proxy_is_believed_only_with_the_authority_of_proxies(site: Site) -> None:
    """With the authority of clients, any of them could say that it is another."""
    server = flags(all_of(site)["kube-apiserver"])
    assert server["requestheader-client-ca-file"] != server["client-ca-file"]
    assert server["requestheader-allowed-names"] == "front-proxy-client"


def test_autoscalers_act_as_soon_as_they_are_told(site: Site) -> None:
    hasty = replace(site, tempo=Tempo(sync_seconds=7, downscale_seconds=0))
    found = flags(all_of(hasty)["kube-controller-manager"])
    assert found["horizontal-pod-autoscaler-sync-period"] == "7s"
    assert found["horizontal-pod-autoscaler-downscale-stabilization"] == "0s"


def changed(site: Site, change: Callable[[], Site]) -> set[str]:
    """Programs that are others after a change, and so are started anew."""
    before = {name: service.program.digest for name, service in all_of(site).items()}
    after = {name: service.program.digest for name, service in all_of(change()).items()}
    return {name for name in before if before[name] != after[name]}


def rewrite(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_nothing_new_is_nothing_to_start(site: Site) -> None:
    assert changed(site, lambda: replace(site)) == set()


def test_other_machine_types_start_karpenter_anew_and_nobody_else(site: Site) -> None:
    def change() -> Site:
        rewrite(site.home.instance_types, "[1]")
        return site

    assert changed(site, change) == {"karpenter"}


@pytest.mark.parametrize(("file", "name"), [("kwok.yaml", "kwok"), ("scheduler.yaml", "kube-scheduler")])
def test_another_configuration_starts_its_reader_anew(site: Site, file: str, name: str) -> None:
    def change() -> Site:
        rewrite(site.home.root / file, "another")
        return site

    assert changed(site, change) == {name}


def test_new_keys_start_all_anew(site: Site, tmp_path: Path) -> None:
    def configured(found: Site) -> Site:
        for name in ("admin", "kube-controller-manager", "kube-scheduler"):
            rewrite(found.kubeconfig(name), found.keys.key(name).read_text())
        return found

    first = replace(site, keys=keys(tmp_path / "keys", NOW))

    def change() -> Site:
        keys(tmp_path / "keys", NOW + dt.timedelta(days=400))
        return configured(first)

    assert changed(configured(first), change) == {*CORE, *CLIENTS}


def test_every_client_of_a_server_that_moved_is_started_anew(site: Site) -> None:
    for name in ("admin", "kube-controller-manager", "kube-scheduler"):
        rewrite(site.kubeconfig(name), site.server)

    def change() -> Site:
        moved = replace(site, ports={**site.ports, "kube-apiserver": 1})
        for name in ("admin", "kube-controller-manager", "kube-scheduler"):
            rewrite(moved.kubeconfig(name), moved.server)
        return moved

    assert changed(site, change) == {"kube-apiserver", *CLIENTS}


def test_a_store_that_moved_starts_its_only_client_anew(site: Site) -> None:
    assert changed(site, lambda: replace(site, ports={**site.ports, "etcd": 1})) == {"etcd", "kube-apiserver"}


def test_a_program_of_another_version_is_started_anew(site: Site) -> None:
    newer = {**site.binaries, "kwok": Path("/newer/kwok")}
    assert changed(site, lambda: replace(site, binaries=newer)) == {"kwok"}
