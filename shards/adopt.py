"""`advent-dist shards adopt`: a manifest beside WebDataset tars that are there, as they are.

Each tar is read once, from its beginning to its end; no byte of it is written.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from rich.console import Console
from rich.progress import track
from webdataset.tariterators import base_plus_ext

from advent_dist.data.class_file import ClassFile
from advent_dist.data.class_pixels import to_text
from advent_dist.data.classes import IGNORED
from advent_dist.data.image import upright_size
from advent_dist.data.label_format import read_values
from advent_dist.data.manifest import FILE_NAME, Block, Manifest, Members, Shard
from advent_dist.data.members import MemberError, name_of
from advent_dist.data.store import Folder, open_folder
from advent_dist.errors import DataError
from shards.class_files import class_file
from shards.flags import Adopt
from shards.layout import is_hidden

_ENDING = ".tar"
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
_PIECE_BYTES = 8 * 2**20
_BLOCK_BYTES = 4 * 2**20
_BLOCK_SAMPLES = 32

_IMAGES = ("jpg", "jpeg", "png", "webp")
"""Extensions of what training decodes."""


_Histogram = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass
class _Adopted:
    """What one tar holds."""

    blocks: list[Block] = field(default_factory=list)
    histogram: _Histogram = field(default_factory=lambda: np.zeros(256, np.int64))


def adopt(asked: Adopt) -> Manifest:
    """Read all tars of a folder, and write their manifest.

    Returns:
        The manifest that was written.

    Raises:
        DataError: there are none, or compressed ones; a manifest is there; a sample lacks a file,
            or its label does not fit its image or the class file.
    """
    folder, members, file = open_folder(asked.url), _members(asked), None
    if asked.classes is not None:
        file = class_file(asked.classes)
    names = _tars(folder)
    sizes = folder.sizes()
    console = Console(stderr=True)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        found = threads.map(lambda name: _read(folder, name, sizes[name], members), names)
        adopted = list(
            track(
                found,
                folder.url,
                total=len(names),
                console=console,
                disable=not console.is_terminal,
            )
        )
    manifest = _manifest(asked, file, members, adopted)
    if not manifest.num_samples:
        raise DataError(f"{folder.url}: its tars hold no sample; give a folder of others")
    if manifest.is_void:
        raise DataError(
            f"{folder.url}: none of its labels has a labelled pixel; correct {asked.classes}"
        )
    folder.write(FILE_NAME, manifest.to_json().encode())
    return manifest


def _members(asked: Adopt) -> Members:
    """What of each sample is read.

    Raises:
        DataError: images are none that training decodes, or there is no class file for labels.
    """
    image = asked.image.lower().lstrip(".")
    if image.rsplit(".", 1)[-1] not in _IMAGES:
        raise DataError(f"--image {asked.image}: training decodes {', '.join(_IMAGES)} only")
    if asked.label is None:
        return Members(image=image, label=None)
    if asked.classes is None:
        raise DataError(
            f"--label {asked.label}: give the class file that says what labels hold by --classes"
        )
    label_map = class_file(asked.classes).label_map
    if label_map is None:
        raise DataError(
            f"{asked.classes}: it does not say what stands for the classes in labels; give each "
            "class its ids or its colours"
        )
    return Members(
        image=image,
        label=asked.label.lower().lstrip("."),
        train_ids=label_map.train_ids,
        colours=label_map.colours,
    )


def _tars(folder: Folder) -> list[str]:
    names = folder.list()
    if FILE_NAME in names:
        raise DataError(f"{folder.url}/{FILE_NAME} is there already; delete it to adopt anew")
    tars = [name for name in names if name.endswith(_ENDING) and not is_hidden(name)]
    if not tars:
        packed = [name for name in names if _ENDING in name or name.endswith(".tgz")]
        more = f"; decompress {packed[0]}" if packed else ""
        raise DataError(f"{folder.url}: it holds no *{_ENDING}{more}; give the folder of the tars")
    return tars


def _manifest(
    asked: Adopt,
    file: ClassFile | None,
    members: Members,
    adopted: list[tuple[Shard, _Adopted]],
) -> Manifest:
    classes = file.classes if file is not None else None
    counted = sum((one.histogram for _, one in adopted), np.zeros(256, np.int64))
    labelled = members.label is not None
    return Manifest(
        dataset=f"adopted image={asked.image} label={asked.label}",
        classes=classes.name if classes else None,
        class_names=classes.names if classes else (),
        palette=classes.palette if classes else (),
        subsets=classes.subsets if classes else {},
        labelled=labelled,
        class_histogram=tuple(counted.tolist()[: classes.num_classes])
        if labelled and classes
        else (),
        shards=tuple(shard for shard, _ in adopted),
        members=members,
    )


class _Tape(io.RawIOBase):
    """A file of a folder, read once from beginning to end, that keeps what was not yet cut off."""

    def __init__(self, folder: Folder, name: str, num_bytes: int) -> None:
        super().__init__()
        self._folder, self._name, self._end = folder, name, num_bytes
        self._kept, self._start, self._at = bytearray(), 0, 0
        self.digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes, fewer only at the end."""
        stop = self._end if size < 0 else min(self._at + size, self._end)
        while self._start + len(self._kept) < stop:
            first = self._start + len(self._kept)
            piece = self._folder.read_range(self._name, first, min(first + _PIECE_BYTES, self._end))
            self.digest.update(piece)
            self._kept += piece
        data = bytes(self._kept[self._at - self._start : stop - self._start])
        self._at = stop
        return data

    def seal(self, where: str) -> None:
        """Read to the end, where nothing but zeros may be after the last cut.

        Raises:
            DataError: the file was cut short in a member.
        """
        while self.read(_PIECE_BYTES):
            pass
        if any(self._kept):
            raise _cut_short(where)

    def cut(self, stop: int) -> bytes:
        """The bytes since the last cut, up to `stop`."""
        data = bytes(self._kept[: stop - self._start])
        del self._kept[: stop - self._start]
        self._start = stop
        return data


