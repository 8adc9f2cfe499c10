from __future__ import annotations

import shutil
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest
from scipy.ndimage import find_objects
from scipy.ndimage import label as regions

from advent_dist.config import DataConfig
from advent_dist.data.box_file import decode_boxes
from advent_dist.data.class_sets import CITYSCAPES_19, CITYSCAPES_BOXES_8
from advent_dist.data.members import samples_in
from advent_dist.data.store import read_manifest
from advent_dist.errors import DataError
from shards.options import BuildOptions
from shards.streets import LOOKS, boxes_of_scene, labels, scene
from shards.streets.drawing import Camera, Drawing
from shards.streets.objects import Objects
from shards.streets.reader import Streets
from shards.streets_data import BOX_PARTS, build_streets_data, ensure_streets
from shards.verify import verify
from shards.write import build

SIZE = (160, 80)


@pytest.mark.parametrize("look", sorted(LOOKS))
def test_a_scene_is_a_function_of_its_arguments(look: str) -> None:
    image, label = scene(3, look, SIZE)
    again, label_again = scene(3, look, SIZE)
    assert image.shape == (80, 160, 3)
    assert label.shape == (80, 160)
    assert image.dtype == label.dtype == np.uint8
    np.testing.assert_array_equal(image, again)
    np.testing.assert_array_equal(label, label_again)
    assert (scene(4, look, SIZE)[1] != label).any()


def test_looks_share_the_streets_and_differ_in_appearance() -> None:
    scenes = {look: scene(5, look, SIZE) for look in LOOKS}
    for look, (image, label) in scenes.items():
        np.testing.assert_array_equal(label, scenes["clean"][1])
        others = [other for name, (other, _) in scenes.items() if name != look]
        assert all(np.abs(image.astype(int) - other).mean() > 8 for other in others)


def test_dusk_is_darker_and_fog_is_flatter_than_clean() -> None:
    pictures = {
        look: np.stack([scene(seed, look, SIZE)[0] for seed in range(5)]).astype(float)
        for look in ("clean", "dusk", "fog")
    }
    assert pictures["dusk"].mean() < 0.7 * pictures["clean"].mean()
    assert pictures["fog"].std() < 0.7 * pictures["clean"].std()


def test_every_class_occurs() -> None:
    labels = np.stack([scene(seed, "clean", SIZE)[1] for seed in range(40)])
    present = set(np.unique(labels).tolist())
    assert present - {255} == set(range(19))


def test_image_and_label_agree_to_the_pixel() -> None:
    # The rendered sky is the only bluish white-to-blue area above the horizon: measure how well a
    # label's sky covers it, as it is and moved by two pixels.
    def share_of_blue(move: int) -> float:
        hits = []
        for seed in range(5):
            image, label = scene(seed, "clean", SIZE)
            red, _, blue = np.moveaxis(image.astype(int), 2, 0)
            hits.append((blue > red + 40)[np.roll(label, move, axis=1) == 10])
        return float(np.concatenate(hits).mean())

    assert share_of_blue(0) > 0.99
    assert max(share_of_blue(-2), share_of_blue(2)) < 0.98


def test_the_reader_offers_exactly_the_looks() -> None:
    assert set(get_args(get_type_hints(Streets)["look"])) == set(LOOKS)


def test_seeds_do_not_share_scenes() -> None:
    first, second = (Streets(count=3, seed=seed).items(labelled=True) for seed in (0, 1))
    assert not {item.number for item in first} & {item.number for item in second}


def test_mistakes_are_named() -> None:
    with pytest.raises(DataError, match="look 'snow'"):
        scene(0, "snow", SIZE)
    with pytest.raises(DataError, match="streets: count = 0"):
        Streets(count=0)


def boxes_by_hand(seed: int, size: tuple[int, int]) -> dict[int, set[tuple[float, ...]]]:
    """Class -> boxes of regions of one class in the label map, where these are parted."""
    _, label = scene(seed, "clean", size)
    found: dict[int, set[tuple[float, ...]]] = {}
    for train_id, name in enumerate(CITYSCAPES_BOXES_8.names):
        marked, _ = regions(label == CITYSCAPES_19.names.index(name))
        for rows, columns in find_objects(marked):
            box = (columns.start, rows.start, columns.stop, rows.stop)
            found.setdefault(train_id, set()).add(box)
    return found


def test_boxes_hold_what_the_label_map_shows() -> None:
    """All pixels of its class lie in boxes, and boxes have some at all of their edges."""
    touched = []
    for seed in range(12):
        _, label = scene(seed, "clean", SIZE)
        boxes = boxes_of_scene(seed, SIZE)
        for train_id, name in enumerate(CITYSCAPES_BOXES_8.names):
            shown = label == CITYSCAPES_19.names.index(name)
            covered = np.zeros_like(shown)
            for left, top, right, bottom in boxes.xyxy[boxes.label == train_id]:
                place = np.s_[int(top) : int(np.ceil(bottom)), int(left) : int(np.ceil(right))]
                covered[place] = True
            assert not (shown & ~covered).any(), (seed, name)
        for (left, top, right, bottom), train_id, ignored in zip(*boxes, strict=True):
            if ignored:
                continue
            shown = label == CITYSCAPES_19.names.index(CITYSCAPES_BOXES_8.names[train_id])
            inside = shown[int(top) : int(np.ceil(bottom)), int(left) : int(np.ceil(right))]
            assert inside.any(), seed
            # A line of the drawing, which is twice as large, may be too thin for the label.
            edges = inside[:3], inside[-3:], inside[:, :3], inside[:, -3:]
            touched.append(all(edge.any() for edge in edges))
    assert len(touched) > 90
    assert np.mean(touched) > 0.98


