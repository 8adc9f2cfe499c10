"""The port that is taken before Ray starts."""

from __future__ import annotations

import socket

import pytest

from advent_dist.errors import ConfigError
from cluster.serving.port import listening, url_of


def test_a_free_port_is_taken_and_given_back() -> None:
    with listening("127.0.0.1", 0) as one:
        port = one.getsockname()[1]
        assert url_of(one) == f"http://127.0.0.1:{port}"
        with (
            pytest.raises(ConfigError, match=rf"--port {port}: another program listens there"),
            listening("127.0.0.1", port),
        ):
            pass
        socket.create_connection(("127.0.0.1", port)).close()
    with listening("127.0.0.1", port):
        pass


@pytest.mark.parametrize(
    ("host", "said"),
    [("203.0.113.7", "this machine has no such address"), ("no such host", "it is no address")],
)
def test_addresses_that_can_not_be(host: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said), listening(host, 0):
        pass
