"""Streets of India: IDD and IDD-Lite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from shards.presets.preset import Preset


@dataclass(frozen=True)
class IDD(Preset):
    """IDD: photographs of streets in India, with labels that its createLabels.py draws."""

    name: ClassVar[str] = "idd"
    images: ClassVar[str] = "leftImg8bit/{split}/*/*_leftImg8bit.*"
    labels: ClassVar[str] = "gtFine/{split}/{path}_gtFine_label{ids}.png"
    class_file: ClassVar[str] = "{table}"
    layout: ClassVar[str] = """\
  leftImg8bit/train/0/  005506_leftImg8bit.png ... (or .jpg)
  gtFine/train/0/       005506_gtFine_labelcsTrainIds.png ... (--id-type csTrainId)
                        005506_gtFine_labellevel3Ids.png ... (--id-type level3Id)
  and val/, test/ (images only); the ids are an option of AutoNUE/public-code's createLabels.py"""

    split: Literal["train", "val", "test"] = "train"
    """Which of the published splits; test has no labels."""

    class_order: Literal["cityscapes19", "idd26"] = "cityscapes19"
    """The classes of Cityscapes (csTrainIds), or the 26 of its own benchmark (level3Ids)."""

    @property
    def ids(self) -> str:
        """What the names of labels end with."""
        return "csTrainIds" if self.class_order == "cityscapes19" else "level3Ids"

    @property
    def table(self) -> str:
        """Name of the class file."""
        return "cityscapes19_train_ids" if self.class_order == "cityscapes19" else "idd26"


@dataclass(frozen=True)
class IDDLite(Preset):
    """IDD-Lite: small photographs of streets in India, 320x227, with 7 classes."""

    name: ClassVar[str] = "idd_lite"
    images: ClassVar[str] = "leftImg8bit/{split}/*/*_image.*"
    labels: ClassVar[str] = "gtFine/{split}/{path}_label.png"
    class_file: ClassVar[str] = "idd7"
    layout: ClassVar[str] = """\
  leftImg8bit/train/0/  024541_image.jpg ...
  gtFine/train/0/       024541_label.png ...
  and val/, test/ (images only)"""

    split: Literal["train", "val", "test"] = "train"
    """Which of the published splits; test has no labels."""
