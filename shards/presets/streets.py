"""Streets with the classes of Cityscapes: BDD100K, Vistas, ACDC, Dark Zurich, KITTI, UrbanSyn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from advent_dist.errors import DataError
from shards.dataset import CityscapesClasses
from shards.presets.preset import Preset


@dataclass(frozen=True)
class BDD100K(Preset):
    """BDD100K, semantic segmentation: 10,000 photographs of US traffic, 1280x720."""

    name: ClassVar[str] = "bdd100k"
    images: ClassVar[str] = "images/10k/{split}/*"
    labels: ClassVar[str] = "labels/sem_seg/masks/{split}/{path}.png"
    class_file: ClassVar[str] = "{class_order}_train_ids"
    layout: ClassVar[str] = """\
  images/10k/train/            0a0a0b1a-7c39d841.jpg ...   and val/, test/
  labels/sem_seg/masks/train/  0a0a0b1a-7c39d841.png ...   and val/ (grey, train ids)"""

    split: Literal["train", "val", "test"] = "train"
    """Which of the published splits; test has no labels."""

    class_order: CityscapesClasses = "cityscapes19"
    """All 19 classes, or the 16 that SYNTHIA has, too."""


@dataclass(frozen=True)
class Vistas(Preset):
    """Mapillary Vistas 1.2 and 2.0: 25,000 photographs from all over the world, of many sizes."""

    name: ClassVar[str] = "vistas"
    images: ClassVar[str] = "{split}/images/*"
    labels: ClassVar[str] = "{split}/{labels_folder}/{path}.png"
    class_file: ClassVar[str] = "vistas_{version}"
    layout: ClassVar[str] = """\
  training/images/       0035fkbjWljhaftpVM37-g.jpg ...   and validation/, testing/
  training/v1.2/labels/  0035fkbjWljhaftpVM37-g.png ...   and v2.0/labels/ (palette PNGs);
  training/labels/       with --alone"""

    split: Literal["training", "validation", "testing"] = "training"
    """Which of the published splits; testing has no labels."""

    version: Literal["1.2", "2.0"] = "1.2"
    """Which labels: 66 of them in 1.2, 124 in 2.0. Both become the 19 classes of Cityscapes."""

    alone: bool = False
    """1.2 was downloaded by itself, with its labels in training/labels."""

    def __post_init__(self) -> None:
        if self.alone and self.version != "1.2":
            raise DataError(
                f"vistas: alone = True: version is {self.version}, but training/labels are of 1.2; "
                "leave one of the two out"
            )

    @property
    def labels_folder(self) -> str:
        """Where labels lie in a split."""
        return "labels" if self.alone else f"v{self.version}/labels"


@dataclass(frozen=True)
class ACDC(Preset):
    """ACDC: 4,006 photographs of streets in fog, at night, in rain and snow, 1920x1080."""

    name: ClassVar[str] = "acdc"
    images: ClassVar[str] = "rgb_anon/{conditions}/{split}/*/*_rgb_anon.*"
    labels: ClassVar[str] = "gt/{conditions}/{split}/{path}_gt_labelTrainIds.png"
    class_file: ClassVar[str] = "{class_order}_train_ids"
    layout: ClassVar[str] = """\
  rgb_anon/fog/train/GOPR0475/  GOPR0475_frame_000041_rgb_anon.png ...
  gt/fog/train/GOPR0475/        GOPR0475_frame_000041_gt_labelTrainIds.png ...
  and val/, test/ (images only), of fog, night, rain and snow"""

    conditions: tuple[Literal["fog", "night", "rain", "snow"], ...] = (
        "fog",
        "night",
        "rain",
        "snow",
    )
    """Which of them."""

    split: Literal["train", "val", "test"] = "train"
    """Which of the published splits; test has no labels."""

    class_order: CityscapesClasses = "cityscapes19"
    """All 19 classes, or the 16 that SYNTHIA has, too."""


@dataclass(frozen=True)
class DarkZurich(Preset):
    """Dark Zurich: photographs of one city by day, at twilight and at night, 1920x1080."""

    name: ClassVar[str] = "dark_zurich"
    images: ClassVar[str] = "rgb_anon/{split}/{time}/*/*_rgb_anon.*"
    labels: ClassVar[str] = "gt/{split}/{time}/{path}_gt_labelTrainIds.png"
    class_file: ClassVar[str] = "{class_order}_train_ids"
    layout: ClassVar[str] = """\
  rgb_anon/train/night/GOPR0351/  GOPR0351_frame_000001_rgb_anon.png ...   and twilight/, day/
  rgb_anon/val/night/GOPR0356/    GOPR0356_frame_000321_rgb_anon.png ...   and test/night/
  gt/val/night/GOPR0356/          GOPR0356_frame_000321_gt_labelTrainIds.png ..."""

    split: Literal["train", "val", "test"] = "train"
    """Which of the published splits; only the 50 photographs of val have labels."""

    time: Literal["night", "twilight", "day"] = "night"
    """Time of day; val and test are of night."""

    class_order: CityscapesClasses = "cityscapes19"
    """All 19 classes, or the 16 that SYNTHIA has, too."""


@dataclass(frozen=True)
class KITTI(Preset):
    """KITTI, semantic segmentation: 200 labelled photographs from Karlsruhe, about 1242x375."""

    name: ClassVar[str] = "kitti"
    images: ClassVar[str] = "{split}/image_2/*"
    labels: ClassVar[str] = "{split}/semantic/{path}.png"
    class_file: ClassVar[str] = "{class_order}"
    layout: ClassVar[str] = """\
  training/image_2/   000000_10.png ...   and testing/image_2/
  training/semantic/  000000_10.png ... (grey, the label ids of Cityscapes)"""
    holds_label_ids: ClassVar[bool] = True

    split: Literal["training", "testing"] = "training"
    """Which of the published splits; testing has no labels."""

    class_order: CityscapesClasses = "cityscapes19"
    """All 19 classes, or the 16 that SYNTHIA has, too."""


@dataclass(frozen=True)
class UrbanSyn(Preset):
    """UrbanSyn: 7,539 rendered streets, 2048x1024."""

    name: ClassVar[str] = "urbansyn"
    images: ClassVar[str] = "rgb/rgb_*.*"
    labels: ClassVar[str] = "ss/ss_{1}.png"
    class_file: ClassVar[str] = "{class_order}_train_ids"
    layout: ClassVar[str] = """\
  rgb/  rgb_0001.png ...
  ss/   ss_0001.png ... (grey, train ids; 19 = no class)"""

    class_order: CityscapesClasses = "cityscapes19"
    """All 19 classes, or the 16 that SYNTHIA has, too."""
