"""A block of a shard -> the files of its samples.

A shard is a tar, and a tar may hold whatever a disk may: links, devices, files with holes, paths
that lead elsewhere. Here its members are names with bytes and nothing else, and never touch a disk.
"""

from __future__ import annotations

import io
import tarfile

from webdataset.tariterators import base_plus_ext

from advent_dist.config.require import is_inside

Files = dict[str, memoryview]
"""Extension -> content of one sample's files."""

_LONGEST_KEY = 255
"""Characters: keys stand in messages, logs and pages."""


class MemberError(ValueError):
    """The bytes are no tar of samples."""


def samples_in(data: bytes | bytearray | memoryview) -> list[tuple[str, Files]]:
    """Key and files of each sample of a block, in order; the files are views of `data`.

    Args:
        data: the members of a tar, with or without its end mark.

    Raises:
        MemberError: they can't be read, or one is no plain file of a sample; says which.
    """
    view = memoryview(data)
    samples: list[tuple[str, Files]] = []
    try:
        # A block is a tar without the end mark, and tar readers take the data's end for it.
        with tarfile.open(fileobj=io.BytesIO(view), mode="r:") as tar:
            for member in tar:
                key, extension = name_of(member)
                stop = member.offset_data + member.size
                if stop > len(view):
                    raise MemberError(f"{member.name!r} is cut short")
                if not samples or samples[-1][0] != key:
                    samples.append((key, {}))
                if extension in samples[-1][1]:
                    raise MemberError(f"{member.name!r} is there twice")
                samples[-1][1][extension] = view[member.offset_data : stop]
    except MemberError:
        raise
    except Exception as error:  # tarfile raises nearly anything at headers that nobody wrote
        raise MemberError(str(error) or type(error).__name__) from error
    return samples


def key_fault(key: str) -> str | None:
    """Why a sample can't have this key, if it can't."""
    if len(key) > _LONGEST_KEY:
        return f"its name is longer than {_LONGEST_KEY} characters"
    if not is_inside(key):
        return "its name is no plain one (printable, relative, without .. or \\)"
    return None


def name_of(member: tarfile.TarInfo) -> tuple[str, str]:
    """Key and extension, in lower case, of a member.

    Raises:
        MemberError: it is no plain file of a sample.
    """
    shown = ascii(member.name[:_LONGEST_KEY])
    # Whatever its type says: a negative size would send tarfile back to members it has passed.
    if not member.isreg() or member.issparse() or member.size < 0:
        raise MemberError(f"{shown} is no plain file")
    # As `tar -cf x.tar .` names members.
    key, extension = base_plus_ext(member.name.removeprefix("./"))
    if key is None:
        raise MemberError(f"{shown} is no KEY.EXTENSION")
    fault = key_fault(key) or key_fault(extension)
    if fault is not None:
        raise MemberError(f"{shown}: {fault}")
    return key, extension.lower()
