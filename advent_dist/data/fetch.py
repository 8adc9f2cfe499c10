"""Blocks of shards out of the cache or out of storage, checked against the manifest."""

from __future__ import annotations

import logging
import zlib

from advent_dist.data.cache import BlockCache
from advent_dist.data.manifest import Block, Manifest, Shard
from advent_dist.data.store import Folder
from advent_dist.data.traffic import CACHE_ERRORS, CACHE_HITS, CACHE_MISSES, Tally
from advent_dist.errors import DamageError, MissingError

_log = logging.getLogger(__name__)


class BlockSource:
    """The blocks of one folder of shards, by number. Threads and forked processes may share it.

    Args:
        folder: where the shards are.
        manifest: what they hold.
        cache: keeps blocks on the local disk; None reads each from the folder.
        tally: counts hits and misses of the cache.
    """

    def __init__(
        self, folder: Folder, manifest: Manifest, cache: BlockCache | None, tally: Tally
    ) -> None:
        self._folder = folder
        self._tally = tally
        self._blocks = [(shard, block) for shard in manifest.shards for block in shard.blocks]
        # Nothing else says whose bytes they are: a crc32 can be had by anybody for any bytes.
        named = all(block.sha256 is not None for _, block in self._blocks)
        self._cache = cache if named else None
        if cache is not None and not named:
            _log.warning(
                "data.cache_dir is not used for %s, whose manifest has no sha256 of its blocks; "
                "build the shards again",
                folder.url,
            )
        self.sizes = tuple(block.num_samples for _, block in self._blocks)
        self._cache_works = True

    def where(self, place: int) -> str:
        """What messages call a block's shard: its URL."""
        return f"{self._folder.url}/{self._blocks[place][0].name}"

    def read(self, place: int) -> bytes | bytearray:
        """The bytes of a block, with the checksum that the manifest says.

        Raises:
            DamageError: they are others, or the shard is gone or cut short.
            DataError: storage can't be reached.
        """
        shard, block = self._blocks[place]
        if self._cache is None or block.sha256 is None:
            return self._fetch(shard, block)
        data: bytes | bytearray | None = None
        try:
            data = self._cache.get(block.sha256)
        except OSError as error:
            self._complain(error)
        if data is not None:
            self._tally.add(CACHE_HITS)
            return data
        self._tally.add(CACHE_MISSES)
        data = self._fetch(shard, block)
        self._keep(self._cache, block.sha256, data)
        return data

    def damaged(self, place: int, how: str) -> DamageError:
        """The error that names a block's shard and bytes."""
        block = self._blocks[place][1]
        return _damaged(self.where(place), block, how)

    def _fetch(self, shard: Shard, block: Block) -> bytearray:
        where = f"{self._folder.url}/{shard.name}"
        # Read twice before it is called damaged: the network may have done it.
        for _ in range(2):
            try:
                data = self._folder.read_range(
                    shard.name, block.offset, block.offset + block.num_bytes
                )
            except MissingError as error:
                raise DamageError(str(error)) from error
            if zlib.crc32(data) == block.crc32:
                return data
        raise _damaged(where, block, "its checksum is wrong")

    def _keep(self, cache: BlockCache, sha256: str, data: bytearray) -> None:
        try:
            cache.put(sha256, data)
        except OSError as error:
            self._complain(error)

    def _complain(self, error: OSError) -> None:
        self._tally.add(CACHE_ERRORS)
        if self._cache_works:  # said once
            _log.warning("data.cache_dir: %s; reading goes on without", error)
        self._cache_works = False


def _damaged(where: str, block: Block, how: str) -> DamageError:
    stop = block.offset + block.num_bytes
    return DamageError(
        f"{where}: bytes {block.offset}-{stop} are damaged ({how}); rebuild or copy the shard again"
    )
