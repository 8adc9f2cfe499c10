"""The manifest: what a folder of shards holds; the builder writes it once, every reader trusts it.

A shard is a plain WebDataset tar that any other tool can read too. The manifest adds what a tar
can't tell: how many samples there are, which byte ranges ("blocks") hold them, and checksums, so
that a reader can enter a shard in its middle and notice damage.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field, TypeAdapter, ValidationError

from advent_dist.config import Labels
from advent_dist.data import class_pixels, class_sets
from advent_dist.data.box_manifest import BoxManifest
from advent_dist.data.classes import IGNORED, ClassSet
from advent_dist.data.label_map import MAX_ID, LabelMap
from advent_dist.data.manifest_fields import (
    ClassNames,
    ClassPixels,
    Count,
    Extension,
    FileName,
    MappedId,
    Palette,
    RawValue,
    Sha256,
    Subsets,
    Text,
)
from advent_dist.errors import DataError
from advent_dist.json_text import json_object

FILE_NAME = "manifest.json"
FORMAT = 1

_LEAST_BYTES = 512
"""Of a sample in a tar: the header of one file."""

_MOST_BYTES = 2**31
"""Of a block, which is read as a whole: 512 times what the builder makes of small samples."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """Consecutive samples of one shard, the unit in which they are read."""

    offset: Count
    """First byte in the shard: the tar header of the block's first member."""

    num_bytes: Count
    """Bytes up to the end of the last member's padding; a multiple of 512."""

    num_samples: Count
    """Samples in the block."""

    crc32: Annotated[int, Field(ge=0, lt=2**32)]
    """zlib.crc32 of the block's bytes: tells damage."""

    sha256: Sha256 | None = None
    """Hex digest of the block's bytes: tells whose they are. None in manifests of old."""

    class_pixels: tuple[ClassPixels, ...] | None = None
    """Of each sample, `ID:PIXELS ...` of the classes in its label; see `class_pixels`. None without
    labels, and in manifests of old."""


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One tar file."""

    name: FileName
    """File name, relative to the manifest."""

    num_bytes: Count
    """Size of the file."""

    num_samples: Count
    """Samples in the file."""

    sha256: Sha256
    """Hex digest of the whole file."""

    blocks: tuple[Block, ...]
    """The file's samples, in order and without gaps."""


@dataclass(frozen=True, kw_only=True)
class Members:
    """What to read of samples in tars that another tool wrote, and what their labels hold."""

    image: Extension
    """Extension of the image after the sample's key, such as `jpg`."""

    label: Extension | None
    """Extension of the label, such as `seg.png`; none without labels."""

    train_ids: dict[RawValue, MappedId] = field(default_factory=dict)
    """Raw value of a label -> train id, or 255."""

    colours: bool = False
    """Whether raw values are colours, 0xRRGGBB, and not ids."""

    @property
    def label_map(self) -> LabelMap:
        """What labels hold -> train ids."""
        return LabelMap(train_ids=self.train_ids, colours=self.colours)


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A folder of shards: one split of one domain."""

    dataset: Text
    """What was built: camvid, folder, streets and so on, with its options."""

    classes: Text | None
    """Name of the class set; none where nothing is known of classes, as of photographs alone."""

    class_names: ClassNames
    """Names, in the order of the train ids."""

    palette: Palette
    """RGB colour of each class."""

    subsets: Subsets | None = None
    """Reported subset -> train ids; none in shards that were built before it was written here, and
    have those of a built-in class set."""

    labelled: bool
    """Whether samples carry a label map."""

    class_histogram: tuple[Count, ...]
    """Labelled pixels of each class over all samples; empty without labels."""

    shards: tuple[Shard, ...]
    """The tar files, in order."""

    members: Members | None = None
    """How tars of another tool are read; none in those that were built here."""

    boxes: BoxManifest | None = None
    """What samples have boxes of; none where they have none."""

    @property
    def label_map(self) -> LabelMap | None:
        """What labels hold -> train ids; none where they hold train ids."""
        return None if self.members is None else self.members.label_map

    @property
    def class_set(self) -> ClassSet | None:
        """The classes that the samples were built with, if that is known."""
        if self.classes is None:
            return None
        subsets = self.subsets
        if subsets is None and self.classes in class_sets.NAMES:
            subsets = class_sets.class_set(self.classes).subsets
        return ClassSet(
            name=self.classes,
            names=self.class_names,
            palette=self.palette,
            subsets=subsets or {},
        )

    def has(self, labels: Labels) -> bool:
        """Whether samples have labels of that kind."""
        return self.labelled if labels == "pixels" else self.boxes is not None

    def classes_of(self, labels: Labels) -> ClassSet | None:
        """The classes of the labels of that kind, if they are known."""
        if labels == "pixels":
            return self.class_set
        return None if self.boxes is None else self.boxes.class_set

    @property
    def class_pixels(self) -> npt.NDArray[np.int64] | None:
        """Pixels of each sample and class, int64 [samples, C]; none where that is not known."""
        texts: list[str] = []
        for shard in self.shards:
            for block in shard.blocks:
                if block.class_pixels is None:
                    return None
                texts += block.class_pixels
        return class_pixels.from_text(texts, len(self.class_names))

    @property
    def num_samples(self) -> int:
        """Samples in all shards."""
        return sum(shard.num_samples for shard in self.shards)

    @property
    def num_bytes(self) -> int:
        """Bytes in all shards."""
        return sum(shard.num_bytes for shard in self.shards)

    @property
    def is_void(self) -> bool:
        """Whether there are labels, but none with a labelled pixel: nothing can be learnt of it."""
        return self.labelled and len(self.empty_classes) == len(self.class_names)

    @property
    def empty_classes(self) -> tuple[str, ...]:
        """Classes that no labelled pixel in; none without labels, of which nothing is known."""
        counted = zip(self.class_names, self.class_histogram, strict=False)
        return tuple(name for name, pixels in counted if not pixels)

    def to_json(self) -> str:
        """The file's text."""
        fields = asdict(self)
        if self.boxes is None:
            del fields["boxes"]  # equal builds give equal bytes, whichever version makes them
        return json.dumps({"format": FORMAT, **fields}, indent=1)

    @classmethod
    def from_json(cls, text: str | bytes, where: str) -> Manifest:
        """Read a manifest's text; `where` is named in messages.

        Raises:
            DataError: not JSON, another format, or a field is missing or can't be.
        """
        fix = "build the shards again"
        raw = json_object(text, where, fix)
        if raw.pop("format", None) != FORMAT:
            raise DataError(f"{where} is not a manifest of shards of format {FORMAT}; {fix}")
        try:
            manifest = _adapter().validate_python(raw)
        except ValidationError as error:
            first = error.errors()[0]
            path = ".".join(map(str, first["loc"]))
            raise DataError(
                f"{where} is not a manifest of shards: {path}: {first['msg']}; {fix}"
            ) from error
        classes = {len(manifest.class_names), len(manifest.palette)}
        if manifest.class_histogram:
            classes.add(len(manifest.class_histogram))
        if len(classes) > 1:
            raise DataError(
                f"{where}: class_names, palette and class_histogram are of {sorted(classes)} "
                f"classes; {fix}"
            )
        if manifest.boxes is not None and manifest.boxes.fault is not None:
            raise DataError(f"{where}: boxes: {manifest.boxes.fault}; {fix}")
        for shard in manifest.shards:
            fault = _fault(shard)
            if fault is not None:
                raise DataError(f"{where}: {shard.name}: {fault}; {fix}")
        _check_classes(manifest, f"{where}: ", fix)
        return manifest


