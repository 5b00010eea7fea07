"""A listener that stops listening without breaking a connection."""

import socket
import sys

import pytest

from springtide_workloads.listener import no_more, unaccepted

pytestmark = pytest.mark.enable_socket


def test_who_has_connected_is_accepted_and_who_has_not_sends_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as late:
        address = listener.getsockname()
        with socket.create_connection(address, timeout=20) as early:
            if not no_more(listener):
                pytest.skip("this kernel takes no filter for a socket")
            early.sendall(b"asked")
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.recv(5) == b"asked"
        late.settimeout(0.3)
        with pytest.raises(TimeoutError):
            late.connect(address)
        listener.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=20)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how many connections wait")
def test_it_is_known_how_many_have_connected_and_are_not_accepted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        assert unaccepted(listener) == 0
        with socket.create_connection(address, timeout=20), socket.create_connection(address, timeout=20):
            assert unaccepted(listener) == 2
            listener.accept()[0].close()
            assert unaccepted(listener) == 1
    assert unaccepted(listener) == 0
