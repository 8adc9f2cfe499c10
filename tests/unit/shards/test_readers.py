from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from advent_dist.data.class_sets import CITYSCAPES_16, CITYSCAPES_19
from advent_dist.errors import DataError
from shards.camvid import CamVid
from shards.cityscapes import Cityscapes
from shards.dataset import describe
from shards.gta5 import GTA5
from shards.synthia import Synthia
from tests.unit.shards import layouts

IDS_TO_19 = {7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11}
IDS_TO_19 |= {25: 12, 26: 13, 27: 14, 28: 15, 31: 16, 32: 17, 33: 18}
SYNTHIA_TO_16 = {3: 0, 4: 1, 2: 2, 21: 3, 5: 4, 7: 5, 15: 6, 9: 7, 6: 8, 1: 9, 10: 10, 17: 11}
SYNTHIA_TO_16 |= {8: 12, 19: 13, 12: 14, 11: 15}


def mapped(values: list[int], train_ids: dict[int, int]) -> np.ndarray:
    return layouts.ids([train_ids.get(value, 255) for value in values])


def test_camvid_reads_splits_and_ignores_void(tmp_path: Path) -> None:
    root = layouts.camvid(tmp_path)
    items = CamVid(root, splits=("train", "val")).items(labelled=True)
    assert [item.key for item in items] == ["0001TP_1", "0006R0_2", "0016E5_3", "0016E5_4"]
    image, label = items[1].load(labelled=True)
    np.testing.assert_array_equal(image, layouts.photograph(1))
    np.testing.assert_array_equal(label, layouts.ids([*range(11), 255]))


def test_camvid_chooses_sequences(tmp_path: Path) -> None:
    root = layouts.camvid(tmp_path)
    dusk = CamVid(root, sequences=("0001TP",)).items(labelled=True)
    day = CamVid(root, sequences=("0016E5", "0006R0")).items(labelled=True)
    assert [item.key for item in dusk] == ["0001TP_1"]
    assert [item.key for item in day] == ["0006R0_2", "0016E5_3"]
    with pytest.raises(DataError, match="--sequences Seq05VD: no file"):
        CamVid(root, sequences=("Seq05VD",)).items(labelled=True)


def test_camvid_refuses_a_value_that_it_does_not_have(tmp_path: Path) -> None:
    (item, *_) = CamVid(layouts.camvid(tmp_path, values=[0, 1, 12])).items(labelled=True)
    with pytest.raises(DataError, match=r"trainannot/0001TP_1\.png: it holds the value 12"):
        item.load(labelled=True)


def test_gta5_maps_palette_indices(tmp_path: Path) -> None:
    first, second = GTA5(layouts.gta5(tmp_path)).items(labelled=True)
    assert (first.key, second.key) == ("00001", "00002")
    _, label = first.load(labelled=True)
    np.testing.assert_array_equal(label, mapped(list(range(35)), IDS_TO_19))


def test_ids_that_the_data_set_does_not_have_are_refused(tmp_path: Path) -> None:
    root = layouts.gta5(tmp_path)
    layouts.save(root / "labels" / "00001.png", layouts.ids([7, 26, 77]))
    (item, _) = GTA5(root).items(labelled=True)
    with pytest.raises(DataError, match=r"00001\.png: it holds the value 77, but .* 0\.\.34, 255;"):
        item.load(labelled=True)


def test_train_ids_in_place_of_label_ids_are_refused(tmp_path: Path) -> None:
    gta5, cityscapes = layouts.gta5(tmp_path / "a"), layouts.cityscapes(tmp_path / "b")
    for label in (*gta5.glob("labels/*.png"), *cityscapes.glob("gtFine/*/*/*_labelIds.png")):
        layouts.save(label, layouts.ids([*range(19), 255]))
    for reader in (GTA5(gta5), Cityscapes(cityscapes)):
        with pytest.raises(DataError, match="its labels hold train ids"):
            reader.items(labelled=True)
        assert reader.items(labelled=False)


