"""Connections around the moment in which a server stops accepting them, on real sockets."""

import select
import socket
import sys

import pytest

from warmstart.serve.listening import refuse_new_connections

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux filters packets")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_only_connections_that_have_begun_are_accepted(host):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with (
        socket.socket(family) as listening,
        socket.socket(family) as early,
        socket.socket(family) as late,
    ):
        try:
            listening.bind((host, 0))
        except OSError:
            pytest.skip(f"this machine has no address {host}")
        listening.listen(8)
        early.connect(listening.getsockname())
        early.sendall(b"first")
        refuse_new_connections(listening)
        late.settimeout(0.3)
        with pytest.raises(TimeoutError):
            late.connect(listening.getsockname())
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.recv(5) == b"first"
            early.sendall(b"again")
            assert accepted.recv(5) == b"again"
        assert not select.select([listening], [], [], 0)[0]


def test_after_the_close_connections_are_refused():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(8)
        address = listening.getsockname()
        refuse_new_connections(listening)
    with socket.socket() as late, pytest.raises(ConnectionRefusedError):
        late.connect(address)
