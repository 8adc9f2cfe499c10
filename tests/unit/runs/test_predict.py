from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from advent_dist.data.class_sets import CAMVID_11
from advent_dist.data.store import open_folder
from advent_dist.errors import DataError
from advent_dist.evaluation.certainty import pixel_entropy
from advent_dist.models.upsampling import CoarseLogits
from advent_dist.runs.bands import CoarsePredictor
from advent_dist.runs.images import find_images
from advent_dist.runs.predict import Predictor
from advent_dist.runs.prediction import Predicted, predict_missing
from advent_dist.runs.results import Results
from tests.shard_helpers import examples, write_shards

CPU = torch.device("cpu")
SIZE = (16, 8)
KINDS = ("color", "entropy", "trainid")


def by_redness(image: Tensor) -> CoarseLogits:
    """Class 8 where the image is red, else class 3, more surely the redder or the darker it is."""
    assert image.shape == (1, 3, SIZE[1], SIZE[0])
    assert image.dtype == torch.uint8
    red = image[:, 0].float()
    logits = torch.zeros(1, 11, *red.shape[1:])
    logits[:, 8] = (red - 128) / 16
    logits[:, 3] = (128 - red) / 16
    return CoarseLogits(values=logits, align_corners=True)


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:, 30:, 0] = 255
    Image.fromarray(pixels).save(folder / "left.png")
    Image.new("L", (30, 50), 200).save(folder / "Grey.JPG")
    return folder


def run(
    images: Path | str,
    out: Path | str,
    *predictors: CoarsePredictor,
    by: str = "x",
    overlays: bool = False,
) -> Predicted:
    found, folder = find_images(str(images), str(out)), open_folder(str(out))
    results = Results(folder, CAMVID_11.palette, overlays=overlays)
    predictor = Predictor(
        predictors=predictors or [by_redness],
        images=found,
        results=results,
        classes=CAMVID_11,
        size=SIZE,
        device=CPU,
        by=by,
    )
    return predict_missing(found, results, by, predictor.predict)


def read(file: Path) -> np.ndarray:
    return np.asarray(Image.open(file))


