"""The file system behind a URL, opened once a process."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest

from advent_dist.data.connection import Connection


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads take turns after each few instructions."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def test_threads_may_use_a_connection_while_another_renews_it(hasty: None) -> None:
    """As readers do when credentials expire: each of them renews, and goes on reading."""
    connection = Connection("memory", 1.0, False)
    failures: list[Exception] = []

    def use() -> None:
        try:
            for _ in range(1000):
                connection.renew()
                assert connection.filesystem.protocol == "memory"
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
