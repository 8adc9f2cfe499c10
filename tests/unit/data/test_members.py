"""What may stand in a shard's tar: files with plain names, and nothing else."""

from __future__ import annotations

import io
import random
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from advent_dist.data.assign import in_file_order
from advent_dist.data.blocks import BlockReader, DamagedSample
from advent_dist.data.fetch import BlockSource
from advent_dist.data.manifest import FILE_NAME, Manifest
from advent_dist.data.members import MemberError, samples_in
from advent_dist.data.store import open_folder
from advent_dist.data.traffic import Tally
from advent_dist.errors import DataError
from shards.show import write_contact_sheet
from shards.verify import verify
from tests.shard_helpers import checksums, examples, write_shards


def member(name: str, data: bytes = b"x", **changes: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in changes.items():
        setattr(info, field, value)
    return info, data


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A tar without its end mark."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data) if info.isreg() else None)
        end = tar.offset
    return file.getvalue()[:end]


def _negative_size() -> bytes:
    """A size that leads back to the first member, for ever."""
    data = bytearray(tar_of(member("a.image.png"), member("b.image.png")))
    header = data[1024:1536]
    header[124:136] = b"\xff" * 10 + (-1536).to_bytes(2, "big", signed=True)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    data[1024:1536] = header
    return bytes(data)


def _sparse(name: str = "a.image.png") -> bytes:
    info, data = member(name, pax_headers={"GNU.sparse.map": "0,1", "GNU.sparse.size": "1000000"})
    return tar_of((info, data))


TARS: dict[str, Callable[[], bytes]] = {
    "a symbolic link": lambda: tar_of(
        member("a.image.png", type=tarfile.SYMTYPE, linkname="/etc/passwd", size=0)
    ),
    "a hard link": lambda: tar_of(
        member("a.image.png", type=tarfile.LNKTYPE, linkname="b", size=0)
    ),
    "a device": lambda: tar_of(member("a.image.png", type=tarfile.CHRTYPE, size=0)),
    "a pipe": lambda: tar_of(member("a.image.png", type=tarfile.FIFOTYPE, size=0)),
    "a folder": lambda: tar_of(member("a.image.png", type=tarfile.DIRTYPE, size=0)),
    "holes": _sparse,
    "an absolute name": lambda: tar_of(member("/etc/a.image.png")),
    "a way out": lambda: tar_of(member("../../a.image.png")),
    "a way out in the middle": lambda: tar_of(member("x/../../a.image.png")),
    "a way out that pax says": lambda: tar_of(
        member("a.image.png", pax_headers={"path": "../../a.image.png"})
    ),
    "a backslash": lambda: tar_of(member("..\\a.image.png")),
    "control characters": lambda: tar_of(member("a\x1b[2Jb.image.png")),
    "a line break": lambda: tar_of(member("a\nb.image.png")),
    "letters of no alphabet": lambda: tar_of(member("a\udcff.image.png")),
    "no extension": lambda: tar_of(member("a")),
    "no name": lambda: tar_of(member("x/.image.png")),
    "a name without end": lambda: tar_of(member("a" * 3000 + ".image.png")),
    "a name twice": lambda: tar_of(member("a.image.png"), member("a.image.png")),
    "a negative size": _negative_size,
    "a size of its own in pax": lambda: tar_of(
        member("a.image.png", pax_headers={"size": "99999999999"})
    ),
}


@pytest.mark.parametrize("what", TARS)
def test_what_is_no_file_of_a_sample_is_refused(what: str) -> None:
    with pytest.raises(MemberError) as caught:
        samples_in(TARS[what]())
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


def test_samples_are_their_names_and_their_bytes() -> None:
    data = tar_of(
        member("straße/a.image.png", b"image"),
        member("straße/a.label.png", b"label"),
        member("b" * 120 + ".image.jpg", b""),
    )
    (first, files), (second, more) = samples_in(data)
    assert (first, second) == ("straße/a", "b" * 120)
    assert {name: bytes(one) for name, one in files.items()} == {
        "image.png": b"image",
        "label.png": b"label",
    }
    assert {name: bytes(one) for name, one in more.items()} == {"image.jpg": b""}


@pytest.mark.parametrize("seed", range(200))
def test_bytes_that_nobody_wrote_end_in_one_error_at_most(seed: int) -> None:
    chance = random.Random(seed)
    members = [member(f"{number}.image.png", bytes(600)) for number in range(3)]
    members[1][0].pax_headers = {"path": "ä" * 90 + ".image.png"}
    data = bytearray(tar_of(*members))
    for _ in range(chance.choice((1, 3, 20))):
        header = 512 * chance.randrange(len(data) // 512)
        data[header + chance.randrange(512)] = chance.randrange(256)
        whole = data[header : header + 512]
        whole[148:156] = b" " * 8
        data[header + 148 : header + 156] = b"%06o\0 " % sum(whole)  # or all end at the checksum
    try:
        for key, files in samples_in(bytes(data[: chance.choice((len(data), 700, 1600))])):
            assert key.isprintable()
            assert ".." not in key.split("/")
            assert sum(map(len, files.values())) <= len(data)
    except MemberError:
        pass


@pytest.fixture
def strange(tmp_path: Path) -> tuple[Path, Manifest]:
    """Shards whose second block holds a link, with a manifest that says that all is well."""
    manifest = write_shards(str(tmp_path), examples(4), per_shard=4, per_block=2)
    (shard,) = manifest.shards
    path = tmp_path / shard.name
    data = bytearray(path.read_bytes())
    block = shard.blocks[1]
    header = data[block.offset : block.offset + 512]
    header[156:157] = tarfile.SYMTYPE
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    data[block.offset : block.offset + 512] = header
    path.write_bytes(data)
    said = checksums(bytes(data[block.offset : block.offset + block.num_bytes]))
    blocks = (shard.blocks[0], replace(block, **said))
    manifest = replace(manifest, shards=(replace(shard, blocks=blocks),))
    open_folder(str(tmp_path)).write(FILE_NAME, manifest.to_json().encode())
    return tmp_path, manifest


def test_a_block_with_a_link_is_damage_wherever_it_is_read(
    strange: tuple[Path, Manifest],
) -> None:
    folder, manifest = strange
    source = BlockSource(open_folder(str(folder)), manifest, None, Tally())
    reader = BlockReader(source, labelled=True)
    read = list(reader.samples(in_file_order(reader.sizes, range(4))))
    assert [isinstance(sample, DamagedSample) for sample in read] == [False, False, True, True]
    assert isinstance(read[2], DamagedSample)
    message = r"shard-00000.tar: bytes \d+-\d+.*'s0002.image.png' is no plain file"
    with pytest.raises(DataError, match=message):
        raise DataError(read[2].why)
    problems = verify(str(folder)).problems
    assert "'s0002.image.png' is no plain file" in problems[0]
    with pytest.raises(DataError, match=message):
        write_contact_sheet(str(folder), str(folder / "page.html"), 4)
    assert not (folder / "page.html").exists()
