"""What a file is that should hold weights and does not: often not what was meant to be fetched."""

from __future__ import annotations

import gzip
import json
import zipfile
import zlib
from pathlib import Path

_LOOKED_AT = 512
_PAGES = (b"<!doctype html", b"<html", b"<head", b"<?xml", b"<!--", b"<error")
_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_LFS = b"version https://git-lfs.github.com/spec/"
_ANNEX = b"annex/objects/"


def why_no_weights(path: Path) -> str:
    """Look at a file's first bytes and at its length.

    Returns:
        What it is instead of weights and how to get them; nothing if it looks like weights.
    """
    size = path.stat().st_size
    if not size:
        return "it is empty; download or copy it again"
    with path.open("rb") as file:
        start = file.read(_LOOKED_AT)
    if start.startswith(_GZIP):
        start = _unpacked(path)
    if start.removeprefix(_BOM).lstrip().lower().startswith(_PAGES):
        return (
            "it is a web page, such as a download site's question or its error; download the "
            "file itself, by its direct link"
        )
    if start.startswith(_LFS):
        return "it is a pointer of Git LFS; run git lfs pull where it was cloned"
    if _ANNEX in start and size < _LOOKED_AT:
        return "it is a pointer of git-annex; run git annex get there"
    if _is_cut_short(path, start, size):
        return f"it is cut short, at {size} bytes; download or copy it again"
    return ""


def _unpacked(path: Path) -> bytes:
    """The beginning of what gzip has packed."""
    try:
        with gzip.open(path) as file:
            return file.read(_LOOKED_AT)
    except (OSError, EOFError, zlib.error):
        return b""


def _is_cut_short(path: Path, start: bytes, size: int) -> bool:
    """Whether the end is missing that a file's start promises."""
    if start.startswith(b"PK\x03\x04"):
        return not zipfile.is_zipfile(path)
    if path.suffix != ".safetensors" or start[8:9] != b"{":
        return False
    # The format: 8 bytes with the length of a JSON header, the header, the tensors.
    header = int.from_bytes(start[:8], "little")
    if 8 + header > size:
        return True
    with path.open("rb") as file:
        text = file.read(8 + header)[8:]
    try:
        parts = [part for name, part in json.loads(text).items() if name != "__metadata__"]
        return 8 + header + max(int(part["data_offsets"][1]) for part in parts) > size
    except (ValueError, LookupError, TypeError):
        return False  # a header that makes no sense promises nothing
