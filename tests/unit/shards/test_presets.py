"""Published data sets: tiny files in their layouts, and what becomes of each id or colour."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from advent_dist.commands.shards import main
from advent_dist.data.class_sets import CITYSCAPES_16, CITYSCAPES_19
from advent_dist.data.store import open_folder, read_manifest
from advent_dist.errors import DataError
from shards.class_files import NAMES, published
from shards.presets import PRESETS, Preset
from shards.presets.aerial import LoveDA, Potsdam, Vaihingen
from shards.presets.india import IDD, IDDLite
from shards.presets.streets import ACDC, BDD100K, KITTI, DarkZurich, UrbanSyn, Vistas
from shards.presets.weather import FoggyCityscapes, RainyCityscapes
from shards.verify import verify
from tests.unit.shards import layouts

Raw = int | tuple[int, int, int]

STREETS = (
    "road sidewalk building wall fence pole traffic_light traffic_sign vegetation terrain sky "
    "person rider car truck bus train motorcycle bicycle"
)
TRAIN_IDS: dict[Raw, str] = {
    i: name.replace("_", " ") for i, name in enumerate(STREETS.split())
} | {255: ""}
WITHOUT = ("terrain", "truck", "train")
TRAIN_IDS_16 = {i: "" if name in WITHOUT else name for i, name in TRAIN_IDS.items()}
LABEL_ID_ORDER = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
LABEL_IDS: dict[Raw, str] = dict.fromkeys(range(35), "")
LABEL_IDS |= dict(zip(LABEL_ID_ORDER, list(TRAIN_IDS.values())[:19], strict=True))

VISTAS_1: dict[Raw, str] = dict.fromkeys(range(66), "") | {
    2: "sidewalk",
    3: "fence",
    6: "wall",
    13: "road",
    15: "sidewalk",
    17: "building",
    19: "person",
    20: "rider",
    21: "rider",
    22: "rider",
    24: "road",
    27: "sky",
    29: "terrain",
    30: "vegetation",
    41: "road",
    45: "pole",
    47: "pole",
    48: "traffic light",
    50: "traffic sign",
    52: "bicycle",
    54: "bus",
    55: "car",
    57: "motorcycle",
    58: "train",
    61: "truck",
}
VISTAS_2: dict[Raw, str] = {
    4: "sidewalk",  # curb
    5: "fence",
    6: "",  # guard rail
    12: "wall",
    14: "",  # crosswalk
    17: "",  # parking
    21: "road",
    22: "",  # road shoulder
    24: "sidewalk",
    27: "building",
    30: "person",
    31: "",  # person group
    32: "rider",
    34: "rider",
    35: "road",  # dashed line
    38: "",  # ambiguous marking
    45: "",  # crosswalk
    58: "road",
    61: "sky",
    63: "terrain",
    64: "vegetation",
    74: "road",  # manhole
    85: "pole",
    86: "",  # pole group
    88: "pole",
    89: "",  # traffic cone
    90: "traffic light",
    95: "traffic light",
    97: "",  # back of a sign
    100: "traffic sign",
    103: "traffic sign",
    105: "bicycle",
    107: "bus",
    108: "car",
    110: "motorcycle",
    111: "train",
    114: "truck",
    123: "",
}
IDD_26 = (
    "road|drivable fallback|sidewalk|non-drivable fallback|person|rider|motorcycle|bicycle|"
    "autorickshaw|car|truck|bus|vehicle fallback|curb|wall|fence|guard rail|billboard|traffic sign|"
    "traffic light|pole|obs-str-bar fallback|building|bridge|vegetation|sky"
)
ISPRS: dict[Raw, str] = {
    (255, 255, 255): "impervious surface",
    (0, 0, 255): "building",
    (0, 255, 255): "low vegetation",
    (0, 255, 0): "tree",
    (255, 255, 0): "car",
    (255, 0, 0): "clutter",
    (0, 0, 0): "",
}
LOVEDA: dict[Raw, str] = dict(
    enumerate(["", "background", "building", "road", "water", "barren", "forest", "agricultural"])
)
IDD_7 = ["drivable", "non-drivable", "living thing", "vehicle", "road-side object", "far object"]


class Case(NamedTuple):
    """A preset with options, files as published, and the class of each value of their labels."""

    preset: type[Preset]
    options: dict[str, Any]
    pairs: Sequence[tuple[str, str]]
    classes: dict[Raw, str]
    others: Sequence[str] = ()
    """Images that belong to other splits, conditions and so on."""

    palette: bool = False


def potsdam(tile: str, bands: str, folder: str) -> tuple[str, str]:
    return (
        f"{folder}/top_potsdam_{tile}_{bands}.tif",
        f"5_Labels_all/top_potsdam_{tile}_label.tif",
    )


TEST_TILES = [
    "2_13",
    "2_14",
    "3_13",
    "3_14",
    "4_13",
    "4_14",
    "4_15",
    "5_13",
    "5_14",
    "5_15",
    "6_13",
    "6_14",
    "6_15",
    "7_13",
]
TRAIN_AREAS = [
    "1",
    "3",
    "5",
    "7",
    "11",
    "13",
    "15",
    "17",
    "21",
    "23",
    "26",
    "28",
    "30",
    "32",
    "34",
    "37",
]

CASES = {
    "bdd100k": Case(
        BDD100K,
        {"split": "val"},
        [
            (
                "images/10k/val/7d06fefd-f7be05a6.jpg",
                "labels/sem_seg/masks/val/7d06fefd-f7be05a6.png",
            )
        ],
        TRAIN_IDS,
        ["images/10k/train/0a0a0b1a-7c39d841.jpg", "images/100k/val/a.jpg"],
    ),
    "vistas 1.2": Case(
        Vistas,
        {"split": "validation"},
        [("validation/images/_1Gn_x.jpg", "validation/v1.2/labels/_1Gn_x.png")],
        VISTAS_1,
        ["training/images/a.jpg", "validation/v2.0/labels/_1Gn_x.png"],
        palette=True,
    ),
    "vistas 1.2 alone": Case(
        Vistas,
        {"alone": True},
        [("training/images/a-b.jpg", "training/labels/a-b.png")],
        VISTAS_1,
        palette=True,
    ),
    "vistas 2.0": Case(
        Vistas,
        {"version": "2.0"},
        [("training/images/a-b.jpg", "training/v2.0/labels/a-b.png")],
        VISTAS_2,
        palette=True,
    ),
    "acdc": Case(
        ACDC,
        {"conditions": ("fog", "snow"), "split": "val"},
        [
            (
                f"rgb_anon/{weather}/val/{drive}/{drive}_frame_000041_rgb_anon.png",
                f"gt/{weather}/val/{drive}/{drive}_frame_000041_gt_labelTrainIds.png",
            )
            for weather, drive in (("fog", "GOPR0475"), ("snow", "GP010122"))
        ],
        TRAIN_IDS,
        [
            "rgb_anon/night/val/GOPR0356/GOPR0356_frame_000321_rgb_anon.png",
            "rgb_anon/fog/val_ref/GOPR0475/GOPR0475_frame_000041_rgb_ref_anon.png",
            "gt/fog/val/GOPR0475/GOPR0475_frame_000041_gt_labelIds.png",
        ],
    ),
    "acdc, 16 classes": Case(
        ACDC,
        {"conditions": ("rain",), "class_order": "cityscapes16"},
        [
            (
                "rgb_anon/rain/train/GP010400/GP010400_frame_000001_rgb_anon.png",
                "gt/rain/train/GP010400/GP010400_frame_000001_gt_labelTrainIds.png",
            )
        ],
        TRAIN_IDS_16,
    ),
    "dark zurich": Case(
        DarkZurich,
        {"split": "val"},
        [
            (
                "rgb_anon/val/night/GOPR0356/GOPR0356_frame_000321_rgb_anon.png",
                "gt/val/night/GOPR0356/GOPR0356_frame_000321_gt_labelTrainIds.png",
            )
        ],
        TRAIN_IDS,
        ["rgb_anon/val_ref/day/GOPR0356_ref/GOPR0356_frame_000321_ref_rgb_anon.png"],
    ),
    "kitti": Case(
        KITTI,
        {},
        [("training/image_2/000000_10.png", "training/semantic/000000_10.png")],
        LABEL_IDS,
        ["testing/image_2/000000_10.png", "training/semantic_rgb/000000_10.png"],
    ),
    "urbansyn": Case(
        UrbanSyn,
        {},
        [("rgb/rgb_0001.png", "ss/ss_0001.png"), ("rgb/rgb_7539.png", "ss/ss_7539.png")],
        TRAIN_IDS | {19: ""},
        ["ss_color/ss_color_0001.png"],
    ),
    "idd": Case(
        IDD,
        {},
        [
            (
                f"leftImg8bit/train/{drive}/{name}_leftImg8bit.{ending}",
                f"gtFine/train/{drive}/{name}_gtFine_labelcsTrainIds.png",
            )
            for drive, name, ending in (("0", "005506", "png"), ("201", "frame0029", "jpg"))
        ],
        TRAIN_IDS,
        ["gtFine/train/0/005506_gtFine_labellevel3Ids.png"],
    ),
    "idd, its own classes": Case(
        IDD,
        {"split": "val", "class_order": "idd26"},
        [
            (
                "leftImg8bit/val/119/903127_leftImg8bit.png",
                "gtFine/val/119/903127_gtFine_labellevel3Ids.png",
            )
        ],
        dict(enumerate(IDD_26.split("|"))) | {255: ""},
    ),
    "idd lite": Case(
        IDDLite,
        {},
        [("leftImg8bit/train/0/024541_image.jpg", "gtFine/train/0/024541_label.png")],
        dict(enumerate([*IDD_7, "sky"])) | {255: ""},
        ["gtFine/train/0/024541_inst_label.png"],
    ),
    "foggy cityscapes": Case(
        FoggyCityscapes,
        {"beta": "0.01"},
        [
            (
                f"leftImg8bit_foggy/train/ulm/ulm_{i}_000019_leftImg8bit_foggy_beta_0.01.png",
                f"gtFine/train/ulm/ulm_{i}_000019_gtFine_labelIds.png",
            )
            for i in ("000001", "000002")
        ],
        LABEL_IDS,
        [
            "leftImg8bit_foggy/train/ulm/ulm_000001_000019_leftImg8bit_foggy_beta_0.02.png",
            "leftImg8bit_foggy/train/ulm/ulm_000001_000019_leftImg8bit_foggy_beta_0.005.png",
        ],
    ),
    "rainy cityscapes": Case(
        RainyCityscapes,
        {"split": "val"},
        [
            (
                "leftImg8bit_rain/val/lindau/lindau_000003_000019_leftImg8bit_rain_alpha_0.01_"
                f"beta_0.005_dropsize_0.01_pattern_{pattern}.png",
                "gtFine/val/lindau/lindau_000003_000019_gtFine_labelIds.png",
            )
            for pattern in (1, 12)
        ],
        LABEL_IDS,
    ),
    "loveda": Case(
        LoveDA,
        {"areas": ("Rural",)},
        [("Train/Rural/images_png/0.png", "Train/Rural/masks_png/0.png")],
        LOVEDA,
        ["Train/Urban/images_png/1366.png", "Val/Rural/images_png/2522.png"],
    ),
    "loveda, both": Case(
        LoveDA,
        {"split": "Val"},
        [
            ("Val/Rural/images_png/2522.png", "Val/Rural/masks_png/2522.png"),
            ("Val/Urban/images_png/3514.png", "Val/Urban/masks_png/3514.png"),
        ],
        LOVEDA,
    ),
    "potsdam": Case(
        Potsdam,
        {"split": "test"},
        [potsdam(tile, "RGB", "2_Ortho_RGB") for tile in TEST_TILES],
        ISPRS,
        ["2_Ortho_RGB/top_potsdam_2_10_RGB.tif", "3_Ortho_IRRG/top_potsdam_2_13_IRRG.tif"],
    ),
    "potsdam, infrared": Case(
        Potsdam,
        {"split": "test", "bands": "IRRG"},
        [potsdam(tile, "IRRG", "3_Ortho_IRRG") for tile in TEST_TILES],
        ISPRS,
    ),
    "vaihingen": Case(
        Vaihingen,
        {},
        [
            (
                f"top/top_mosaic_09cm_area{i}.tif",
                f"gts_for_participants/top_mosaic_09cm_area{i}.tif",
            )
            for i in TRAIN_AREAS
        ],
        ISPRS,
        ["top/top_mosaic_09cm_area2.tif"],
    ),
}


def raw_label(values: Sequence[Raw]) -> np.ndarray:  # type: ignore[type-arg]
    """Ids [h, w], or colours [h, w, 3], that run through all values."""
    places = np.arange(12 * 8 * 2) % len(values)
    return np.array(values, np.uint8)[places].reshape(8, 24, -1).squeeze()


def lay_out(root: Path, case: Case) -> Path:
    """Files of a case; the image of pair i is photograph i."""
    for number, (image, label) in enumerate(case.pairs):
        layouts.save(root / image, layouts.photograph(number, (24, 8)))
        layouts.save(root / label, raw_label(list(case.classes)), palette=case.palette)
    for other in case.others:
        layouts.save(root / other, layouts.photograph(99))
    return root


def expected(case: Case, names: Sequence[str]) -> np.ndarray:  # type: ignore[type-arg]
    train_ids = [names.index(name) if name else 255 for name in case.classes.values()]
    return raw_label(train_ids)


def test_each_preset_is_tried() -> None:
    assert {case.preset for case in CASES.values()} == set(PRESETS)


@pytest.mark.parametrize("name", CASES)
def test_images_and_train_ids(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    reader = case.preset(str(lay_out(tmp_path, case)), **case.options)
    items = {item.image: item for item in reader.items(labelled=True)}
    assert set(items) == {image for image, _ in case.pairs}
    for number, (image_name, label_name) in enumerate(case.pairs):
        image, label = items[image_name].load(labelled=True)
        if not image_name.endswith(".jpg"):
            np.testing.assert_array_equal(image, layouts.photograph(number, (24, 8)))
        assert items[image_name].label == label_name
        assert label is not None
        np.testing.assert_array_equal(label, expected(case, reader.classes.names))


@pytest.mark.parametrize("name", CASES)
def test_photographs_need_no_labels(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    reader = case.preset(str(lay_out(tmp_path, case)), **case.options)
    (tmp_path / case.pairs[0][1]).unlink()
    assert len(reader.items(labelled=False)) == len(case.pairs)
    with pytest.raises(DataError, match=r"have no label .*; expected layout under") as error:
        reader.items(labelled=True)
    assert case.pairs[0][0] in str(error.value)


@pytest.mark.parametrize("name", CASES)
def test_an_empty_folder_shows_the_layout(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    with pytest.raises(DataError, match="no file is there; expected layout under"):
        case.preset(str(tmp_path), **case.options).items(labelled=False)


def test_what_is_there_in_place_of_a_condition_is_named(tmp_path: Path) -> None:
    lay_out(tmp_path, CASES["acdc"])
    with pytest.raises(DataError) as error:
        ACDC(str(tmp_path), conditions=("fog", "rain"), split="val").items(labelled=False)
    said = f"{tmp_path}/rgb_anon holds 3 entries (fog, night, snow), but no image is "
    assert str(error.value).startswith(f"{said}rgb_anon/rain/val/*/*_rgb_anon.*; expected layout")
    with pytest.raises(DataError, match=r"rgb_anon/fog holds 2 entries \(val, val_ref\), but"):
        ACDC(str(tmp_path), conditions=("fog",)).items(labelled=False)
    with pytest.raises(DataError, match=r"holds 1 entries \(fog\)|holds 3 entries \(fog, night"):
        ACDC(str(tmp_path / "rgb_anon")).items(labelled=False)


def test_labels_of_one_version_alone_are_those_of_1_2(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"alone = True: version is 2\.0, but training/labels are"):
        Vistas(str(tmp_path), version="2.0", alone=True)


@pytest.mark.parametrize("name", ["kitti", "foggy cityscapes", "rainy cityscapes"])
def test_train_ids_in_place_of_label_ids_are_refused(name: str, tmp_path: Path) -> None:
    case = CASES[name]._replace(classes=TRAIN_IDS)
    reader = case.preset(str(lay_out(tmp_path, case)), **case.options)
    with pytest.raises(DataError, match="its labels hold train ids"):
        reader.items(labelled=True)
    assert reader.items(labelled=False)


@pytest.mark.parametrize("name", ["bdd100k", "acdc", "dark zurich", "urbansyn", "idd"])
def test_label_ids_in_place_of_train_ids_are_refused(name: str, tmp_path: Path) -> None:
    case = CASES[name]._replace(classes=LABEL_IDS)
    item = case.preset(str(lay_out(tmp_path, case)), **case.options).items(labelled=True)[0]
    with pytest.raises(DataError, match=r"it holds the value [\d, ]+, but labels of this data"):
        item.load(labelled=True)


def test_a_command_builds_shards_of_two_conditions(tmp_path: Path) -> None:
    root, out = lay_out(tmp_path / "acdc", CASES["acdc"]), str(tmp_path / "out")
    options = ["--conditions", "fog", "snow", "--split", "val", "--format", "png"]
    assert main(["build", "acdc", str(root), out, *options]) == 0
    manifest = read_manifest(out)
    assert manifest.class_set == CITYSCAPES_19
    assert manifest.dataset.startswith(
        "acdc conditions=fog,snow split=val class_order=cityscapes19"
    )
    assert manifest.num_samples == 2
    assert str(tmp_path) not in manifest.dataset
    assert verify(out).problems == ()


def test_a_data_set_in_object_storage(tmp_path: Path) -> None:
    root, bucket = lay_out(tmp_path, CASES["kitti"]), open_folder("memory://bucket/kitti")
    for path in (path for path in root.rglob("*") if path.is_file()):
        bucket.write(path.relative_to(root).as_posix(), path.read_bytes())
    (there,), (here,) = (
        KITTI(url).items(labelled=True) for url in ("memory://bucket/kitti", str(root))
    )
    for one, other in zip(there.load(True), here.load(True), strict=True):
        np.testing.assert_array_equal(one, other)


README = (Path(__file__).parents[3] / "shards" / "README.md").read_text()
COMMANDS = re.findall(
    r"^advent-dist shards (build (?!folder|NAME|streets)(?!.*--ray).*)$", README, re.MULTILINE
)


def test_each_preset_and_class_file_is_in_the_readme() -> None:
    for name in (*(preset.name for preset in PRESETS), *NAMES):
        assert f"`{name}`" in README, name


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_the_readme_can_be_typed(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="expected layout under"):
        main(shlex.split(command))


@pytest.mark.parametrize("name", NAMES)
def test_class_files_of_cityscapes_are_one_set(name: str) -> None:
    file = published(name)
    for known in (CITYSCAPES_19, CITYSCAPES_16):
        if file.classes.name == known.name:
            assert file.classes == known
    assert file.label_map is not None


OLD_CARLA = {
    1: ("building", (70, 70, 70)),
    2: ("fence", (100, 40, 40)),
    3: ("", (55, 90, 80)),
    4: ("person", (220, 20, 60)),
    5: ("pole", (153, 153, 153)),
    6: ("road", (157, 234, 50)),
    7: ("road", (128, 64, 128)),
    8: ("sidewalk", (244, 35, 232)),
    9: ("vegetation", (107, 142, 35)),
    10: ("car", (0, 0, 142)),
    11: ("wall", (102, 102, 156)),
    12: ("traffic sign", (220, 220, 0)),
    13: ("sky", (70, 130, 180)),
    17: ("", (180, 165, 180)),
    18: ("traffic light", (250, 170, 30)),
    22: ("terrain", (145, 170, 100)),
}
NEW_CARLA = {
    1: ("road", (128, 64, 128)),
    7: ("traffic light", (250, 170, 30)),
    11: ("sky", (70, 130, 180)),
    12: ("person", (220, 20, 60)),
    13: ("rider", (255, 0, 0)),
    14: ("car", (0, 0, 142)),
    19: ("bicycle", (119, 11, 32)),
    20: ("", (110, 190, 160)),
    24: ("road", (157, 234, 50)),
    28: ("", (180, 165, 180)),
}


@pytest.mark.parametrize(("name", "tags"), [("0.9.5", OLD_CARLA), ("0.9.14", NEW_CARLA)])
@pytest.mark.parametrize("form", ["red", "palette", "grey"])
def test_tags_of_carla(
    name: str, tags: dict[int, tuple[str, tuple[int, int, int]]], form: str, tmp_path: Path
) -> None:
    values: dict[str, Callable[[int], Raw]] = {
        "red": lambda tag: (tag, 0, 0),
        "palette": lambda tag: tags[tag][1],
        "grey": lambda tag: tag,
    }
    raw = raw_label([values[form](tag) for tag in tags])
    layouts.save(tmp_path / "rgb/0001.png", layouts.photograph(0, (24, 8)))
    (tmp_path / "seg").mkdir()
    mode = Image.fromarray(raw) if form == "grey" else Image.fromarray(raw).convert("RGBA")
    mode.save(tmp_path / "seg/0001.png")
    command = ["build", "folder", str(tmp_path), str(tmp_path / "out"), "--images", "rgb/*"]
    ids = "_ids" if form == "grey" else ""
    assert main([*command, "--labels", "seg/{path}.png", "--classes", f"carla_{name}{ids}"]) == 0
    histogram = read_manifest(str(tmp_path / "out")).class_histogram
    names = [tags[tag][0] for tag in tags]
    shares = np.bincount(np.arange(192) % len(tags), minlength=len(tags))
    for train_id, known in enumerate(CITYSCAPES_19.names):
        due = sum(int(share) for share, of in zip(shares, names, strict=True) if of == known)
        assert histogram[train_id] == due, known


def test_an_unknown_class_file_is_refused_with_the_nearest(tmp_path: Path) -> None:
    layouts.save(tmp_path / "a.png", layouts.photograph(0))
    for name, hint in (
        ("carla_0.9.140", r"did you mean carla_0\.9\.14\?"),
        ("x", "there are city"),
    ):
        with pytest.raises(DataError, match=f"--classes {name}: no such file, and no .*; {hint}"):
            main(["build", "folder", str(tmp_path), str(tmp_path / "out"), "--classes", name])
