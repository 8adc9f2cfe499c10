"""How large the images of a folder of shards are, by a few of them: manifests do not say."""

from __future__ import annotations

import io
from statistics import median_low

from PIL import Image

from advent_dist.config import Size
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
            sizes.append(_size(image, f"{where}: sample {key}"))
    if not sizes:
        raise DataError(f"{folder.url}: there is no sample in its shards; build them again")
    widths, heights = zip(*sizes, strict=True)
    return median_low(widths), median_low(heights)


def _size(image: memoryview, where: str) -> Size:
    try:
        with Image.open(io.BytesIO(image)) as opened:
            size: Size = opened.size
            return size
    except Exception as error:  # Pillow's decoders raise whatever they meet
        raise DataError(f"{where}: its image can't be read ({error}); build it again") from error
