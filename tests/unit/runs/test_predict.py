from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from advent_dist.data.classes import CAMVID_11
from advent_dist.errors import DataError
from advent_dist.evaluation.counts import pixel_entropy
from advent_dist.runs.predict import predict

CPU = torch.device("cpu")
SIZE = (16, 8)


def by_redness(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Class 8 where the image is red, else class 3, more surely the redder or the darker it is."""
    assert image.shape == (1, 3, SIZE[1], SIZE[0])
    assert image.dtype == torch.uint8
    red = torch.nn.functional.interpolate(image[:, :1].float(), size)[:, 0]
    logits = torch.zeros(1, 11, *size)
    logits[:, 8] = (red - 128) / 16
    logits[:, 3] = (128 - red) / 16
    return logits


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:, 30:, 0] = 255
    Image.fromarray(pixels).save(folder / "left.png")
    Image.new("L", (30, 50), 200).save(folder / "Grey.JPG")
    (folder / "notes.txt").write_text("no image")
    return folder


def run(images: Path, out: Path) -> int:
    return predict(by_redness, images, out, CAMVID_11, SIZE, CPU)


def read(file: Path) -> np.ndarray:
    return np.asarray(Image.open(file))


def test_predict_writes_three_pictures_an_image(photographs: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    assert run(photographs, out) == 2
    kinds = ("color", "entropy", "trainid")
    assert sorted(file.name for file in out.iterdir()) == [
        *(f"Grey_{kind}.png" for kind in kinds),
        *(f"left_{kind}.png" for kind in kinds),
    ]
    train_ids = read(out / "left_trainid.png")
    assert train_ids.dtype == np.uint8
    assert train_ids.shape == (40, 60)
    assert (train_ids[:, :27] == 3).all()
    assert (train_ids[:, 33:] == 8).all()
    palette = np.array(CAMVID_11.palette, np.uint8)
    assert (read(out / "left_color.png") == palette[train_ids]).all()
    assert read(out / "Grey_trainid.png").shape == (50, 30)


def test_entropy_picture_is_255_times_the_entropy(photographs: Path, tmp_path: Path) -> None:
    run(photographs, tmp_path / "out")
    # A grey of 200 is far enough from 128 to be sure, yet not certain.
    image = torch.full((1, 3, SIZE[1], SIZE[0]), 200, dtype=torch.uint8)
    expected = 255 * pixel_entropy(by_redness(image, (50, 30)))[0].numpy()
    written = read(tmp_path / "out" / "Grey_entropy.png")
    assert 0 < expected.min() < 255
    assert np.abs(written - expected).max() <= 1


def test_a_turned_photograph_is_read_as_it_is_seen(photographs: Path, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    Image.new("RGB", (30, 50)).save(photographs / "Grey.JPG", exif=exif)
    run(photographs, tmp_path / "out")
    assert read(tmp_path / "out" / "Grey_color.png").shape == (30, 50, 3)


def test_unreadable_images_are_named_after_the_others(photographs: Path, tmp_path: Path) -> None:
    (photographs / "a_text.png").write_text("no image")
    cut = (photographs / "left.png").read_bytes()[:60]
    (photographs / "b_cut.png").write_bytes(cut)
    with pytest.raises(DataError, match=r"2 of 4 .*a_text\.png .*b_cut\.png"):
        run(photographs, tmp_path / "out")
    assert (tmp_path / "out" / "left_color.png").exists()


def test_images_of_more_than_8_bits_are_not_cut_off(photographs: Path, tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 6), 3000, np.uint16)).save(photographs / "deep.png")
    with pytest.raises(
        DataError, match=r"1 of 3 .*deep\.png \(it has the mode I.*8 bits a channel"
    ):
        run(photographs, tmp_path / "out")


def test_folders_that_cannot_work_are_refused(photographs: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="missing: there is no such folder"):
        run(tmp_path / "missing", tmp_path / "out")
    with pytest.raises(DataError, match="give another folder"):
        run(photographs, photographs.parent / "." / photographs.name)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"holds no \.jpg"):
        run(tmp_path / "empty", tmp_path / "out")
    Image.new("RGB", (4, 4)).save(photographs / "left.jpg")
    with pytest.raises(DataError, match="several files are called left"):
        run(photographs, tmp_path / "out")
    assert not (tmp_path / "out").exists()
