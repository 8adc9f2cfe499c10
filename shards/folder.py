"""Any folder of images, with labels or without, on a disk or on object storage, in any layout."""

from __future__ import annotations

import os
import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, ClassVar

from tyro.conf import Positional, arg

from advent_dist.data.class_file import ClassFile
from advent_dist.data.classes import ClassSet
from advent_dist.data.label_map import LabelMap, shown_value
from advent_dist.data.store import Folder, open_file, open_folder
from advent_dist.errors import DataError
from advent_dist.printable import printable
from shards.class_files import class_file
from shards.dataset import Item
from shards.encode import check_sizes
from shards.folder_item import FolderItem, is_image, key_of, require_own_keys, some
from shards.layout import Found, Glob, LabelPattern, read_list
from shards.survey import Pair, Survey, looks
from shards.video import FrameItem, frame_times

_ANY = "**/*"
_SHOWN = 5


@dataclass(frozen=True)
class ImageFolder:
    """A folder of images in any layout: labelled by a pattern or a list, or photographs alone.

    Quote patterns, or the shell takes them for its own: --images 'img/**/*.png'.
    """

    name: ClassVar[str] = "folder"

    source: Annotated[str, Positional, arg(metavar="SRC")]
    """Local folder or s3:// URL that all names are relative to."""

    images: str = _ANY
    """Pattern of the images' names: **/ is any folders, * anything in a name. Hidden files are
    left alone."""

    labels: str | None = None
    """Pattern of the label of an image: {path} is its name without the pattern's fixed beginning
    and end, {parent} the folder in it and {name} the rest; {1}, {2} are what the first and second
    wildcard of --images stand for; .* at the end is any ending."""

    classes_file: Annotated[str | None, arg(name="classes")] = None
    """Class file, YAML or JSON (see `advent-dist shards classes`), or the name of a published one,
    such as carla_0.9.14; shards/README.md lists them."""

    listed: Annotated[str | None, arg(name="list")] = None
    """Text file that names the images, one a line; with a tab or comma and a second column also
    their labels. Names are relative to SRC."""

    range: tuple[int, int] | None = None
    """What is black and what is white in grey images of more than 8 bits."""

    video: str | None = None
    """Pattern of video files to take frames of, in place of images; with --unlabelled."""

    every: int = 10
    """Of so many frames of a video one is taken."""

    def __post_init__(self) -> None:
        if self.every < 1:
            raise DataError(f"--every {self.every}: must be at least 1")
        if self.range is not None and self.range[0] >= self.range[1]:
            raise DataError(f"--range {self.range[0]} {self.range[1]}: give black, then white")

    @property
    def classes(self) -> ClassSet | None:
        """Those of the class file."""
        return self._file.classes if self._file else None

    @cached_property
    def _file(self) -> ClassFile | None:
        return class_file(self.classes_file) if self.classes_file is not None else None

    @cached_property
    def _folder(self) -> Folder:
        folder = open_folder(self.source)
        return folder.at(os.path.abspath(folder.path)) if folder.is_local else folder

    def items(self, labelled: bool) -> Sequence[FolderItem | FrameItem]:
        """See `Reader.items`."""
        label_map = self._label_map() if labelled and self.video is None else None
        stamps = self._folder.stamps()
        if not stamps:
            raise DataError(f"{self._folder.url}: no file is there; give the folder of the images")
        if self.video is not None:
            return self._frames(Glob(self.video, "--video"), stamps, labelled)
        pairs = self._pairs(list(stamps), labelled)
        # A build that was interrupted is not gone on with by another class file.
        version = zlib.crc32(repr(self._file).encode())
        items = [
            FolderItem(
                key=key_of(found, self._folder.url),
                folder=self._folder.url,
                image=found.image,
                label=label,
                label_map=label_map,
                levels=self.range,
                stamp=(*stamps[found.image], *(stamps[label] if label else ()), version),
            )
            for found, label in pairs
        ]
        require_own_keys(items)
        return sorted(items, key=lambda item: item.key)

    def look_first(
        self,
        items: Sequence[Item],
        labelled: bool,
        resize: tuple[int, int] | None,
        processes: int | None,
    ) -> None:
        """See `LooksFirst.look_first`."""
        own = [item for item in items if isinstance(item, FolderItem)]
        if not labelled:
            kind = "images, whose labels are not looked for" if own else "frames of videos"
            _say(f"{self._folder.url}: {len(items)} {kind}")
            return
        label_map = self._label_map()
        pairs = [Pair(item.folder, item.label or "", item.image) for item in own]
        survey, turned = Survey(), 0
        for item, look in zip(own, looks(pairs, processes, colours=label_map.colours), strict=True):
            if look.image_size is not None:
                check_sizes(item.where, look.image_size, look.size, resize)
            turned += look.is_turned
            survey.add(look)
        self._require_known(survey, label_map)
        _say(f"{self._folder.url}: {len(own)} images, each with its label")
        if turned:
            _say(
                f"{turned} of them are turned upright, as their EXIF says: their labels must show "
                "what one sees"
            )
        kind = "colours" if label_map.colours else "ids"
        ignored = sum(
            known.pixels for v, known in survey.values.items() if label_map.train_ids[v] == 255
        )
        share = 100 * ignored / max(survey.pixels, 1)
        _say(f"labels hold {len(survey.values)} {kind}; {share:.2f} % of the pixels are ignored")

    def _frames(
        self, glob: Glob, stamps: Mapping[str, tuple[int, ...]], labelled: bool
    ) -> list[FrameItem]:
        videos, url = glob.matches(stamps), self._folder.url
        if labelled:
            raise DataError(f"--video {glob.pattern}: videos have no labels; build --unlabelled")
        if not self._folder.is_local:
            raise DataError(f"--video {glob.pattern}: copy the videos of {url} to this machine")
        if not videos:
            raise DataError(f"{url}: none of its {len(stamps)} files fits --video {glob.pattern!r}")
        frames = [
            FrameItem(
                f"{key_of(found, url)}_{number:06d}",
                f"{url}/{found.image}",
                number,
                time,
                stamps[found.image],
            )
            for found in videos
            for number, time in frame_times(f"{url}/{found.image}", self.every).items()
        ]
        require_own_keys(frames)
        return frames

    def _label_map(self) -> LabelMap:
        if self._file is None:
            raise DataError(
                "--classes: give the class file of the labels (advent-dist shards classes LABELS "
                "--out classes.yaml writes one to fill in), or build --unlabelled"
            )
        if self._file.label_map is None:
            raise DataError(
                f"{self.classes_file}: it does not say what stands for the classes in labels; give "
                "each class its ids or its colours"
            )
        return self._file.label_map

    def _pairs(self, names: list[str], labelled: bool) -> list[tuple[Found, str | None]]:
        """Images, and their labels if `labelled`."""
        matched = Glob(self.images).matches(names)
        found = [one for one in matched if is_image(one.image)]
        pattern = None if self.labels is None else LabelPattern(self.labels, names)
        labels = {one.image: pattern.label_of(one) if pattern else None for one in found}
        # Beside the images their labels may lie, and match like them.
        of_others = set(labels.values())
        found = [one for one in found if one.image not in of_others]
        chosen = [(one, labels[one.image]) for one in found]
        if self.listed is not None:
            chosen = self._listed(found, labels, names)
        elif not found:
            raise DataError(
                f"{self._folder.url}: none of its {len(names)} files is an image that fits "
                f"--images {self.images!r}; the first is {min(names)}"
            )
        if self.listed is None:
            used = {name for one, label in chosen for name in (one.image, label) if name}
            self._tell_left_alone(Glob(self.images).beside(names, matched), pattern, used)
        if not labelled:
            return [(one, None) for one, _ in chosen]
        missing = [one.image for one, label in chosen if label is None]
        if missing and self.labels is None:
            raise DataError(
                f"{self._folder.url}: give --labels or a --list of two columns, or build "
                "--unlabelled"
            )
        if missing:
            raise DataError(
                f"{self._folder.url}: {len(missing)} of {len(chosen)} images have no label by "
                f"--labels {self.labels!r}: {some(missing)}; correct the pattern, add the labels, "
                "name the images that have one in a --list, or build --unlabelled"
            )
        return chosen

    def _tell_left_alone(
        self, beside: list[str], labels: LabelPattern | None, used: set[str]
    ) -> None:
        spare = [name for name in labels.fitting() if name not in used] if labels else []
        others = [name for name in beside if name not in used and name not in spare]
        said = [some(others)] if others else []
        said += [some(spare, "labels without an image")] if spare else []
        if said:
            _say(f"{self._folder.url}: left alone: {' and '.join(said)}")

    def _listed(
        self, found: list[Found], labels: dict[str, str | None], names: list[str]
    ) -> list[tuple[Found, str | None]]:
        assert self.listed is not None, "called for a list"
        folder, name = open_file(self.listed)
        there, chosen = set(names), []
        for one, label in read_list(folder.read(name), self.listed, found):
            label = label.lstrip("/") if label is not None else labels[one.image]
            if label is not None and label not in there:
                raise DataError(
                    f"{self.listed}: {label}, the label of {one.image}, is not in "
                    f"{self._folder.url}; correct the list, or add the file"
                )
            chosen.append((one, label))
        return chosen

    def _require_known(self, survey: Survey, label_map: LabelMap) -> None:
        unknown = [(v, known) for v, known in survey.by_value() if v not in label_map.train_ids]
        if not unknown:
            return
        told = "; ".join(
            f"{shown_value(value, colours=label_map.colours)} ({known.pixels:,} pixels in "
            f"{known.files} files, first {known.first[0]})"
            for value, known in sorted(unknown, key=lambda one: -one[1].pixels)[:_SHOWN]
        )
        kind, ignore = ("colours", "ignore_colours") if label_map.colours else ("ids", "ignore")
        raise DataError(
            f"{self._folder.url}: labels hold {len(unknown)} {kind} that are in no class of "
            f"{self.classes_file}: {told}; give each to a class, or to {ignore}"
        )


def _say(sentence: str) -> None:
    sys.stderr.write(printable(f"-- {sentence}\n"))
