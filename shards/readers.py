"""Which data sets can be built: add a reader here."""

from __future__ import annotations

from shards.boxes import BOX_READERS
from shards.camvid import CamVid
from shards.cityscapes import Cityscapes
from shards.dataset import Reader
from shards.folder import ImageFolder
from shards.gta5 import GTA5
from shards.presets import PRESETS
from shards.streets.reader import Streets
from shards.synthia import Synthia

_ALL: tuple[type[Reader], ...] = (
    ImageFolder,
    CamVid,
    GTA5,
    Synthia,
    Cityscapes,
    Streets,
    *PRESETS,
    *BOX_READERS,
)

READERS = {reader.name: reader for reader in _ALL}
"""Name on the command line -> reader."""