def test_images_of_any_ending_are_read(tmp_path: Path) -> None:
    gta5, cityscapes = layouts.gta5(tmp_path / "a"), layouts.cityscapes(tmp_path / "b")
    synthia, camvid = layouts.synthia(tmp_path / "c"), layouts.camvid(tmp_path / "d")
    for image in (gta5 / "images/00001.png", synthia / "RGB/0000001.png"):
        image.rename(image.with_suffix(".jpg"))
    for image in cityscapes.glob("leftImg8bit/*/*/*.png"):
        image.rename(image.with_suffix(".JPEG"))
    for label in cityscapes.glob("gtFine/*/*/*.png"):
        label.rename(label.with_suffix(".PNG"))
    for image in camvid.glob("train*/*.png"):
        image.rename(image.with_suffix(".PNG"))
    numbers = []
    for reader in (GTA5(gta5), Synthia(synthia), Cityscapes(cityscapes), CamVid(camvid)):
        items = reader.items(labelled=True)
        numbers.append(len(items))
        assert all(item.load(labelled=True)[1] is not None for item in items)
    assert numbers == [2, 2, 2, 3]


def test_two_images_of_one_name_both_count(tmp_path: Path) -> None:
    """So that the build refuses them, in place of leaving one out."""
    root = layouts.cityscapes(tmp_path)
    twin = root / "leftImg8bit/train/ulm/ulm_000002_000019_leftImg8bit.png"
    layouts.save(twin.with_suffix(".bmp"), layouts.photograph(0))
    items = Cityscapes(root).items(labelled=True)
    assert [item.key for item in items[1:]] == ["ulm_000002_000019"] * 2


def test_a_photograph_is_turned_upright_with_its_label(tmp_path: Path) -> None:
    root = layouts.gta5(tmp_path, label_size=(8, 12))
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = layouts.photograph(1)
    Image.fromarray(stored).save(root / "images" / "00001.png", exif=exif)
    image, label = GTA5(root).items(labelled=True)[0].load(labelled=True)
    np.testing.assert_array_equal(image, np.rot90(stored, -1))
    assert label is not None
    assert label.shape == image.shape[:2]


def test_a_label_of_synthia_that_is_too_large_or_no_png_is_refused(tmp_path: Path) -> None:
    root = layouts.synthia(tmp_path)
    first, second = sorted((root / "GT" / "LABELS").iterdir())
    whole = first.read_bytes()
    first.write_bytes(whole[:16] + struct.pack(">2I", 20_000, 10_000) + whole[24:])
    second.write_bytes(whole[:40])
    items = Synthia(root).items(labelled=True)
    with pytest.raises(DataError, match=r"0000000\.png: it has 20000x10000 pixels, but at most"):
        items[0].load(labelled=True)
    with pytest.raises(DataError, match=r"0000001\.png: it can't be read"):
        items[1].load(labelled=True)
    second.write_bytes(b"")
    with pytest.raises(DataError, match=r"0000001\.png: it is no PNG"):
        items[1].load(labelled=True)


def test_synthia_reads_the_class_of_16_bit_labels(tmp_path: Path) -> None:
    root = layouts.synthia(tmp_path)
    _, label = Synthia(root).items(labelled=True)[0].load(labelled=True)
    np.testing.assert_array_equal(label, mapped(list(range(23)), SYNTHIA_TO_16))

    _, wide = Synthia(root, class_order="cityscapes19").items(labelled=True)[0].load(labelled=True)
    assert label is not None
    assert wide is not None
    for sixteen, nineteen in zip(label.ravel(), wide.ravel(), strict=True):
        names = [
            None if number == 255 else classes.names[number]
            for number, classes in ((sixteen, CITYSCAPES_16), (nineteen, CITYSCAPES_19))
        ]
        assert names[0] == names[1]


