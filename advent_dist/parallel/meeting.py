"""Where ranks wait for each other from a thread of their own."""

from __future__ import annotations

import os
from datetime import timedelta

# The ignored error: PyTorch names it in its documentation, and not to mypy.
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from advent_dist.parallel.world import World


class Meeting:
    """All ranks hear what each of them has to say, whatever the training does meanwhile.

    Not by collectives: a second thread's would come between those of the training, in another order
    on each rank, and a group of gloo's, which GPUs do without, looks for the address of a host by
    its name. Ranks meet at a store of PyTorch's beside the one by which they found each other.
    Collective.

    Args:
        world: This rank. If there are others, a process group is up, by `MASTER_ADDR`.
        timeout_s: Seconds that a rank waits here for the others.
    """

    def __init__(self, world: World, timeout_s: float) -> None:
        self._world = world
        self._times = 0
        if world.size == 1:
            return
        host, patience = os.environ["MASTER_ADDR"], timedelta(seconds=timeout_s)
        if world.is_main:
            # Port 0: one that is free.
            self._store = TCPStore(host, 0, is_master=True, timeout=patience)
        port: int = world.gather(self._store.port if world.is_main else 0)[0]
        if not world.is_main:
            self._store = TCPStore(host, port, timeout=patience)

    def any(self, flag: bool) -> bool:
        """Whether any rank says so. In one thread at a time, on all ranks.

        Raises:
            DistStoreError: another rank does not come.
        """
        world = self._world
        if world.size == 1:
            return flag
        self._times += 1
        said = [f"{self._times}/said/{rank}" for rank in range(world.size)]
        left = [f"{self._times}/left/{rank}" for rank in range(world.size)]
        self._store.set(said[world.rank], str(int(flag)))
        self._store.wait(said)
        found = any(self._store.get(key) == b"1" for key in said)
        self._store.set(left[world.rank], "")
        if world.is_main:
            # The store ends with rank 0: not before everybody has read it.
            self._store.wait(left)
            for key in (*said, *left):
                self._store.delete_key(key)
        return found
