"""Frames of video files, each loaded by itself; by PyAV, which is installed as an extra."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from advent_dist.errors import DataError
from shards.dataset import Pixels


@dataclass(frozen=True)
class FrameItem:
    """One frame of a video."""

    key: str

    path: str
    """The video's file."""

    number: int
    """Place of the frame, from 0."""

    time: int
    """Its time in units of the stream."""

    stamp: tuple[int, ...]

    @property
    def where(self) -> str:
        """File and frame."""
        return f"{self.path}: frame {self.number}"

    def load(self, labelled: bool) -> tuple[Pixels, Pixels | None]:
        """Decode it, from the key frame before it; see `Item.load`."""
        assert not labelled, "videos have no labels"
        return frame_at(self.path, self.time, self.where), None


def frame_times(path: str, every: int) -> dict[int, int]:
    """Which frames of a video are taken.

    Args:
        path: A local file.
        every: Of so many frames one.

    Returns:
        Number of the frame -> its time in units of the stream.

    Raises:
        DataError: it can't be decoded, or PyAV is not installed.
    """
    with _opened(path, path) as (container, stream):
        times = sorted(packet.pts for packet in container.demux(stream) if packet.pts is not None)
    if not times:
        raise DataError(f"{path}: it has no frame; leave it out")
    frame_at(path, times[0], path)  # before anything is written
    return dict(list(enumerate(times))[::every])


def frame_at(path: str, time: int, where: str) -> Pixels:
    """A frame as it is meant to be looked at: uint8 [h, w, 3], RGB.

    Args:
        path: A local file.
        time: In units of the stream.
        where: Names it in messages.

    Raises:
        DataError: it can't be decoded.
    """
    with _opened(path, where) as (container, stream):
        container.seek(time, stream=stream, backward=True)
        for frame in container.decode(stream):
            if frame.pts is not None and frame.pts >= time:
                pixels: Pixels = frame.to_ndarray(format="rgb24")
                return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))
    raise DataError(f"{where}: it can't be decoded; convert the video, or copy it again")


@contextmanager
def _opened(path: str, where: str) -> Iterator[tuple[Any, Any]]:
    try:
        import av
    except ImportError:
        raise DataError(
            f"{where}: reading videos takes PyAV; pip install 'advent-dist[video]'"
        ) from None
    try:
        # An open file, and no path: FFmpeg takes paths for more than files.
        with open(path, "rb") as file, av.open(file) as container:
            if not container.streams.video:
                raise DataError(f"{where}: there is no video in it; leave it out")
            yield container, container.streams.video[0]
    except DataError:
        raise
    except (OSError, av.error.FFmpegError) as error:
        said = getattr(error, "strerror", None) or error
        raise DataError(
            f"{where}: it can't be decoded ({said}); convert the video, or copy it again"
        ) from error