def test_predict_writes_three_pictures_an_image(photographs: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    run(photographs, out)
    assert sorted(file.name for file in out.iterdir()) == [
        *(f"Grey_{kind}.png" for kind in KINDS),
        *(f"left_{kind}.png" for kind in KINDS),
    ]
    train_ids = read(out / "left_trainid.png")
    assert train_ids.dtype == np.uint8
    assert train_ids.shape == (40, 60)
    assert (train_ids[:, :27] == 3).all()
    assert (train_ids[:, 33:] == 8).all()
    palette = np.array(CAMVID_11.palette, np.uint8)
    assert (read(out / "left_color.png") == palette[train_ids]).all()
    assert read(out / "Grey_trainid.png").shape == (50, 30)


def test_results_lie_as_the_images_do(photographs: Path, tmp_path: Path) -> None:
    (photographs / "day" / "left").mkdir(parents=True)
    for suffix in ("webp", "TIF"):
        Image.new("RGB", (8, 6)).save(photographs / "day" / "left" / f"{suffix}.{suffix}")
    run(photographs, tmp_path / "out")
    found = {str(file.relative_to(tmp_path / "out")) for file in tmp_path.glob("out/**/*.png")}
    names = ("left", "Grey", "day/left/webp", "day/left/TIF")
    assert found == {f"{name}_{kind}.png" for name in names for kind in KINDS}


def test_from_object_storage_to_object_storage(photographs: Path) -> None:
    open_folder("memory://photographs/a").write("b.png", (photographs / "left.png").read_bytes())
    run("memory://photographs", "memory://predictions/x")
    run("memory://photographs/a/b.png", "memory://predictions/one")
    results = open_folder("memory://predictions")
    assert results.walk() == [
        *(f"one/b_{kind}.png" for kind in KINDS),
        *(f"x/a/b_{kind}.png" for kind in KINDS),
    ]
    assert results.read("one/b_color.png") == results.read("x/a/b_color.png")


def test_entropy_picture_is_255_times_the_entropy(photographs: Path, tmp_path: Path) -> None:
    run(photographs, tmp_path / "out")
    # A grey of 200 is far enough from 128 to be sure, yet not certain.
    image = torch.full((1, 3, SIZE[1], SIZE[0]), 200, dtype=torch.uint8)
    expected = 255 * pixel_entropy(by_redness(image).upsample((50, 30)))[0].numpy()
    written = read(tmp_path / "out" / "Grey_entropy.png")
    assert 0 < expected.min() < 255
    assert np.abs(written - expected).max() <= 1


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("number", [1, 2], ids=["one run", "an ensemble"])
def test_a_large_picture_is_predicted_as_in_one_piece(
    number: int, align_corners: bool, tmp_path: Path
) -> None:
    random = torch.Generator().manual_seed(number)
    outputs = [
        CoarseLogits(
            values=3 * torch.randn(1, 11, 9, 13, generator=random), align_corners=align_corners
        )
        for _ in range(number)
    ]
    Image.new("RGB", (1037, 613)).save(tmp_path / "large.png")  # ten bands and a rest
    run(tmp_path / "large.png", tmp_path / "out", *(lambda _, one=one: one for one in outputs))
    logits = torch.stack([one.upsample((613, 1037)) for one in outputs]).mean(0)
    train_ids = logits[0].argmax(0).numpy()
    assert len(np.unique(train_ids)) == 11
    assert (read(tmp_path / "out" / "large_trainid.png") == train_ids).all()
    entropy = (255 * pixel_entropy(logits)[0]).round().int().numpy()
    assert np.abs(read(tmp_path / "out" / "large_entropy.png") - entropy).max() <= 1


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
    first, second = run(photographs, tmp_path / "out").unreadable
    assert "a_text.png" in first
    assert "b_cut.png" in second
    assert (tmp_path / "out" / "left_color.png").exists()


def test_images_of_more_than_8_bits_are_not_cut_off(photographs: Path, tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 6), 3000, np.uint16)).save(photographs / "deep.png")
    (said,) = run(photographs, tmp_path / "out").unreadable
    assert re.search(r"deep\.png: it has the mode I.*8 bits a channel", said)


def test_what_is_there_is_not_made_again(photographs: Path, tmp_path: Path) -> None:
    """But what was not written to its end, of another image or by another model, is."""
    out = tmp_path / "out"
    first = run(photographs, out)
    assert (first.new, list(first.seen)) == (2, ["Grey.JPG", "left.png"])
    pictures = {file: file.read_bytes() for file in out.iterdir()}
    again = run(photographs, out, _never)
    assert (again.new, again.seen) == (0, first.seen)
    (out / "left_entropy.png").unlink()
    assert run(photographs, out).new == 1
    (out / "left_entropy.png").write_bytes(pictures[out / "left_entropy.png"][:-20])
    (out / "Grey_trainid.png").unlink()
    assert run(photographs, out).new == 2
    assert {file: file.read_bytes() for file in out.iterdir()} == pictures
    Image.new("L", (30, 50), 10).save(photographs / "Grey.JPG")
    assert run(photographs, out).new == 1
    assert run(photographs, out, by="y").new == 2


def _never(image: Tensor) -> CoarseLogits:
    raise AssertionError("there is nothing to be done")


def test_a_note_is_what_the_pictures_show(photographs: Path, tmp_path: Path) -> None:
    seen = run(photographs, tmp_path / "out").seen["left.png"]
    ids, counts = np.unique(read(tmp_path / "out" / "left_trainid.png"), return_counts=True)
    assert seen.found == dict(zip(ids.tolist(), counts.tolist(), strict=True))
    entropy = read(tmp_path / "out" / "left_entropy.png") / 255
    assert seen.entropy == pytest.approx(entropy.mean(), abs=1 / 255)


