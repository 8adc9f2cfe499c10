"""How large the images of a folder of shards are, by a few of them: manifests do not say."""

from __future__ import annotations

import io
from statistics import median_low

from advent_dist.config import Size
from advent_dist.data.image import upright_size
from advent_dist.data.manifest import Manifest
from advent_dist.data.store import open_folder
from advent_dist.errors import DataError
from shards.blocks import files_of, read_block, samples_of
from shards.show import by_block, evenly_spaced

_LOOKED_AT = 5


def typical_size(url: str, manifest: Manifest) -> Size:
    """Width, height in pixels: the median of each over a few images from all over the folder.

    Raises:
        DataError: a block or an image is damaged; the message names it.
    """
    folder = open_folder(url)
    sizes = []
    for shard, block, places in by_block(manifest, evenly_spaced(manifest.num_samples, _LOOKED_AT)):
        where = f"{folder.url}/{shard.name}"
        samples = samples_of(read_block(folder, shard, block), block, where)
        for key, files in (samples[place] for place in places):
            image, _ = files_of(files, f"{where}: sample {key}", manifest)
            size, _ = upright_size(io.BytesIO(image), f"{where}: sample {key}: its image")
            sizes.append(size)
    if not sizes:
        raise DataError(f"{folder.url}: there is no sample in its shards; build them again")
    widths, heights = zip(*sizes, strict=True)
    return median_low(widths), median_low(heights)
