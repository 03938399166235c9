"""The end of listening, on real sockets."""

import select
import socket
import sys

import pytest

from warmstart.serve.listening import take_no_more

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux filters a socket's packets")


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_who_waits_is_taken_and_who_comes_is_not(family, host):
    with socket.socket(family) as listening, socket.socket(family) as early, socket.socket(family) as late:
        try:
            listening.bind((host, 0))
        except OSError:
            pytest.skip(f"no {host} here")
        listening.listen(8)
        address = listening.getsockname()
        early.connect(address)
        early.sendall(b"asked")
        assert take_no_more(listening)
        late.settimeout(0.3)
        with pytest.raises(TimeoutError):
            late.connect(address)
        taken, _ = listening.accept()
        with taken:
            assert taken.recv(5) == b"asked"  # its packets come through, before and after
            early.sendall(b"again")
            assert taken.recv(5) == b"again"
        assert not select.select([listening], [], [], 0)[0]


def test_nobody_waits_for_a_closed_one():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(8)
        address = listening.getsockname()
        assert take_no_more(listening)
    with socket.socket() as late, pytest.raises(ConnectionRefusedError):
        late.connect(address)


def test_a_system_that_cannot_is_told():
    closed = socket.socket()
    closed.close()
    assert not take_no_more(closed)