def _read(folder: Folder, name: str, num_bytes: int, members: Members) -> tuple[Shard, _Adopted]:
    where, tape, adopted = f"{folder.url}/{name}", _Tape(folder, name, num_bytes), _Adopted()
    if num_bytes < tarfile.BLOCKSIZE:
        raise _cut_short(where)
    head = bytes(folder.read_range(name, 0, 8))
    if head.startswith(_COMPRESSED):
        raise DataError(
            f"{where}: it is compressed, so that no part of it can be read alone; decompress it "
            "(images and labels in it are compressed already)"
        )
    if num_bytes % tarfile.BLOCKSIZE:
        raise _cut_short(where)
    count, begun, end = 0, 0, 0
    pixels: list[str] = []
    try:
        with tarfile.open(fileobj=tape, mode="r|") as tar:
            for key, offset, stop, files in _samples(tar):
                is_full = count == _BLOCK_SAMPLES or offset - begun >= _BLOCK_BYTES
                # What lies between, such as a folder's entry, is in no block.
                if count and (is_full or offset > end):
                    adopted.blocks.append(_block(begun, tape.cut(end), count, pixels))
                    count, pixels = 0, []
                if not count:
                    tape.cut(offset)
                    begun = offset
                histogram = _histogram(f"{where}: sample {key}", files, members)
                if histogram is not None:
                    adopted.histogram += histogram
                    pixels.append(to_text(histogram[:IGNORED].tolist()))
                count, end = count + 1, stop
    except (tarfile.TarError, MemberError) as error:
        raise DataError(f"{where}: it is no tar of samples ({error}); copy it again") from error
    if count:
        adopted.blocks.append(_block(begun, tape.cut(end), count, pixels))
    tape.seal(where)
    shard = Shard(
        name=name,
        num_bytes=num_bytes,
        num_samples=sum(block.num_samples for block in adopted.blocks),
        sha256=tape.digest.hexdigest(),
        blocks=tuple(adopted.blocks),
    )
    return shard, adopted


def _cut_short(where: str) -> DataError:
    return DataError(f"{where}: it is no whole tar; copy it again")


def _samples(tar: tarfile.TarFile) -> Iterator[tuple[str, int, int, dict[str, bytes]]]:
    """Key, first byte, byte after the last one, and the files by their extensions."""
    key: str | None = None
    start, stop, files = 0, 0, dict[str, bytes]()
    for member in tar:
        is_sample = member.isreg() and base_plus_ext(member.name)[0] is not None
        name, extension = name_of(member) if is_sample else (None, "")
        if name != key:
            if key is not None:
                yield key, start, stop, files
            key, start, files = name, member.offset, {}
        file = tar.extractfile(member) if is_sample else None
        if file is not None:
            files[extension] = file.read()
            padded = -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
            stop = member.offset_data + padded
    if key is not None:
        yield key, start, stop, files


def _block(offset: int, data: bytes, count: int, pixels: list[str]) -> Block:
    return Block(
        offset=offset,
        num_bytes=len(data),
        num_samples=count,
        crc32=zlib.crc32(data),
        sha256=hashlib.sha256(data).hexdigest(),
        class_pixels=tuple(pixels) or None,
    )


def _histogram(where: str, files: dict[str, bytes], members: Members) -> _Histogram | None:
    """Check a sample, and count the pixels of each train id and of 255; none without a label."""
    for name in (members.image, members.label):
        if name is not None and name not in files:
            raise DataError(
                f"{where} has no {name}, but {', '.join(sorted(files))}; correct --image or --label"
            )
    size, is_turned = upright_size(io.BytesIO(files[members.image]), f"{where}: its image")
    if is_turned:
        raise DataError(
            f"{where}: its image is to be turned, as its EXIF says, which readers of tars do not; "
            "unpack it and use shards build folder"
        )
    if members.label is None:
        return None
    what = f"{where}: its label"
    values = read_values(files[members.label], what, colours=members.colours)
    train_ids = members.label_map.apply(values, what)
    if train_ids.shape != size[::-1]:
        (height, width), (columns, rows) = train_ids.shape, size
        raise DataError(
            f"{where}: its label is {width}x{height}, but its image is {columns}x{rows} (width x "
            "height); unpack them and use shards build folder --resize"
        )
    return np.bincount(train_ids.ravel(), minlength=256)