@pytest.mark.parametrize("note", ["", "[]", '{"by": "x"}', "\x00", '{"by": 1, "stamp": {}}'])
def test_pictures_with_notes_of_another_version_are_made_again(
    photographs: Path, tmp_path: Path, note: str
) -> None:
    out = tmp_path / "out"
    run(photographs, out)
    texts = PngInfo()
    texts.add_text("advent_dist", note)
    Image.new("L", (60, 40)).save(out / "left_entropy.png", pnginfo=texts)
    assert run(photographs, out).new == 1


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_by_strangers_are_not_replaced(
    photographs: Path, tmp_path: Path, kind: str
) -> None:
    """Ground truth, say."""
    out = tmp_path / "out"
    out.mkdir()
    mine = out / f"left_{kind}.png"
    Image.new("L", (60, 40)).save(mine)
    before = mine.read_bytes()
    with pytest.raises(DataError, match=rf"left_{kind}\.png is not of advent-dist predict.*--out"):
        run(photographs, out)
    assert [path.name for path in out.iterdir()] == [mine.name]
    assert mine.read_bytes() == before


def test_pictures_of_two_models_are_not_taken_for_one_s(photographs: Path, tmp_path: Path) -> None:
    """What a model left that was cut off in the middle of an image, or made no overlays."""
    out = tmp_path / "out"
    run(photographs, out, by="a")
    first = {file.name: file.read_bytes() for file in out.iterdir()}
    run(photographs, out, by="b")
    (out / "left_entropy.png").write_bytes(first["left_entropy.png"])
    assert run(photographs, out, by="a").new == 2
    assert {file.name: file.read_bytes() for file in out.iterdir()} == first


def test_no_overlay_of_another_model_is_left(photographs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(photographs, out, by="a", overlays=True)
    strangers = out / "others_overlay.png"
    strangers.write_bytes((photographs / "left.png").read_bytes())
    assert len(list(out.glob("*_overlay.png"))) == 3
    run(photographs, out, by="b")
    assert list(out.glob("*_overlay.png")) == [strangers]


def test_the_bar_ends_with_all_that_was_to_be_made(
    photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    run(photographs, out)
    (out / "left_entropy.png").unlink()
    capsys.readouterr()
    assert run(photographs, out).new == 1
    assert "100%" in capsys.readouterr().err
    assert run(photographs, out).new == 0
    assert capsys.readouterr().err == ""


def test_images_of_shards(tmp_path: Path) -> None:
    """By their keys, and those that are damaged are named."""
    shards = tmp_path / "shards"
    write_shards(str(shards), examples(7, SIZE), labelled=False)
    found = run(shards, tmp_path / "out")
    assert list(found.seen) == [f"s{number:04d}" for number in range(7)]
    for number, one in enumerate(examples(7, SIZE)):
        Image.fromarray(one.image).save(tmp_path / f"s{number:04d}.png")
        run(tmp_path / f"s{number:04d}.png", tmp_path / "one")
        kinds = [f"s{number:04d}_{kind}.png" for kind in KINDS]
        for kind in kinds:
            assert (read(tmp_path / "out" / kind) == read(tmp_path / "one" / kind)).all()
    assert run(shards, tmp_path / "out").new == 0
    images = find_images(str(shards), str(tmp_path / "again"))
    first, *_, last = list(images.stamps)
    assert isinstance(next(images.each([last])), Image.Image)
    tar = shards / "shard-00000.tar"
    data = bytearray(tar.read_bytes())
    data[600] ^= 1
    tar.write_bytes(data)
    damaged = next(images.each([first]))
    assert isinstance(damaged, DataError)
    assert "shard-00000.tar" in str(damaged)
    with pytest.raises(DataError, match="give another folder than that of the shards"):
        find_images(str(shards), f"{shards}/")
