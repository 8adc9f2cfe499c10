"""A folder in use: the command that works in it leaves a claim there, and renews it.

    claim-ID.json   who, on which host, since when; whether it asks for the folder or holds it

Object storage has no locks, and not all of it can create a file only where there is none. It does
show a file to everybody once it is written. So whoever wants the folder first writes that it asks,
then looks: of two that ask at once at least one sees the other. Who sees that another one asks
withdraws and tries again a moment later; who sees that another one holds is refused, once that one
is known to live: its process is there on this machine, or it renews its claim. So a command that
was killed with its machine keeps nobody out for longer than a minute.
"""

from __future__ import annotations

import json
import logging
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace

from advent_dist.data.claimant import Claimant, this_process
from advent_dist.data.store import Folder
from advent_dist.errors import ConfigError, DataError, MissingError

PREFIX = "claim-"

BEAT_S = 15.0
"""Seconds between two renewals of a claim."""

FRESH_S = 60.0
"""Seconds without a renewal after which whoever claimed a folder counts as gone."""

_LETS_GO_WITHIN_S = 180.0
"""How long a command that is told to end may take: it saves a checkpoint first."""

_TAKE_OVER = "choose another name, or take the folder over with --force, which ends that command"

_log = logging.getLogger(__name__)


def check_unclaimed(folder: Folder) -> None:
    """Refuse a folder that another process of this machine is using; nothing is written.

    Whether one of another machine still lives is seen by waiting only: `claimed` does.

    Raises:
        ConfigError: it is in use; says by whom and since when.
        DataError: the folder can't be read.
    """
    for claimant, _ in _claims(folder):
        if claimant.state == "holds" and claimant.is_here and not claimant.has_died:
            raise _in_use(folder, claimant, _TAKE_OVER)


def is_claimed(folder: Folder) -> bool:
    """Whether a command works in a folder, as far as one look can tell.

    It does not tell that one of another machine was killed.

    Raises:
        DataError: the folder can't be read.
    """
    return any(not claimant.has_died for claimant, _ in _claims(folder))


@contextmanager
def claimed(
    folder: Folder,
    *,
    force: bool = False,
    waits: bool = False,
    on_lost: Callable[[], None] | None = None,
    otherwise: str = _TAKE_OVER,
) -> Iterator[None]:
    """The folder is this process's own until the block ends.

    Args:
        folder: Any folder; it is made by the claim.
        force: Take it from who holds it, and wait until that has ended.
        waits: For who holds it to end by itself.
        on_lost: Called in another thread when somebody else has taken it; none ends this process
            by SIGTERM to its main thread.
        otherwise: What to do about a folder in use, for the message.

    Raises:
        ConfigError: it is in use; or it was taken over in the middle of the block, which an
            interruption has ended.
        DataError: the folder can't be read or written.
    """
    claim = _Claim(folder, force=force, waits=waits, otherwise=otherwise)
    claim.take()
    done = threading.Event()
    thread = threading.Thread(target=claim.renew, args=(done, on_lost or _end), daemon=True)
    thread.start()
    try:
        yield
    except KeyboardInterrupt:
        if claim.taken_by is None:
            raise
        raise ConfigError(
            f"{folder.url} was taken over by {claim.taken_by} (--force); this command has ended"
        ) from None
    finally:
        done.set()
        thread.join()
        claim.release()


