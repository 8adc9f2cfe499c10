"""Pictures from the air: LoveDA, ISPRS Potsdam and Vaihingen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from shards.presets.preset import Preset

_POTSDAM_TILES = {
    "train": "2_10 2_11 2_12 3_10 3_11 3_12 4_10 4_11 4_12 5_10 5_11 5_12 6_7 6_8 6_9 6_10 6_11 "
    "6_12 7_7 7_8 7_9 7_10 7_11 7_12",
    "test": "2_13 2_14 3_13 3_14 4_13 4_14 4_15 5_13 5_14 5_15 6_13 6_14 6_15 7_13",
}
"""Source: tools/dataset_converters/potsdam.py of MMSegmentation."""

_VAIHINGEN_AREAS = {
    "train": "1 3 5 7 11 13 15 17 21 23 26 28 30 32 34 37",
    "test": "2 4 6 8 10 12 14 16 20 22 24 27 29 31 33 35 38",
}
"""Source: tools/dataset_converters/vaihingen.py of MMSegmentation."""


@dataclass(frozen=True)
class LoveDA(Preset):
    """LoveDA: 5,987 pictures of cities and countryside in China, 1024x1024 at 0.3 m."""

    name: ClassVar[str] = "loveda"
    images: ClassVar[str] = "{split}/{areas}/images_png/*"
    labels: ClassVar[str] = "{split}/{areas}/masks_png/{name}.png"
    class_file: ClassVar[str] = "loveda7"
    layout: ClassVar[str] = """\
  Train/Urban/images_png/  1366.png ...
  Train/Urban/masks_png/   1366.png ... (grey, 0 = no data, 1..7 = classes)
  and Train/Rural/, Val/Urban/, Val/Rural/; Test/Urban/, Test/Rural/ (images only)"""

    areas: tuple[Literal["Urban", "Rural"], ...] = ("Urban", "Rural")
    """Which of the two domains, or both."""

    split: Literal["Train", "Val", "Test"] = "Train"
    """Which of the published splits; Test has no labels."""


@dataclass(frozen=True)
class Potsdam(Preset):
    """ISPRS Potsdam: 38 tiles of a city from the air, 6000x6000 at 5 cm."""

    name: ClassVar[str] = "potsdam"
    images: ClassVar[str] = "{folder}/top_*_{tiles}_{bands}.*"
    labels: ClassVar[str] = "5_Labels_all/top_{1}_{tiles}_label.tif"
    class_file: ClassVar[str] = "isprs6"
    layout: ClassVar[str] = """\
  2_Ortho_RGB/   top_potsdam_2_10_RGB.tif ...   or 3_Ortho_IRRG/ top_potsdam_2_10_IRRG.tif ...
  5_Labels_all/  top_potsdam_2_10_label.tif ... (colours)"""

    split: Literal["train", "test"] = "train"
    """The 24 tiles of the benchmark's participants, or the other 14."""

    bands: Literal["RGB", "IRRG"] = "RGB"
    """Red, green, blue, or near infrared, red, green, which Vaihingen has."""

    @property
    def tiles(self) -> tuple[str, ...]:
        """Those of the split."""
        return tuple(_POTSDAM_TILES[self.split].split())

    @property
    def folder(self) -> str:
        """Where images lie."""
        return {"RGB": "2_Ortho_RGB", "IRRG": "3_Ortho_IRRG"}[self.bands]


@dataclass(frozen=True)
class Vaihingen(Preset):
    """ISPRS Vaihingen: 33 tiles of a town from the air, near infrared, red, green, at 9 cm."""

    name: ClassVar[str] = "vaihingen"
    images: ClassVar[str] = "top/top_*_area{areas}.*"
    labels: ClassVar[str] = "gts_for_participants/top_{1}_area{areas}.tif"
    class_file: ClassVar[str] = "isprs6"
    layout: ClassVar[str] = """\
  top/                   top_mosaic_09cm_area1.tif ...
  gts_for_participants/  top_mosaic_09cm_area1.tif ... (colours; for --split test, put those of the
                         complete ground truth there)"""

    split: Literal["train", "test"] = "train"
    """The 16 tiles of the benchmark's participants, or the other 17."""

    @property
    def areas(self) -> tuple[str, ...]:
        """Those of the split."""
        return tuple(_VAIHINGEN_AREAS[self.split].split())
