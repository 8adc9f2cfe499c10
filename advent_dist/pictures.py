"""Pictures of labels and entropies, drawn on the CPU: what the reports and `predict` show."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

Colour = tuple[int, int, int]
"""RGB, 0..255."""

_INFERNO = np.array(
    [
        (0, 0, 4),
        (27, 12, 65),
        (74, 12, 107),
        (120, 28, 109),
        (165, 44, 96),
        (207, 68, 70),
        (237, 105, 37),
        (251, 155, 6),
        (247, 209, 61),
        (252, 255, 164),
    ],
    dtype=np.float64,
)
"""Evenly spaced colours of the perceptually uniform colour map "inferno"; linear in between."""

PNG_END = b"IEND\xaeB`\x82"
"""The last bytes of a PNG that is whole."""

_CAPTION_HEIGHT = 32
_GAP = 4


_BAND_ROWS = 64


def colourise(
    label: UInt8[np.ndarray, "h w"], palette: Sequence[Colour]
) -> UInt8[np.ndarray, "h w 3"]:
    """Paint train ids.

    Args:
        label: uint8 [h, w], train ids or 255.
        palette: one RGB colour a class.

    Returns:
        uint8 [h, w, 3], RGB; black where the label is 255 or no class of the palette.
    """
    table = np.zeros((256, 3), dtype=np.uint8)
    table[: len(palette)] = palette
    painted = np.empty((*label.shape, 3), dtype=np.uint8)
    for rows in _bands(len(label)):
        # NumPy makes an index of eight bytes of each train id.
        np.take(table, label[rows], axis=0, out=painted[rows], mode="clip")
    return painted


def overlay(
    image: UInt8[np.ndarray, "h w 3"], colours: UInt8[np.ndarray, "h w 3"]
) -> UInt8[np.ndarray, "h w 3"]:
    """The mean of an image and its classes' colours, uint8 [h, w, 3], RGB."""
    mean: np.ndarray = colours // 2
    for rows in _bands(len(mean)):
        mean[rows] += image[rows] // 2
    return mean


def _bands(height: int) -> Iterator[slice]:
    """All rows of a picture, some at a time: what is in between takes no memory then."""
    return (slice(first, first + _BAND_ROWS) for first in range(0, height, _BAND_ROWS))


