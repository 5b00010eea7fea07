"""A listening socket that stops listening without breaking a connection."""

import ctypes
import errno
import socket
import struct
import sys
from typing import Final

_SO_ATTACH_FILTER: Final = 26
_FLAGS: Final = 13
"""Offset of the byte of flags in a TCP header (RFC 9293, section 3.1)."""
_SYN: Final = 0x02
_LOAD_BYTE, _JUMP_IF_SET, _RETURN = 0x30, 0x45, 0x06
"""Operations of the classic BSD packet filter, as <linux/filter.h> has them."""

SETTLE_SECONDS: Final = 0.2
"""After `no_more`, how long handshakes that have begun may take to end: a round trip."""


def no_more(listener: socket.socket) -> bool:
    """Let no new connection begin; those that have begun can still be accepted.

    A listening socket that is closed resets what it has not accepted yet, whether or not a request was sent already. So the
    kernel first drops packets that open a connection. The client's kernel sends them again, finds the socket closed by then,
    and its client knows that nothing was sent.

    Returns:
        Whether the kernel does so; outside Linux, and in sandboxes, it may not.
    """
    if sys.platform != "linux":
        return False
    code = b"".join(
        struct.pack("HBBI", *each)
        for each in (
            (_LOAD_BYTE, 0, 0, _FLAGS),
            (_JUMP_IF_SET, 0, 1, _SYN),
            (_RETURN, 0, 0, 0),
            (_RETURN, 0, 0, 0xFFFFFFFF),
        )
    )
    memory = ctypes.create_string_buffer(code)
    program = struct.pack("HL", len(code) // 8, ctypes.addressof(memory))
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.ENOPROTOOPT, errno.EINVAL, errno.ENOSYS}:
            raise
        return False
    return True
