"""What was predicted in many images as a video, for people to look at; by PyAV, an extra."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from advent_dist.config.require import require
from advent_dist.data.store import open_file
from advent_dist.errors import ConfigError
from advent_dist.runs.prediction import Results, ahead
from advent_dist.training.scratch import disk_full_is_said, own_folder

ENDING = ".mp4"
"""Of its name: H.264 in MP4, which every browser shows."""

FPS = 10.0
"""Frames a second, where nothing else is asked for."""

_LEAST_FPS, _MOST_FPS = 0.01, 120
_LONGEST_SIDE = 1920
"""Pixels: not every player takes more."""


def check_video(video: str | None, fps: float | None) -> None:
    """Refuse what can't be made, before anything is predicted.

    Raises:
        ConfigError: the name or the frame rate can't be, or PyAV is not installed.
        DataError: there is no such storage.
    """
    if video is None:
        require(fps is None, "--fps", fps, "it is of use with --video only")
        return
    require(video.lower().endswith(ENDING), "--video", video, f"give a name that ends in {ENDING}")
    if fps is not None:
        fits = _LEAST_FPS <= fps <= _MOST_FPS
        require(fits, "--fps", fps, f"give {_LEAST_FPS} to {_MOST_FPS}")
    folder, name = open_file(video)
    is_folder = folder.is_local and Path(folder.path, name).expanduser().is_dir()
    require(not is_folder, "--video", video, "a folder is there; give another name")
    if find_spec("av") is None:
        raise ConfigError(
            f"--video {video}: writing videos takes PyAV; pip install 'advent-dist[video]'"
        )


def write_video(names: Iterable[str], results: Results, fps: float, video: str) -> int:
    """Write the pictures of these images, in natural order; a video that is there is replaced.

    The first picture sets the size of all; one of another shape is made to fit, on black.

    Args:
        names: the images, one or more, whose results are there.
        results: what was written of each.
        fps: frames a second.
        video: the file's path or URL.

    Returns:
        The number of frames.

    Raises:
        DataError: a picture can't be read, or the video can't be written.
    """
    ordered = sorted(names, key=natural_order)
    folder, file = open_file(video)
    with own_folder() as temporary, ThreadPoolExecutor(1, "read") as reading:
        film = temporary / f"film{ENDING}"
        with disk_full_is_said(temporary):
            _encode(ahead(reading, (results.picture(name) for name in ordered)), fps, film)
        folder.upload(file, film)
    return len(ordered)


def natural_order(name: str) -> tuple[object, ...]:
    """Key of a path by which `2/9.png` comes before `2/10.png`, and that before `10/1.png`."""
    parts = [re.split(r"([0-9]+)", part) for part in name.split("/")]
    numbered = [[int(one) if i % 2 else one for i, one in enumerate(part)] for part in parts]
    return (numbered, name)


def _encode(pictures: Iterator[Image.Image], fps: float, film: Path) -> None:
    import av

    # With its index in front it begins to play before all of it has arrived.
    with av.open(str(film), "w", options={"movflags": "faststart"}) as container:
        stream: Any = None
        for picture in pictures:
            if stream is None:
                stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
                stream.width, stream.height = frame_size(picture.size)
                stream.pix_fmt = "yuv420p"  # the one that every player knows
            frame = ImageOps.pad(picture, (stream.width, stream.height), color=(0, 0, 0))
            container.mux(stream.encode(av.VideoFrame.from_image(frame)))
        container.mux(stream.encode())


def frame_size(size: tuple[int, int]) -> tuple[int, int]:
    """Width and height of the frames for a picture's: even ones, which H.264's colours need."""
    shrink = min(1.0, _LONGEST_SIDE / max(size))
    width, height = (max(2, 2 * round(side * shrink / 2)) for side in size)
    return width, height
