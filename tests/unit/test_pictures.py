from __future__ import annotations

import base64
import io
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from advent_dist.data.class_sets import CAMVID_11
from advent_dist.pictures import colourise, heat_map, overlay, panel, to_data_uri, to_png


def test_colourise_uses_the_palette_and_black() -> None:
    label = np.array([[0, 8, 255, 11]], dtype=np.uint8)
    assert colourise(label, CAMVID_11.palette).tolist() == [
        [list(CAMVID_11.palette[0]), list(CAMVID_11.palette[8]), [0, 0, 0], [0, 0, 0]]
    ]


def test_heat_map_brightens_evenly() -> None:
    painted = heat_map(np.linspace(0, 1, 101)[None]).astype(float)[0]
    assert painted[0].tolist() == [0, 0, 4]
    assert painted[-1].tolist() == [252, 255, 164]
    lightness = painted @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) > 0).all()


def test_heat_map_clips() -> None:
    assert (heat_map(np.array([[-1.0, 2.0]])) == heat_map(np.array([[0.0, 1.0]]))).all()


@pytest.fixture
def photograph() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)


def test_panel_has_a_tile_for_each_picture(photograph: np.ndarray) -> None:
    label = np.full((24, 32), 8, dtype=np.uint8)
    row = panel(
        photograph,
        label,
        predictions={"source only": np.full((6, 8), 3, np.uint8), "image": label},
        entropies={"source only": np.ones((6, 8), np.float32)},
        palette=CAMVID_11.palette,
        tile_width=64,
    )
    assert row.width == 5 * 64 + 4 * 4
    centres = [row.getpixel((place * 68 + 32, row.height - 24)) for place in range(5)]
    car, road = CAMVID_11.palette[8], CAMVID_11.palette[3]
    assert centres[1:] == [car, road, (252, 255, 164), car]


def test_panel_has_captions_that_stay_in_their_tile(photograph: np.ndarray) -> None:
    def drawn(name: str) -> np.ndarray:
        prediction = {name: np.zeros((6, 8), np.uint8)}
        row = panel(photograph, None, prediction, {}, CAMVID_11.palette, tile_width=64)
        assert row.width == 2 * 64 + 4
        return np.asarray(row)[:20] < 128

    captions = drawn("a name far longer than a tile of this width has room for")
    assert captions[:, :64].any()
    assert captions[:, 68:].any()
    assert not captions[:, 64:68].any()
    assert (drawn("one") != drawn("two")).any()


def test_data_uri_holds_a_png(photograph: np.ndarray) -> None:
    image = Image.fromarray(photograph)
    uri = to_data_uri(image)
    assert uri == to_data_uri(to_png(image))
    kind, data = uri.split(",")
    assert kind == "data:image/png;base64"
    assert (np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) == photograph).all()


def test_painting_takes_the_memory_of_the_picture_alone() -> None:
    """Photographs have tens of megabytes; an index of NumPy's has eight bytes a pixel."""
    label = np.zeros((2000, 1500), np.uint8)
    image = np.full((2000, 1500, 3), 100, np.uint8)
    for paint in (
        lambda: colourise(label, [(2, 4, 6)]),
        lambda: overlay(image, image),
    ):
        tracemalloc.start()
        painted = paint()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 1.3 * painted.nbytes
