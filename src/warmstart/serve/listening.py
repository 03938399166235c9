"""The end of listening, without a connection lost: what the kernel has accepted for us is taken before that."""

from __future__ import annotations

import ctypes
import socket
import struct
import sys

SO_ATTACH_FILTER = 26  # the same on all of Linux's architectures that Python has wheels for
NO_SYN = ((0x30, 0, 0, 13),  # load the byte of TCP's flags,
          (0x54, 0, 0, 0x12),  # of which SYN and ACK count;
          (0x15, 0, 1, 0x02),  # SYN alone, the first packet of a connection:
          (0x06, 0, 0, 0),  # drop it,
          (0x06, 0, 0, 0xFFFFFFFF))  # and keep all others
"""A program of the classic packet filter (`man 7 socket`): what begins a connection is dropped, so nobody is promised
one, and whoever is in the middle of it gets it."""


def take_no_more(listening: socket.socket) -> bool:
    """Let a listening socket take no connection that has not begun yet, but keep those that wait to be accepted.

    Closing it alone would reset these: their clients have been told that they are connected, and have asked. A client
    whose first packet is dropped repeats it after a second and is refused then, the socket being closed.

    Returns:
        Whether the system can do this; only Linux can.
    """
    if sys.platform != "linux":
        return False
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in NO_SYN))
    pointer = struct.pack("HP", len(NO_SYN), ctypes.addressof(program))
    try:
        listening.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, pointer)
    except OSError:  # a sandbox without packet filters
        return False
    return True
