"""The tasks: which shards are source, target, chosen on and reported on, and how they are built.

DIR holds `camvid/` in SegNet's layout (480x360), `idd_lite/{train,tune,held_out}` with
`*_labels/` beside them (train ids), and `airsim/{images,labels}/train` (numbered meshes).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from advent_dist.config import Size
from shards.camvid import CamVid
from shards.folder import ImageFolder
from shards.options import BuildOptions
from shards.write import build

_HERE = Path(__file__).parent

# Frames are numbered in time. Neighbouring ones are nearly the same picture, so that halves of a
# drive choose and report, not every other frame.
DUSK_FIRST = ("0001TP_008", "0001TP_0090", "0001TP_0091", "0001TP_0092", "0001TP_0093")
DUSK_SECOND = ("0001TP_0094", "0001TP_0095", "0001TP_0096", "0001TP_0097", "0001TP_0098")
DUSK_SECOND += ("0001TP_0099", "0001TP_010")


@dataclass(frozen=True, kw_only=True)
class Task:
    """A source and a target, by the names of their shards."""

    title: str
    """In the table."""

    source: str
    """Labelled."""

    target: str
    """Without labels; what is `{target}_labelled` has them, for the oracle."""

    tune: str
    """What a snapshot is chosen on where labels choose."""

    held_out: str
    """What is reported on."""

    source_size: Size
    """Of source images, before they are cut: all have one height."""

    target_size: Size
    """Of target images."""


TASKS = {
    "T1": Task(
        title="CamVid, day to dusk, 11 classes",
        source="camvid11/day",
        target="camvid11/dusk_train",
        tune="camvid11/dusk_tune",
        held_out="camvid11/dusk_held_out",
        source_size=(320, 240),
        target_size=(320, 240),
    ),
    "T2": Task(
        title="Cambridge to India, 7 groups",
        source="camvid7/day",
        target="idd/train",
        tune="idd/tune",
        held_out="idd/held_out",
        source_size=(320, 240),
        target_size=(338, 240),
    ),
    "T3": Task(
        title="rendered suburb to India, 7 groups",
        source="airsim7/train",
        target="idd/train",
        tune="idd/tune",
        held_out="idd/held_out",
        source_size=(426, 240),
        target_size=(338, 240),
    ),
    "T4": Task(
        title="rendered suburb to Cambridge, 7 groups",
        source="airsim7/train",
        target="camvid7/first_day",
        tune="camvid7/other_day",
        held_out="camvid7/dusk",
        source_size=(426, 240),
        target_size=(320, 240),
    ),
    "T5": Task(
        title="India to Cambridge, 7 groups",
        source="idd/train_labelled",
        target="camvid7/first_day",
        tune="camvid7/other_day",
        held_out="camvid7/dusk",
        source_size=(338, 240),
        target_size=(320, 240),
    ),
}


def build_shards(name: str, data: Path, root: Path) -> None:
    """The shards of a task below `root`, where they are missing."""
    task = TASKS[name]
    folders = (task.source, task.target, f"{task.target}_labelled", task.tune, task.held_out)
    for folder in folders:
        if (root / folder / "manifest.json").exists():
            continue
        unlabelled = folder == task.target
        reader = _reader(folder.removesuffix("_labelled"), data, root)
        build(reader, str(root / folder), BuildOptions(unlabelled=unlabelled))


def _reader(folder: str, data: Path, root: Path) -> CamVid | ImageFolder:
    group, _, part = folder.partition("/")
    if group == "idd":
        return ImageFolder(
            source=str(data / "idd_lite"),
            images=f"{part}/*.jpg",
            labels=f"{part}_labels/{{path}}.png",
            classes_file="idd7",
        )
    if group == "airsim7":
        return ImageFolder(
            source=str(data / "airsim"),
            images="images/train/*.jpg",
            labels="labels/train/{path}.png",
            classes_file=str(_HERE / "airsim7.yaml"),
        )
    splits, begins = _CAMVID[part]
    if group == "camvid11":
        return CamVid(data / "camvid", splits=splits, sequences=begins)
    return ImageFolder(
        source=str(data / "camvid"),
        listed=str(_listed(data / "camvid", root / f"{part}.txt", splits, begins)),
        classes_file=str(_HERE / "camvid7.yaml"),
    )


_CAMVID = {
    "day": (("train", "val"), ("0016E5", "0006R0")),
    "first_day": (("train", "val"), ("0016E5",)),
    "other_day": (("train",), ("0006R0",)),
    "dusk": (("train", "test"), ("0001TP",)),
    "dusk_train": (("train",), ("0001TP",)),
    "dusk_tune": (("test",), DUSK_FIRST),
    "dusk_held_out": (("test",), DUSK_SECOND),
}
"""Part -> splits, and how the names of its images begin."""


def _listed(camvid: Path, out: Path, splits: Sequence[str], begins: tuple[str, ...]) -> Path:
    """A list of CamVid's images of these splits and sequences, each with its label."""
    lines = [
        f"{split}/{image.name}\t{split}annot/{image.stem}.png"
        for split in splits
        for image in sorted((camvid / split).iterdir())
        if image.name.startswith(begins)
    ]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("\n".join(lines) + "\n")
    return out
