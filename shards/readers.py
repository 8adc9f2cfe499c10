"""Which data sets can be built: add a reader here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shards.dataset import Reader

_READERS = {
    "folder": "folder.ImageFolder",
    "camvid": "camvid.CamVid",
    "gta5": "gta5.GTA5",
    "synthia": "synthia.Synthia",
    "cityscapes": "cityscapes.Cityscapes",
    "streets": "streets.reader.Streets",
    "bdd100k": "presets.streets.BDD100K",
    "vistas": "presets.streets.Vistas",
    "acdc": "presets.streets.ACDC",
    "dark_zurich": "presets.streets.DarkZurich",
    "kitti": "presets.streets.KITTI",
    "urbansyn": "presets.streets.UrbanSyn",
    "idd": "presets.india.IDD",
    "idd_lite": "presets.india.IDDLite",
    "foggy_cityscapes": "presets.weather.FoggyCityscapes",
    "rainy_cityscapes": "presets.weather.RainyCityscapes",
    "loveda": "presets.aerial.LoveDA",
    "potsdam": "presets.aerial.Potsdam",
    "vaihingen": "presets.aerial.Vaihingen",
    "coco": "boxes.coco.Coco",
    "voc": "boxes.voc.Voc",
    "yolo": "boxes.yolo.Yolo",
    "cityscapes_boxes": "boxes.cityscapes.CityscapesBoxes",
}
"""Name on the command line -> class in `shards`, which is imported when it reads: it loads PyTorch,
for which a list of the names should not wait."""

NAMES = tuple(_READERS)


def reader_of(name: str) -> type[Reader]:
    """The reader of one of `NAMES`."""
    module, _, of_class = _READERS[name].rpartition(".")
    reader: type[Reader] = getattr(import_module(f"shards.{module}"), of_class)
    return reader
