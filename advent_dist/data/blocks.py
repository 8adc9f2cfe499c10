"""Blocks of shards -> the encoded files of their samples."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import accumulate
from typing import NamedTuple

from advent_dist.config import Labels
from advent_dist.data.assign import Portion
from advent_dist.data.box_file import BOXES
from advent_dist.data.executors import of_generator
from advent_dist.data.fetch import BlockSource
from advent_dist.data.manifest import Members
from advent_dist.data.members import Files, MemberError, samples_in
from advent_dist.data.sample import IMAGE_PREFIX, LABEL
from advent_dist.errors import DamageError, DataError

_CONNECTIONS = 4
"""Blocks of a portion that are downloaded at the same time: one alone rarely fills the line."""


class EncodedSample(NamedTuple):
    """A sample as its shard holds it."""

    key: str
    """Its name in the shard."""

    number: int
    """Its place in the data set, 0..num_samples-1, counted through all shards."""

    epoch: int
    """The epoch in which it is read."""

    where: str
    """Shard URL and key, for messages."""

    image: memoryview
    """The image file."""

    label: memoryview | None
    """The file of its label map or, where that is what is read, of its boxes; None where labels are
    not read."""

    drawn: tuple[int, int] | None = None
    """The position in the epoch, and the class, that it was drawn for; see `rare`."""


class DamagedSample(NamedTuple):
    """A sample whose block could not be read."""

    number: int
    """As in `EncodedSample`."""

    epoch: int
    """As in `EncodedSample`."""

    why: str
    """What is wrong with the block."""

    drawn: tuple[int, int] | None = None
    """As in `EncodedSample`."""


def names_of(files: Iterable[str], members: Members | None) -> tuple[str, str]:
    """What a sample's image and label are called, after its key.

    Args:
        files: The extensions that there are.
        members: What they are in tars that another tool wrote; none in ours.
    """
    if members is not None:
        return members.image, members.label or LABEL
    named = (name for name in files if name.startswith(IMAGE_PREFIX))
    return next(named, f"{IMAGE_PREFIX}*"), LABEL


_Block = list[tuple[str, Files]] | str
"""The files of each sample of a block, or what is wrong with it. A kept exception would keep the
frames that it went through, with all that they hold, and more of them each time it is raised."""


class BlockReader:
    """Reads samples of one folder of shards.

    Args:
        source: its blocks.
        labelled: whether to read labels; those of an unlabelled domain are skipped unread.
        members: what to read of tars that another tool wrote; none takes ours.
        labels: which kind of labels that is.
    """

    def __init__(
        self,
        source: BlockSource,
        *,
        labelled: bool,
        members: Members | None = None,
        labels: Labels = "pixels",
    ) -> None:
        self._source = source
        self._members = members
        self._labels = labels
        self.labelled = labelled
        self.sizes = source.sizes
        self.num_samples = sum(self.sizes)
        self._first = list(accumulate(self.sizes, initial=0))[:-1]
        self._damaged: dict[int, str] = {}

    def samples(self, portions: Iterator[Portion]) -> Iterator[EncodedSample | DamagedSample]:
        """The samples of all portions in order; the next portion is fetched in the background.

        Raises:
            DataError: storage can't be reached, or a sample lacks a file.
        """
        with (
            of_generator(ThreadPoolExecutor(1, "read-ahead")) as ahead,
            of_generator(ThreadPoolExecutor(_CONNECTIONS, "connection")) as connections,
        ):
            upcoming: Future[dict[int, _Block]] | None = None
            current: Portion | None = None
            for portion in portions:
                arrived, upcoming = upcoming, ahead.submit(self._fetch, portion, connections)
                if arrived is not None and current is not None:
                    yield from self._chosen(current, arrived.result())
                current = portion
            if upcoming is not None and current is not None:
                yield from self._chosen(current, upcoming.result())

    def sample(self, number: int, epoch: int) -> EncodedSample | DamagedSample:
        """One sample by its number; the rest of its block is read for it alone."""
        place = bisect_right(self._first, number) - 1
        return self._sample(self._block(place), place, number - self._first[place], epoch)

    def _fetch(self, portion: Portion, connections: ThreadPoolExecutor) -> dict[int, _Block]:
        places = sorted({place for place, _ in portion.picks})
        return dict(zip(places, connections.map(self._block, places), strict=True))

    def _chosen(
        self, portion: Portion, blocks: dict[int, _Block]
    ) -> Iterator[EncodedSample | DamagedSample]:
        drawn = portion.drawn or (None,) * len(portion.picks)
        for (place, index), one in zip(portion.picks, drawn, strict=True):
            sample = self._sample(blocks[place], place, index, portion.epoch)
            yield sample if one is None else sample._replace(drawn=one)

    def _sample(
        self, block: _Block, place: int, index: int, epoch: int
    ) -> EncodedSample | DamagedSample:
        number = self._first[place] + index
        if isinstance(block, str):
            return DamagedSample(number, epoch, block)
        key, files = block[index]
        where = f"{self._source.where(place)}: sample {key}"
        image_name, label_name = names_of(files, self._members)
        image = files.get(image_name)
        if image is None:
            raise DataError(f"{where} has no {image_name}; build the shard again")
        kind = "labels"
        if self._labels == "boxes":
            kind, label_name = "boxes", BOXES
        if self.labelled and label_name not in files:
            raise DataError(f"{where} has no {label_name}; build the shards with {kind}")
        label = files[label_name] if self.labelled else None
        return EncodedSample(key, number, epoch, where, image, label)

    def _block(self, place: int) -> _Block:
        """The files of each sample of a block, or what is wrong with it."""
        if place not in self._damaged:
            try:
                return self._parse(place)
            except DamageError as error:
                self._damaged[place] = str(error)
        return self._damaged[place]

    def _parse(self, place: int) -> list[tuple[str, Files]]:
        try:
            samples = samples_in(self._source.read(place))
        except MemberError as error:
            raise self._source.damaged(place, str(error)) from error
        if len(samples) != self.sizes[place]:
            found = f"{len(samples)} samples instead of {self.sizes[place]}"
            raise self._source.damaged(place, found)
        return samples