def _fault(shard: Shard) -> str | None:
    """What can't be of a shard: readers plan, and take memory, by what it says of its samples."""
    for block in shard.blocks:
        if block.num_samples * _LEAST_BYTES > block.num_bytes or block.num_bytes > _MOST_BYTES:
            return f"{block.num_samples} samples in a block of {block.num_bytes} bytes"
        if block.class_pixels is not None and len(block.class_pixels) != block.num_samples:
            return f"class_pixels of {len(block.class_pixels)} samples, not {block.num_samples}"
        if block.offset + block.num_bytes > shard.num_bytes:
            return f"a block up to byte {block.offset + block.num_bytes} of {shard.num_bytes}"
    if sum(block.num_samples for block in shard.blocks) != shard.num_samples:
        return f"its blocks do not add up to {shard.num_samples} samples"
    return None


def _check_classes(manifest: Manifest, where: str, fix: str) -> None:
    names, known = manifest.class_names, manifest.class_set
    if (known is None) != (not names) or (known is None and manifest.labelled):
        raise DataError(
            f"{where}classes = {manifest.classes!r}, class_names of {len(names)} classes and "
            f"labelled = {manifest.labelled} do not go together; {fix}"
        )
    if len(set(names)) < len(names):
        raise DataError(f"{where}class_names has a name twice; {fix}")
    members = manifest.members
    mapped = set(members.train_ids.values()) - {IGNORED} if members else set()
    if members and (
        manifest.labelled != (members.label is not None) or mapped - {*range(len(names))}
    ):
        raise DataError(
            f"{where}members of label = {members.label!r} and the train ids {sorted(mapped)} do "
            f"not go with labelled = {manifest.labelled} and {len(names)} classes; {fix}"
        )
    if members and not members.colours and max(members.train_ids, default=0) > MAX_ID:
        raise DataError(f"{where}members.train_ids has an id above {MAX_ID}; {fix}")
    for subset, train_ids in (manifest.subsets or {}).items():
        if not train_ids or max(train_ids) >= len(names):
            raise DataError(
                f"{where}subsets.{subset} = {list(train_ids)} is not of the {len(names)} classes; "
                f"{fix}"
            )


@cache
def _adapter() -> TypeAdapter[Manifest]:
    return TypeAdapter(Manifest)


def require_labelled_pixels(manifest: Manifest, url: str) -> None:
    """Refuse labels that say nothing.

    Raises:
        DataError: `manifest.is_void`.
    """
    if manifest.is_void:
        raise DataError(
            f"{url}: none of its labels has a labelled pixel, so that there is nothing to learn or "
            "score; build the shards again from labels that have"
        )


def lacking(manifest: Manifest, url: str) -> str | None:
    """The sentence on classes of which a folder's labels have no pixel, if there are any."""
    empty = manifest.empty_classes
    if not empty:
        return None
    share = f"{len(empty)} of the {len(manifest.class_names)} classes"
    return f"{url}: no labelled pixel in {share}: {', '.join(empty)}"