class _Claim:
    """This process's claim on a folder."""

    def __init__(self, folder: Folder, *, force: bool, waits: bool, otherwise: str) -> None:
        self._folder = folder
        self._waits = waits
        self._otherwise = otherwise
        self._me = this_process(force=force)
        self._seen: dict[str, tuple[float, float]] = {}
        self._renewed: set[str] = set()
        self._outlived: set[str] = set()
        self.taken_by: Claimant | None = None

    def take(self) -> None:
        """Ask until the folder is held; see the module's docstring."""
        try:
            self._take()
        except BaseException:
            self.release()
            raise

    def _take(self) -> None:
        self._write()
        deadline, told = time.monotonic() + _LETS_GO_WITHIN_S, False
        while others := self._others():
            holders = [one for one in others if one.state == "holds"]
            alive = [one for one in holders if one.is_here or one.id in self._renewed]
            if alive and not self._me.force and not self._waits:
                raise _in_use(self._folder, alive[0], self._otherwise)
            if time.monotonic() > deadline and not self._waits:
                raise ConfigError(
                    f"{self._folder.url}: {others[0]} was told to end and does not; end it by hand"
                )
            if holders:
                if not told:
                    _log.warning("waiting for %s to end, or to be known as gone", holders[0])
                told = True
                time.sleep(min(1.0, BEAT_S))
            else:
                self.release()
                time.sleep(random.uniform(0.2, 1.5))
            self._write()
        self._me = replace(self._me, state="holds")
        self._write()
        self._remove_outlived()

    def _others(self) -> list[Claimant]:
        """Everybody else who wants the folder or has it, and is not gone."""
        claims = _claims(self._folder)
        # By the clock of the storage, which is the same for all.
        now = max((at for one, at in claims if one.id == self._me.id), default=time.time())
        others = []
        for one, renewed_at in claims:
            if one.id == self._me.id:
                continue
            silent_s = self._watch(one, renewed_at)
            # Not at first sight: where files have the clocks of those who write them, a claim can
            # look old to a host whose clock is fast.
            if one.has_died or (now - renewed_at > FRESH_S and silent_s > 2 * BEAT_S):
                self._outlived.add(one.id)
            if one.id not in self._outlived:
                others.append(one)
        return others

    def _watch(self, one: Claimant, renewed_at: float) -> float:
        """Seconds for which this process has looked and seen no renewal."""
        now = time.monotonic()
        before, since = self._seen.setdefault(one.id, (renewed_at, now))
        if renewed_at == before:
            return now - since
        self._renewed.add(one.id)
        self._seen[one.id] = (renewed_at, now)
        return 0.0

    def _remove_outlived(self) -> None:
        for name in self._outlived:
            _remove(self._folder, name)

    def renew(self, done: threading.Event, on_lost: Callable[[], None]) -> None:
        """Keep the claim fresh until `done`, and notice when somebody else has the folder."""
        while not done.wait(BEAT_S):
            self._renew(on_lost)

    def _renew(self, on_lost: Callable[[], None]) -> None:
        try:
            self._write()
            if self.taken_by is None:
                self._look(on_lost)
        # An outage is not the end of a run, and nor is anything else here; who takes this claim
        # for stale is noticed after it.
        except Exception as error:
            _log.warning("the claim on %s could not be renewed: %s", self._folder.url, error)

    def _look(self, on_lost: Callable[[], None]) -> None:
        for one in self._others():
            # Who has the folder without having asked this command took it for dead.
            if one.force or one.state == "holds":
                self.taken_by = one
                on_lost()
                return
        self._remove_outlived()

    def _write(self) -> None:
        self._folder.write(_file(self._me.id), json.dumps(asdict(self._me)).encode())

    def release(self) -> None:
        """Give the folder back. What can't be removed counts as gone a minute later."""
        with suppress(DataError):
            _remove(self._folder, self._me.id)


def _claims(folder: Folder) -> list[tuple[Claimant, float]]:
    """Every claim in a folder, with the time of its latest renewal by the storage's clock."""
    found = []
    for name in folder.list():
        if not name.startswith(PREFIX):
            continue
        try:
            text, renewed_at = folder.read(name), folder.modified(name)
        except MissingError:
            continue  # withdrawn while one looks
        with suppress(ValueError, TypeError):  # what is no claim is none
            found.append((Claimant(**json.loads(text)), renewed_at))
    return found


def _file(claim: str) -> str:
    return f"{PREFIX}{claim}.json"


def _remove(folder: Folder, claim: str) -> None:
    with suppress(MissingError):
        folder.remove(_file(claim))


def _in_use(folder: Folder, claimant: Claimant, otherwise: str) -> ConfigError:
    return ConfigError(f"{folder.url} is in use by {claimant}; wait for its end, {otherwise}")


def _end() -> None:
    main = threading.main_thread().ident
    assert main is not None, "the main thread has started"
    signal.pthread_kill(main, signal.SIGTERM)
