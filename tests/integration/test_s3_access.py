"""The ways in which S3 is reached, on a real server: keys of a profile, none, and TLS."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from advent_dist.data.store import open_folder
from advent_dist.errors import DataError, UnavailableError
from shards.local_s3 import local_s3
from tests.shard_helpers import data_config

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@contextmanager
def served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **options: Any
) -> Iterator[Mapping[str, str]]:
    """A server with an object a/b of the bucket `shards`; its keys are not in the environment."""
    (tmp_path / "s3" / "shards" / "a").mkdir(parents=True)
    (tmp_path / "s3" / "shards" / "a" / "b").write_bytes(b"all of it")
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with local_s3(tmp_path / "s3", **options) as environment:
        for name in set(environment) - set(KEYS):
            monkeypatch.setenv(name, environment[name])
        yield environment


def test_keys_of_a_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(tmp_path, monkeypatch) as environment:
        key, secret = (environment[name] for name in KEYS)
        (tmp_path / "credentials").write_text(
            f"[laboratory]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"
        )
        with pytest.raises(DataError, match=r"no credentials; .* AWS_PROFILE"):
            open_folder("s3://shards/a").read("b")
        monkeypatch.setenv("AWS_PROFILE", "laboratory")
        assert open_folder("s3://shards/a").read("b") == b"all of it"


def test_a_public_bucket_without_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(tmp_path, monkeypatch, public=True):
        with pytest.raises(DataError, match=r"no credentials; .* data.anonymous=True"):
            open_folder("s3://shards/a").read("b")
        assert (
            open_folder("s3://shards/a", data_config("s3://shards", anonymous=True)).read("b")
            == b"all of it"
        )


def test_a_certificate_of_an_own_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    of_server, of_authority = tmp_path / "server.pem", tmp_path / "authority.pem"
    certificate.private_key_and_cert_chain_pem.write_to_path(of_server)
    authority.cert_pem.write_to_path(of_authority)
    flags = ("--cert", str(of_server), "--key", str(of_server))
    with served(tmp_path, monkeypatch, flags=flags) as environment:
        for name in KEYS:
            monkeypatch.setenv(name, environment[name])
        begun = time.monotonic()
        with pytest.raises(DataError, match="AWS_CA_BUNDLE") as refused:
            open_folder("s3://shards/a").read("b")
        # It is no outage that may be over a moment later.
        assert not isinstance(refused.value, UnavailableError)
        assert time.monotonic() - begun < 10
        monkeypatch.setenv("AWS_CA_BUNDLE", str(of_authority))
        assert open_folder("s3://shards/a").read("b") == b"all of it"
