"""Cityscapes in simulated weather, with the labels of Cityscapes: fog and rain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from shards.dataset import CityscapesClasses
from shards.presets.preset import Preset


@dataclass(frozen=True)
class FoggyCityscapes(Preset):
    """Foggy Cityscapes: the photographs of Cityscapes in fog of three densities."""

    name: ClassVar[str] = "foggy_cityscapes"
    images: ClassVar[str] = "{folder}/{split}/*/*_leftImg8bit_foggy_beta_{beta}.*"
    labels: ClassVar[str] = "gtFine/{split}/{path}_gtFine_labelIds.png"
    class_file: ClassVar[str] = "{class_order}"
    layout: ClassVar[str] = """\
  leftImg8bit_foggy/train/aachen/  aachen_000000_000019_leftImg8bit_foggy_beta_0.02.png ...
  gtFine/train/aachen/             aachen_000000_000019_gtFine_labelIds.png ...
  and val/; Foggy Cityscapes-DBF: leftImg8bit_foggyDBF/ (--folder leftImg8bit_foggyDBF)"""
    holds_label_ids: ClassVar[bool] = True

    split: Literal["train", "val"] = "train"
    """Which of the published splits."""

    beta: Literal["0.005", "0.01", "0.02"] = "0.02"
    """Attenuation per metre: 0.02 is the densest fog."""

    folder: Literal["leftImg8bit_foggy", "leftImg8bit_foggyDBF"] = "leftImg8bit_foggy"
    """Where the images lie."""

    class_order: CityscapesClasses = "cityscapes19"
    """All 19 classes, or the 16 that SYNTHIA has, too."""


@dataclass(frozen=True)
class RainyCityscapes(Preset):
    """RainCityscapes: photographs of Cityscapes, each in many kinds of rain."""

    name: ClassVar[str] = "rainy_cityscapes"
    images: ClassVar[str] = "leftImg8bit_rain/{split}/*/*_leftImg8bit_rain_*.*"
    labels: ClassVar[str] = "gtFine/{split}/{1}/{2}_gtFine_labelIds.png"
    class_file: ClassVar[str] = "{class_order}"
    layout: ClassVar[str] = """\
  leftImg8bit_rain/train/aachen/  aachen_000004_000019_leftImg8bit_rain_alpha_0.01_beta_0.005_\
dropsize_0.01_pattern_1.png ...
  gtFine/train/aachen/            aachen_000004_000019_gtFine_labelIds.png ...
  and val/"""
    holds_label_ids: ClassVar[bool] = True

    split: Literal["train", "val"] = "train"
    """Which of the published splits."""

    class_order: CityscapesClasses = "cityscapes19"
    """All 19 classes, or the 16 that SYNTHIA has, too."""
