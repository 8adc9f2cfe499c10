"""Where ranks wait for each other from a thread of their own."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.distributed import PrefixStore  # type: ignore[attr-defined]

    from advent_dist.parallel.world import World

_NAME = "advent_dist/meeting"


class Meeting:
    """All ranks hear what each of them has to say, whatever the training does meanwhile.

    Not by collectives: a second thread's would come between those of the training, in another order
    on each rank; a group of gloo's, which GPUs do without, looks for the address of a host by its
    name. The ranks meet at the store by which PyTorch's process group found them, over a connection
    of this thread's own, made at the first time: nothing happens before readers are forked.

    One in a process group.

    Args:
        world: This rank. If there are others, the group was made by `MASTER_ADDR`, `MASTER_PORT`.
        timeout_s: Seconds that a rank waits here for the others.
    """

    def __init__(self, world: World, timeout_s: float) -> None:
        self._world = world
        self._patience = timedelta(seconds=timeout_s)
        self._store: PrefixStore | None = None
        self._times = 0

    def any(self, flag: bool) -> bool:
        """Whether any rank says so. In one thread at a time, on all ranks.

        Raises:
            DistStoreError: another rank does not come.
            DistNetworkError: rank 0 is gone.
        """
        world = self._world
        if world.size == 1:
            return flag
        if self._store is None:
            # Not above: most who read a run folder, where this is named, do without PyTorch. The
            # ignored error: it documents them, and does not name them to mypy.
            from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]

            host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
            self._store = PrefixStore(_NAME, TCPStore(host, port, timeout=self._patience))
        self._times += 1
        said = [f"{self._times}/said/{rank}" for rank in range(world.size)]
        left = [f"{self._times}/left/{rank}" for rank in range(world.size)]
        self._store.set(said[world.rank], str(int(flag)))
        self._store.wait(said, self._patience)
        found = any(self._store.get(key) == b"1" for key in said)
        self._store.set(left[world.rank], "")
        if world.is_main:
            # The store ends with rank 0: not before everybody has read it.
            self._store.wait(left, self._patience)
            for key in (*said, *left):
                self._store.delete_key(key)
        return found
