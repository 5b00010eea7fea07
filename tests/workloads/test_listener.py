"""A listener that stops listening without breaking a connection."""

import os
import socket
import sys

import pytest

from springtide_workloads.listener import no_more, unaccepted

pytestmark = pytest.mark.enable_socket


def test_who_has_connected_is_accepted_and_who_has_not_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        with socket.create_connection(address, timeout=20) as early:
            if not no_more(listener):
                pytest.skip("this kernel binds no socket to an interface")
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(address, timeout=20)
            early.sendall(b"asked")
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.recv(5) == b"asked"
                accepted.sendall(b"answer")
                assert early.recv(6) == b"answer"


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root can give up its rights")
def test_it_needs_no_right_that_a_pod_does_not_have() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        child = os.fork()
        if child == 0:  # it can read no file any more, so it asks nothing but this
            os.setgroups([])
            os.setresgid(10001, 10001, 10001)
            os.setresuid(10001, 10001, 10001)
            os._exit(0 if no_more(listener) else 1)
        assert os.waitpid(child, 0)[1] == 0


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
