"""Build shards: a reader's samples -> tars of a given size, then the manifest.

An interrupted build goes on where it was, and ends with the bytes of an uninterrupted one.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import partial

from rich.console import Console
from rich.markup import escape
from rich.progress import track

from advent_dist.data.box_manifest import box_manifest
from advent_dist.data.claim import claimed
from advent_dist.data.classes import ClassSet
from advent_dist.data.manifest import FILE_NAME, Manifest
from advent_dist.data.members import key_fault
from advent_dist.data.store import Folder, open_folder, read_manifest
from advent_dist.errors import DataError
from shards.dataset import HasBoxes, Item, LooksFirst, Reader, describe, located, shown
from shards.encode import EncodeAll, Encoded, Encoder, encode_all
from shards.options import BuildOptions
from shards.progress import Finished, finished_shards, record, shard_name
from shards.room import make_room, tidy
from shards.tar import ShardTar


class VoidLabelsError(DataError):
    """No label has a labelled pixel or a box: there is nothing to learn from."""


def build(
    reader: Reader,
    destination: str,
    options: BuildOptions | None = None,
    encode: EncodeAll | None = None,
    *,
    shared: bool = False,
) -> Manifest:
    """Write the shards of a data set, and last of all their manifest.

    Args:
        reader: The data set.
        destination: Local folder or s3:// URL.
        options: How; none takes the defaults.
        encode: Where; none takes `options.processes` processes on this machine.
        shared: Others may build the same there: wait for them, and take what they have built.

    Returns:
        The manifest that was written.

    Raises:
        DataError: files are missing, damaged or named alike, labels do not fit or
            are all void, or there are shards already.
        ConfigError: another build is writing there.
    """
    options = options or BuildOptions()
    encode = encode or partial(encode_all, processes=options.processes)
    reader = located(reader)
    folder = open_folder(destination)
    found = reader.items(not options.unlabelled)
    if isinstance(reader, LooksFirst):
        reader.look_first(found, not options.unlabelled, options.resize, options.processes)
    items = _ordered(found, options)
    what = _description(reader, options)
    stamps = [item.stamp for item in items]
    identity = json.dumps([what, repr(reader), options.shard_mb, *_unique_keys(items), stamps])
    build_id = hashlib.sha256(identity.encode()).hexdigest()
    # Not before the source has been found: what is overwritten is lost here.
    with claimed(folder, waits=shared, otherwise="or give another folder"):
        if shared and folder.exists(FILE_NAME):
            return read_manifest(folder.url)
        make_room(folder, build_id, overwrite=options.overwrite)
        finished = _write_shards(folder, reader, items, options, encode, build_id)
        return _finish(folder, reader, options, finished)


def _finish(
    folder: Folder, reader: Reader, options: BuildOptions, finished: Sequence[Finished]
) -> Manifest:
    """Write the manifest of the shards, and delete what only an unfinished build needs."""
    classes = reader.classes
    labelled = not options.unlabelled and classes is not None
    box_classes = _box_classes(reader, options)
    box_counts = _total(shard.box_counts for shard in finished)
    manifest = Manifest(
        dataset=_description(reader, options),
        classes=classes.name if classes else None,
        class_names=classes.names if classes else (),
        palette=classes.palette if classes else (),
        subsets=classes.subsets if classes else {},
        labelled=labelled,
        class_histogram=_total(shard.histogram for shard in finished),
        shards=tuple(shard.shard for shard in finished),
        boxes=box_manifest(box_classes, box_counts) if box_classes else None,
    )
    if not labelled and manifest.boxes is not None and not any(manifest.boxes.histogram):
        tidy(folder, set())
        raise VoidLabelsError(
            f"{folder.url}: none of the {manifest.num_samples} images has a box that is not "
            f"ignored; give boxes of the classes of {manifest.boxes.classes}, or build --unlabelled"
        )
    if manifest.is_void:
        tidy(folder, set())
        raise VoidLabelsError(
            f"{folder.url}: none of the {manifest.num_samples} labels has a labelled pixel, all "
            f"are void; give labels with classes of {manifest.classes}, or build --unlabelled"
        )
    folder.write(FILE_NAME, manifest.to_json().encode())
    tidy(folder, {shard.name for shard in manifest.shards})
    return manifest


def _unique_keys(items: Sequence[Item]) -> list[str]:
    seen: dict[str, str] = {}
    for item in items:
        if "." in item.key:  # a tar reader ends a sample's name at the first dot of a file's name
            raise DataError(
                f"{item.where}: the dot in the name {item.key} would end the sample's name in a "
                "shard; rename the file, and its label, without it"
            )
        fault = key_fault(item.key)
        if fault is not None:
            raise DataError(f"{item.where}: {fault}; rename the file, and its label")
        if item.key in seen:
            raise DataError(
                f"{item.where} and {seen[item.key]} have the same name; rename one of them"
            )
        seen[item.key] = item.where
    return list(seen)


def _box_classes(reader: Reader, options: BuildOptions) -> ClassSet | None:
    """The classes of the boxes that are written, if any are."""
    if options.unlabelled or not isinstance(reader, HasBoxes):
        return None
    return reader.box_classes


def _total(counts: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    """The sum of each column."""
    return tuple(map(sum, zip(*counts, strict=True)))


def _description(reader: Reader, options: BuildOptions) -> str:
    recorded: dict[str, object] = asdict(options)
    if (classes := _box_classes(reader, options)) is not None:
        recorded["boxes"] = classes.name
    for not_in_the_bytes in ("processes", "overwrite", "shard_mb"):
        del recorded[not_in_the_bytes]
    return " ".join(
        [describe(reader), *(f"{name}={shown(value)}" for name, value in recorded.items())]
    )


def _ordered(items: Sequence[Item], options: BuildOptions) -> list[Item]:
    ordered = list(items)
    if options.shuffle:
        random.Random(options.shuffle_seed).shuffle(ordered)
    return ordered


def _write_shards(
    folder: Folder,
    reader: Reader,
    items: list[Item],
    options: BuildOptions,
    encode: EncodeAll,
    build_id: str,
) -> list[Finished]:
    finished = list(finished_shards(folder, build_id))
    done = sum(shard.shard.num_samples for shard in finished)
    encoder = Encoder(
        num_classes=reader.classes.num_classes if reader.classes else 0,
        labelled=not options.unlabelled and reader.classes is not None,
        image_format=options.format,
        quality=options.quality,
        resize=options.resize,
        box_classes=_box_classes(reader, options),
    )
    console = Console(stderr=True)
    samples = track(
        encode(encoder, items[done:]),
        description=escape(folder.url),
        total=len(items),
        completed=done,
        console=console,
        disable=not console.is_terminal,
    )
    for tar, histogram, box_counts in _full_tars(samples, options):
        number = len(finished)
        data, shard = tar.finish(shard_name(number))
        folder.write(shard.name, data)
        finished.append(Finished(shard, histogram, box_counts))
        record(folder, number, build_id, finished[-1])
    return finished


def _full_tars(
    samples: Iterable[Encoded], options: BuildOptions
) -> Iterator[tuple[ShardTar, tuple[int, ...], tuple[int, ...]]]:
    """Tars with as many samples as make them full, each with its histogram and counts of boxes."""
    tar, held = ShardTar(options.format), list[Encoded]()
    for sample in samples:
        tar.add(sample)
        held.append(sample._replace(image=b"", label=None, boxes=None))
        if tar.num_bytes >= options.shard_mb * 1e6:
            yield tar, _total(s.histogram for s in held), _total(s.box_counts for s in held)
            tar, held = ShardTar(options.format), []
    if held:
        yield tar, _total(s.histogram for s in held), _total(s.box_counts for s in held)
