"""Storage: the run folder readable and writable, and the same, from everywhere."""

from __future__ import annotations

import os
import posixpath
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from advent_dist.config import DataConfig, Experiment
from advent_dist.data.store import Folder, impatient, open_folder, own_storage, read_manifest
from advent_dist.errors import UserError
from cluster.doctor.finding import HERE, Finding, failure, ok

_CHECK = "storage"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a machine could do with a folder."""

    seconds: float = 0.0
    """Time that it took to read and write."""

    error: str = ""
    """Why it could not."""


@dataclass(frozen=True, kw_only=True)
class Token:
    """A file that every machine has to see, and beside which each writes one of its own."""

    url: str
    """Folder of the files; nothing else is in it."""

    text: bytes
    """What they hold."""

    data: DataConfig
    """Timeouts and attempts."""

    @property
    def folder(self) -> Folder:
        """The folder, opened for this process."""
        return open_folder(self.url, self.data)


def token_of(experiment: Experiment) -> Token:
    """The files by which a run's storage is tried; nothing is written yet."""
    text = os.urandom(16).hex()
    storage = experiment.run.storage
    root = storage if "://" in storage else os.path.abspath(os.path.expanduser(storage))
    return Token(
        url=posixpath.join(root, f".doctor-{text}"),
        text=text.encode(),
        data=impatient(own_storage(experiment.data)),
    )


def try_storage(token: Token, name: str) -> Trial:
    """Write a file of one's own, read it back, and read the first one.

    Args:
        token: What to try; the file `first` is expected there.
        name: Name of the file to write.
    """
    start = time.monotonic()
    try:
        token.folder.write(name, token.text)
        for each in (name, "first"):
            if token.folder.read(each) != token.text:
                return Trial(error=f"{token.url}: what was read is not what was written")
    except UserError as error:
        return Trial(error=str(error))
    return Trial(seconds=time.monotonic() - start)


def look_at_storage(
    token: Token, on_nodes: Callable[[], Mapping[str, Trial]] | None = None
) -> list[Finding]:
    """Write here, read and write on every node, read here what they wrote, and tidy up.

    Args:
        token: What to try.
        on_nodes: Does `try_storage` on every node, with the node's name as the file's.
    """
    made = _missing(os.path.dirname(token.url)) if token.folder.is_local else []
    here = try_storage(token, "first")
    findings = [judge_trial(HERE, here)]
    if here.error:
        return findings
    try:
        for node, trial in (on_nodes() if on_nodes else {}).items():
            seen = bool(trial.error) or token.folder.exists(node)
            unseen = Trial(error=f"{token.url}: a file that was written there is not seen here")
            findings.append(judge_trial(node, trial if seen else unseen))
    finally:
        token.folder.delete()
        for folder in made:
            os.rmdir(folder)  # a preflight leaves nothing behind
    return findings


def _missing(folder: str) -> list[str]:
    """A folder and those that it lies in, as far as they are not there, the deepest first."""
    found = []
    while folder and not os.path.exists(folder):
        found.append(folder)
        folder = os.path.dirname(folder)
    return found


def judge_trial(where: str, trial: Trial) -> Finding:
    """Whether a machine can use the storage."""
    if trial.error:
        fix = "--run.storage s3://..., or a folder that all nodes share; AWS_* or an instance role"
        return failure(_CHECK, where, trial.error, fix)
    return ok(_CHECK, where, f"read and written in {trial.seconds:.2f} s")


def try_reading(urls: list[str], data: DataConfig) -> Trial:
    """Read the manifests of shard folders."""
    start = time.monotonic()
    try:
        for url in urls:
            read_manifest(url, data)
    except UserError as error:
        return Trial(error=str(error))
    return Trial(seconds=time.monotonic() - start)