def heat_map(values: Float[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """Paint values in 0..1, such as entropies: 0 is black, 1 is pale yellow.

    Args:
        values: floats [h, w]; those outside 0..1 are painted as the nearer end.

    Returns:
        uint8 [h, w, 3], RGB.
    """
    anchors = np.linspace(0, 1, len(_INFERNO))
    painted = np.empty((*values.shape, 3), dtype=np.uint8)
    for channel in range(3):
        painted[..., channel] = np.interp(values, anchors, _INFERNO[:, channel]).round()
    return painted


def draw_boxes(
    image: Image.Image,
    boxes: Sequence[Sequence[float]],
    colours: Sequence[Colour],
    captions: Sequence[str],
) -> Image.Image:
    """A copy of an image with boxes drawn on it, each in a colour and under its caption.

    Args:
        image: RGB.
        boxes: left, top, right, bottom edge of each, in pixels of the image.
        colours: RGB of each.
        captions: of each; an empty one is left out.
    """
    drawn = image.convert("RGB")
    draw = ImageDraw.Draw(drawn)
    width = max(1, round(max(drawn.size) / 400))
    height = max(10, round(max(drawn.size) / 50))
    font = ImageFont.load_default(size=height)
    # The first ones, which are the likeliest, on top.
    for box, colour, caption in reversed(list(zip(boxes, colours, captions, strict=True))):
        left, top, right, bottom = box
        edges = (left, top, max(left, right - 1), max(top, bottom - 1))
        draw.rectangle(edges, outline=colour, width=width)
        if caption:
            place = (left + width, max(top - height - 2 * width, 0))
            draw.rectangle(draw.textbbox(place, caption, font), fill=colour)
            dark = sum(colour) > 3 * 128
            draw.text(place, caption, fill=(0, 0, 0) if dark else (255, 255, 255), font=font)
    return drawn


def box_panel(tiles: Sequence[tuple[str, Image.Image]], tile_width: int = 384) -> Image.Image:
    """One row of captioned tiles: an image with the boxes of its label, and of each model.

    Args:
        tiles: caption and picture of each, one or more; the first one's shape sets that of all.
        tile_width: pixels.
    """
    width, height = tiles[0][1].size
    size = (tile_width, max(1, round(tile_width * height / width)))
    return _row([(caption, tile.resize(size)) for caption, tile in tiles])


def panel(
    image: UInt8[np.ndarray, "h w 3"],
    label: UInt8[np.ndarray, "i j"] | None,
    predictions: Mapping[str, UInt8[np.ndarray, "_ _"]],
    entropies: Mapping[str, Float[np.ndarray, "_ _"]],
    palette: Sequence[Colour],
    tile_width: int = 384,
) -> Image.Image:
    """One row of captioned tiles: image, label, then each model's prediction and entropy.

    Args:
        image: uint8 [h, w, 3], RGB; its shape sets that of all tiles.
        label: uint8 train ids or 255, of any size; none leaves the tile out.
        predictions: model's name -> uint8 train ids, of any size.
        entropies: model's name -> floats in 0..1, of any size; a model may have none.
        palette: one RGB colour a class.
        tile_width: pixels.

    Returns:
        The row, RGB.
    """
    height, width = image.shape[:2]
    size = (tile_width, max(1, round(tile_width * height / width)))

    def classes(train_ids: UInt8[np.ndarray, "_ _"]) -> Image.Image:
        # Nearest: the mean of two classes' colours would be the colour of a third.
        painted = Image.fromarray(colourise(train_ids, palette))
        return painted.resize(size, Image.Resampling.NEAREST)

    tiles = [("image", Image.fromarray(image).resize(size))]
    if label is not None:
        tiles.append(("label", classes(label)))
    for name, prediction in predictions.items():
        tiles.append((name, classes(prediction)))
        if name in entropies:
            heat = Image.fromarray(heat_map(entropies[name]))
            tiles.append((f"{name}: entropy", heat.resize(size)))
    return _row(tiles)


def _row(tiles: Sequence[tuple[str, Image.Image]]) -> Image.Image:
    """Tiles of one size side by side on white, each under its caption."""
    width, height = tiles[0][1].size
    total = len(tiles) * (width + _GAP) - _GAP
    row = Image.new("RGB", (total, _CAPTION_HEIGHT + height), (255, 255, 255))
    draw, font = ImageDraw.Draw(row), ImageFont.load_default(size=22)
    for place, (caption, tile) in enumerate(tiles):
        left = place * (width + _GAP)
        row.paste(tile, (left, _CAPTION_HEIGHT))
        while draw.textlength(caption, font) > width:
            caption = caption[:-1]
        draw.text((left + 2, 2), caption, fill=(0, 0, 0), font=font)
    return row


def to_png(image: Image.Image, title: str = "") -> bytes:
    """The image as a PNG file's bytes; a title travels in it, as PNG's keyword of that name."""
    buffer, texts = io.BytesIO(), PngInfo()
    if title:
        texts.add_itxt("Title", title)
    image.save(buffer, format="PNG", optimize=True, pnginfo=texts)
    return buffer.getvalue()


def title_of(png: bytes) -> str:
    """The title in a PNG file; empty if it has none, or is none."""
    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
            return str(image.info.get("Title", ""))
    except Exception:  # Pillow raises nearly anything at a damaged file
        return ""


def to_data_uri(image: Image.Image | bytes, media_type: str = "image/png") -> str:
    """The image, or the bytes of a file of that type, as a `data:` URI for an HTML page."""
    data = image if isinstance(image, bytes) else to_png(image)
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"
