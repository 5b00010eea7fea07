"""Ports: kept while they can be, replaced where somebody else has them, never two for one."""

import errno
import socket
import sys
from collections.abc import Mapping

import pytest
from hypothesis import given as over
from hypothesis import strategies as st

from springtide.local.plane.ports import LOOPBACK, RANGE, free, given

FEW = range(21000, 21010)
only_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8")
NAMES = ("etcd", "kube-apiserver", "kwok")
BEFORE = st.dictionaries(st.sampled_from((*NAMES, "left over")), st.sampled_from((*range(21000, 21004), 80, 99999)))


@over(before=BEFORE, taken=st.sets(st.integers(21000, 21003)), runs=st.sets(st.sampled_from(NAMES)))
def test_ports_are_distinct_and_each_is_free_or_its_own(
    before: Mapping[str, int], taken: set[int], runs: set[str]
) -> None:
    found = given(NAMES, before, kept=runs.__contains__, is_free=lambda port: port in FEW and port not in taken)
    assert set(found) == set(NAMES)
    assert len(set(found.values())) == len(NAMES)
    for name, port in found.items():
        assert port not in taken or (name in runs and port == before[name])


@over(
    before=st.dictionaries(st.sampled_from(NAMES), st.integers(1024, 65535)).filter(
        lambda d: len({*d.values()}) == len(d)
    )
)
def test_what_is_free_is_kept(before: Mapping[str, int]) -> None:
    found = given(NAMES, before, kept=lambda _: False, is_free=lambda _: True)
    assert {name: found[name] for name in before} == before


def test_new_ones_are_none_that_outgoing_connections_are_given() -> None:
    found = given(NAMES, {}, kept=lambda _: False, is_free=lambda _: True)
    assert all(port in RANGE for port in found.values())
    assert RANGE.stop <= 32768


def test_two_environments_that_start_at_once_do_not_choose_alike() -> None:
    one, other = (given(map(str, range(16)), {}, kept=lambda _: False, is_free=lambda _: True) for _ in range(2))
    assert set(one.values()) != set(other.values())


def test_too_few_are_told() -> None:
    with pytest.raises(OSError, match="too few ports between 20000 and 29999") as told:
        given(NAMES, {}, kept=lambda _: False, is_free=lambda port: port < 20002)
    assert told.value.errno == errno.EADDRNOTAVAIL


@pytest.mark.enable_socket
@pytest.mark.parametrize("address", [LOOPBACK, "", pytest.param("127.0.0.2", marks=only_linux)])
def test_a_port_on_which_somebody_listens_is_not_free(address: str) -> None:
    with socket.socket() as listener:
        listener.bind((address, 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert not free(port)
    assert free(port)


@pytest.mark.enable_socket
def test_a_port_of_connections_that_just_ended_is_free() -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = listener.getsockname()[1]
        client = socket.create_connection((LOOPBACK, port))
        served, _ = listener.accept()
        served.close()  # the side that ends first is the one that waits
        client.close()
    assert free(port)


@pytest.mark.enable_socket
def test_a_number_that_is_no_port_is_not_free() -> None:
    assert not free(99999)
