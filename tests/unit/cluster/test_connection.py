"""How a run comes by a Ray cluster, and what is said where it does not."""

from __future__ import annotations

import functools
import inspect
import os
import signal
import socket
import time
from pathlib import Path

import pytest
import ray

from advent_dist.config import ClusterConfig
from advent_dist.errors import ConfigError
from cluster.connection import _our_own, ends_with_us, ray_cluster
from cluster.temporary import why_unfit


@functools.lru_cache
def _nothing() -> set[str]:
    """As the function that it stands for, which Ray tells to forget what it found."""
    return set()


def test_a_missing_cluster_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))  # where Ray notes this machine's cluster
    # Nor does one that another program, or another test, has started on this machine count.
    monkeypatch.setattr("ray._private.services._cached_find_gcs_addresses", _nothing)
    with (
        pytest.raises(ConfigError, match="no connection to a Ray cluster at 'auto': start one"),
        ray_cluster(ClusterConfig(address="auto")),
    ):
        pass


def test_an_address_that_is_none_is_named() -> None:
    with (
        pytest.raises(ConfigError, match="no connection to a Ray cluster at 'somewhere': start"),
        ray_cluster(ClusterConfig(address="somewhere")),
    ):
        pass


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_somebody_else_at_the_address_is_named(scheme: str) -> None:
    """Ray itself would ask for minutes, and then end the process."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"{scheme}127.0.0.1:{server.getsockname()[1]}"
        start = time.monotonic()
        with (
            pytest.raises(ConfigError, match=r"no connection .*who answers there is not Ray"),
            ray_cluster(ClusterConfig(address=address)),
        ):
            pass
    assert time.monotonic() - start < 30


def test_an_error_of_any_kind_on_the_way_to_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    class StrangeError(Exception):
        """As gRPC's and Ray's own, which share no base."""

    def init(**_: object) -> None:
        raise StrangeError("the first line\nand the second")

    monkeypatch.setattr("ray.init", init)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    for address, said in ((None, "Ray does not start on this machine"), ("auto", "no connection")):
        with (
            pytest.raises(ConfigError, match=rf"{said}.*\(the first line and the second\)"),
            ray_cluster(ClusterConfig(address=address)),
        ):
            pass


def test_a_folder_for_temporary_files_that_can_t_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    for folder in (tmp_path / ("long" * 30), Path("/dev/null/folder")):
        monkeypatch.setenv("TMPDIR", str(folder))
        start = time.monotonic()
        with (
            pytest.raises(ConfigError, match=r"set TMPDIR|see that TMPDIR"),
            ray_cluster(ClusterConfig()),
        ):
            pass
        assert time.monotonic() - start < 30
    monkeypatch.setenv("RAY_TMPDIR", "/tmp")
    monkeypatch.setenv("TMPDIR", str(tmp_path / ("long" * 30)))
    unfit = why_unfit()
    assert unfit is not None
    assert "loader processes" in unfit.reason
    assert "set TMPDIR" in unfit.fix


def test_nobody_watches_the_only_node_unless_somebody_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By Ray's own variable, which is left as it was."""
    name = "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER"
    monkeypatch.delenv(name, raising=False)
    with _our_own():
        assert os.environ[name] == "0"
        assert ends_with_us()
    assert name not in os.environ
    assert not ends_with_us()
    monkeypatch.setenv(name, "1")
    with _our_own():
        assert os.environ[name] == "1"
    assert os.environ[name] == "1"


def test_ray_leaves_the_handler_of_sigterm_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own, by a function that has no public name, would end the process with 15."""
    assert inspect.getsource(ray.init).count("ray._private.utils.set_sigterm_handler(") == 1

    def init(**_: object) -> None:
        ray._private.utils.set_sigterm_handler(lambda *_: None)

    monkeypatch.setattr(ray, "init", init)
    before = signal.getsignal(signal.SIGTERM)
    with ray_cluster(ClusterConfig()):
        assert signal.getsignal(signal.SIGTERM) == before