def test_an_object_that_stands_alone_has_the_box_of_its_region() -> None:
    alone = 0
    for seed in range(20):
        regions_of = boxes_by_hand(seed, SIZE)
        boxes = boxes_of_scene(seed, SIZE)
        for train_id, found in regions_of.items():
            mine = boxes.xyxy[boxes.label == train_id]
            if len(found) == len(mine) == 1:
                alone += 1
                # A line of the drawing, which is twice as large, may be too thin for the label.
                assert np.abs(mine[0] - next(iter(found))).max() <= 2, (seed, train_id)
    assert alone > 10


def test_one_car_before_another_makes_two_boxes() -> None:
    """Which no region of a label map would."""
    parted = 0
    for seed in range(15):
        boxes, found = boxes_of_scene(seed, SIZE), boxes_by_hand(seed, SIZE)
        parted += int((boxes.label == 2).sum()) > len(found.get(2, ()))
    assert parted > 3


def test_what_is_hardly_seen_is_ignored_and_what_is_hidden_left_out() -> None:
    """A car behind a wall of which ever more is covered: by hand, on a drawing of its own."""
    objects = Objects()
    camera = Camera(width=100, height=100, focal=100, horizon=50, above_ground=0.5, bend=0)
    drawing = Drawing(camera)
    drawing.front((-90, 90), (-90, 90), 50, labels.SKY, "sky")
    objects.note(drawing)
    drawing.front((-2, 2), (0, 1), 10, labels.CAR, "paint")  # columns 30 to 70, rows 45 to 55
    objects.note(drawing)
    drawing.front((-0.5, 0.5), (0, 1), 8, labels.BUILDING, "asphalt")
    objects.note(drawing)
    boxes = objects.boxes(drawing, 1)
    assert boxes.xyxy.tolist() == [[30, 45, 71, 56]]
    assert boxes.label.tolist() == [2]
    assert boxes.ignore.tolist() == [False]
    for half, ignored in ((1.2, [False]), (1.5, [True]), (3, [])):
        drawing.front((-half, half), (-1, 2), 8, labels.BUILDING, "asphalt")
        objects.note(drawing)
        assert objects.boxes(drawing, 1).ignore.tolist() == ignored, half


def test_streets_are_the_same_with_boxes_beside_them(tmp_path: Path) -> None:
    """And without, not a word in the manifest is new."""
    options = BuildOptions(shuffle=False)
    plain = build(Streets(count=6, size=(64, 32)), str(tmp_path / "plain"), options)
    boxed = build(Streets(count=6, size=(64, 32), boxes=True), str(tmp_path / "boxed"), options)
    assert verify(str(tmp_path / "boxed")).problems == ()
    assert "boxes" not in (tmp_path / "plain" / "manifest.json").read_text()
    assert plain.boxes is None
    assert boxed.classes_of("boxes") == CITYSCAPES_BOXES_8
    assert boxed.class_histogram == plain.class_histogram
    samples = [
        dict(samples_in((tmp_path / name / "000000.tar").read_bytes()))
        for name in ("plain", "boxed")
    ]
    for key, files in samples[0].items():
        more = dict(samples[1][key])
        boxes = decode_boxes(more.pop("boxes.json"), key)
        assert {name: bytes(data) for name, data in files.items()} == {
            name: bytes(data) for name, data in more.items()
        }
        number = int(key.rsplit("_", 1)[1])
        assert boxes.xyxy.tolist() == boxes_of_scene(number, (64, 32)).xyxy.tolist()
    unlabelled = BuildOptions(shuffle=False, unlabelled=True)
    none = build(Streets(count=2, size=(64, 32), boxes=True), str(tmp_path / "none"), unlabelled)
    assert none.boxes is None


def test_streets_with_boxes_have_folders_of_their_own(tmp_path: Path) -> None:
    """Of which a run has those alone built that it reads."""
    names = ("source", "target", "evaluation")
    parts = ("clean/train", "fog/train", "fog/tune")
    folders = {name: f"streets_boxes/{part}" for name, part in zip(names, parts, strict=True)}
    sizes = {f"{name}_size": (32, 16) for name in names}
    data = DataConfig(root=str(tmp_path), labels="boxes", **folders, **sizes)
    built = build_streets_data(
        str(tmp_path), size=(32, 16), num_training=2, num_evaluation=1, processes=1, parts=BOX_PARTS
    )
    assert built == [f"{tmp_path}/{name}" for name in BOX_PARTS]
    manifests = {name: read_manifest(f"{tmp_path}/{name}") for name in BOX_PARTS}
    assert [name for name, one in manifests.items() if one.boxes is None] == [folders["target"]]
    for unread in ("clean/val", "fog/train_labelled", "fog/val"):
        shutil.rmtree(tmp_path / "streets_boxes" / unread)
    assert ensure_streets(data) == []