def test_synthia_refuses_labels_in_another_channel_order_or_depth(tmp_path: Path) -> None:
    root = layouts.synthia(tmp_path)
    first, second = sorted((root / "GT" / "LABELS").iterdir())
    swapped = np.full((8, 12, 3), 3000, np.uint16)
    layouts.save_16_bit_rgb(first, swapped)
    layouts.save(second, layouts.photograph(0))
    items = Synthia(root).items(labelled=True)
    with pytest.raises(DataError, match=r"0000000\.png: its red channel holds the value 3000"):
        items[0].load(labelled=True)
    with pytest.raises(DataError, match=r"0000001\.png: it has 3 channels of uint8"):
        items[1].load(labelled=True)


def test_cityscapes_finds_cities_and_both_class_sets(tmp_path: Path) -> None:
    root = layouts.cityscapes(tmp_path)
    items = Cityscapes(root).items(labelled=True)
    assert [item.key for item in items] == ["aachen_000001_000019", "ulm_000002_000019"]
    assert [i.key for i in Cityscapes(root, split="val").items(True)] == ["lindau_000003_000019"]
    _, label = items[0].load(labelled=True)
    np.testing.assert_array_equal(label, mapped(list(range(34)), IDS_TO_19))

    shared = {
        raw: CITYSCAPES_16.names.index(CITYSCAPES_19.names[train])
        for raw, train in IDS_TO_19.items()
        if CITYSCAPES_19.names[train] not in ("terrain", "truck", "train")
    }
    _, label = Cityscapes(root, class_order="cityscapes16").items(True)[0].load(labelled=True)
    np.testing.assert_array_equal(label, mapped(list(range(34)), shared))


def test_missing_folders_show_the_layout(tmp_path: Path) -> None:
    for reader, folder in (
        (CamVid(tmp_path), "train"),
        (GTA5(tmp_path), "images"),
        (Synthia(tmp_path), "RGB"),
        (Cityscapes(tmp_path), "leftImg8bit/train"),
    ):
        with pytest.raises(DataError, match=f"{folder} does not exist; expected layout"):
            reader.items(labelled=False)


def test_labels_are_needed_only_for_labelled_shards(tmp_path: Path) -> None:
    root = layouts.gta5(tmp_path)
    (root / "labels" / "00002.png").unlink()
    assert GTA5(root).items(labelled=False)[1].load(labelled=False)[1] is None
    with pytest.raises(DataError, match=r"labels/00002\.png is missing"):
        GTA5(root).items(labelled=True)


def test_damaged_and_coloured_labels_are_named(tmp_path: Path) -> None:
    root = layouts.gta5(tmp_path)
    first, second = sorted((root / "labels").iterdir())
    first.write_bytes(first.read_bytes()[:60])
    layouts.save(second, layouts.photograph(0))
    items = GTA5(root).items(labelled=True)
    with pytest.raises(DataError, match=r"00001\.png: it can't be read"):
        items[0].load(labelled=True)
    with pytest.raises(DataError, match=r"00002\.png: a RGB image is no label"):
        items[1].load(labelled=True)


def test_images_of_more_than_8_bits_are_refused(tmp_path: Path) -> None:
    root = layouts.gta5(tmp_path)
    layouts.save(root / "images" / "00001.png", np.full((8, 12), 3000, np.uint16))
    with pytest.raises(DataError, match=r"00001\.png: it has the mode I.*; write 8 bits a channel"):
        GTA5(root).items(labelled=True)[0].load(labelled=True)


def test_a_description_leaves_out_the_place() -> None:
    reader = CamVid(Path("/home/somebody/camvid"), sequences=("0016E5", "0006R0"))
    assert describe(reader) == "camvid splits=train sequences=0016E5,0006R0"
    train, val = (describe(Cityscapes(Path("/home"), split=split)) for split in ("train", "val"))
    assert train == "cityscapes split=train class_order=cityscapes19"
    assert train != val
