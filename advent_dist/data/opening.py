"""A shard folder, opened for reading."""

from __future__ import annotations

from advent_dist.config import DataConfig
from advent_dist.data.blocks import BlockReader
from advent_dist.data.cache import BlockCache
from advent_dist.data.damage import DamageLimit
from advent_dist.data.fetch import BlockSource
from advent_dist.data.labels import missing_labels
from advent_dist.data.manifest import Manifest
from advent_dist.data.pipeline import Decoder
from advent_dist.data.store import folder_url, open_folder, read_manifest
from advent_dist.data.traffic import Tally
from advent_dist.errors import DataError


def open_shards(
    data: DataConfig, folder: str, *, labelled: bool | None, training: bool
) -> tuple[Manifest, Decoder]:
    """The manifest of a folder that fits the config, and what decodes its samples.

    Args:
        data: how it is read.
        folder: absolute, or relative to `data.root`.
        labelled: whether labels are read; None reads those that are there.
        training: whether damage is a training sample's or an evaluation sample's.

    Raises:
        DataError: it does not fit the config, or its manifest can't be read.
    """
    url = folder_url(data, folder)
    manifest = read_manifest(url, data)
    classes = manifest.classes_of(data.labels)
    if data.classes is not None and classes is not None and classes.name != data.classes:
        raise DataError(
            f"{url}: its shards were built with the classes {classes.name}, but data.classes = "
            f"{data.classes!r}; build them again or correct data.classes"
        )
    if labelled and not manifest.has(data.labels):
        raise missing_labels(manifest, data.labels, url)
    if labelled is None:
        labelled = manifest.has(data.labels)
    tally = Tally()
    shards = open_folder(url, data, tally)
    cache = None if shards.is_local else _cache(data)
    source = BlockSource(shards, manifest, cache, tally)
    damage = DamageLimit(
        name="data.damaged" if training else "data.evaluation_damaged",
        skip=(data.damaged if training else data.evaluation_damaged) == "skip",
        num_samples=manifest.num_samples,
        max_fraction=data.max_damaged_fraction,
        tally=tally,
    )
    reader = BlockReader(source, labelled=labelled, members=manifest.members, labels=data.labels)
    return manifest, Decoder(
        reader=reader,
        classes=classes,
        label_map=manifest.label_map,
        labels=data.labels,
        damage=damage,
        tally=tally,
    )


def _cache(data: DataConfig) -> BlockCache | None:
    if data.cache_dir is None:
        return None
    try:
        return BlockCache(data.cache_dir, int(data.cache_gb * 1e9))
    except OSError as error:
        raise DataError(
            f"data.cache_dir = {data.cache_dir!r} can't be used ({error.strerror}); give a folder "
            f"that can be written, or leave it out"
        ) from error
