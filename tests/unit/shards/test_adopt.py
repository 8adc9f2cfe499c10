"""WebDataset tars of other tools, read as they are."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from advent_dist.commands.shards import main
from advent_dist.data.evaluation_loader import EvaluationLoader
from advent_dist.data.loader import TrainingLoader
from advent_dist.data.store import read_manifest
from advent_dist.errors import DataError
from shards.verify import verify
from tests.shard_helpers import data_config
from tests.unit.shards import layouts

CLASSES = "name: two\nignore: [0]\nclasses: [{name: a, ids: [7]}, {name: b, ids: [300, 9]}]\n"
PALETTE = (
    "name: two\nclasses: [{name: a, colour: [9, 8, 7]}, {name: b, colour: [1, 1, 1]}]\n"
    "ignore_colours: [[0, 0, 0]]\n"
)
IDS = (7, 300, 9, 0)
COLOURS = ((9, 8, 7), (1, 1, 1), (1, 1, 1), (0, 0, 0))
TRAIN_IDS = (0, 1, 1, 255)


def png(pixels: np.ndarray) -> bytes:  # type: ignore[type-arg]
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def picks(number: int) -> np.ndarray:  # type: ignore[type-arg]
    return np.random.default_rng(number).integers(0, 4, (8, 12))


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def write(root: Path, *, coloured: bool = False, samples: int = 40) -> Path:
    """Two tars with folders, keys in folders, other files and members in upper case."""
    root.mkdir(parents=True, exist_ok=True)
    for shard in range(2):
        with tarfile.open(root / f"part {shard}.tar", "w", format=tarfile.PAX_FORMAT) as tar:
            folder = tarfile.TarInfo("data")
            folder.type = tarfile.DIRTYPE
            tar.addfile(folder)
            for i in range(samples):
                if i == 5:
                    add(tar, "data/README", b"in between")
                number, key = samples * shard + i, f"data/{'long' * 30}/straße.1/{i:04d}"
                chosen = picks(number)
                values = np.array(COLOURS if coloured else IDS)[chosen]
                label = png(values.astype(np.uint8 if coloured else np.uint16))
                add(tar, f"{key}.PNG", png(layouts.photograph(number)))
                add(tar, f"{key}.json", b"{}")
                add(tar, f"{key}.seg.png", label)
    (root / "classes.yaml").write_text(PALETTE if coloured else CLASSES)
    return root


def command(root: Path) -> list[str]:
    classes = str(root / "classes.yaml")
    return ["adopt", str(root), "--image", "png", "--label", "seg.png", "--classes", classes]


@pytest.mark.parametrize("coloured", [False, True])
def test_tars_are_read_as_they_are(tmp_path: Path, coloured: bool) -> None:
    root = write(tmp_path / "source", coloured=coloured)
    before = {path.name: path.read_bytes() for path in root.glob("*.tar")}
    assert main(command(root)) == 0
    assert {path.name: path.read_bytes() for path in root.glob("*.tar")} == before
    manifest = read_manifest(str(root))
    assert [[b.num_samples for b in shard.blocks] for shard in manifest.shards] == [[5, 32, 3]] * 2
    counts = sum(np.bincount(np.array(TRAIN_IDS)[picks(i)].ravel(), minlength=2) for i in range(80))
    assert list(manifest.class_histogram) == list(counts[:2])  # type: ignore[index]
    assert manifest.class_pixels is not None
    assert manifest.class_pixels.sum(0).tolist() == list(counts[:2])  # type: ignore[index]
    verdict = verify(str(root))
    assert (verdict.problems, verdict.num_samples) == ((), 80)
    assert main(["show", str(root), "--out", str(tmp_path / "page.html"), "--samples", "3"]) == 0

    data = data_config(tmp_path, classes=None, target="source", evaluation_size=(12, 8))
    batches = list(EvaluationLoader(data, "source", rank=0, world_size=1))
    assert len(batches) == 80
    for number, batch in enumerate(batches):
        assert batch.keys[0].endswith(f"{number % 40:04d}")
        np.testing.assert_array_equal(batch.label[0].numpy(), np.array(TRAIN_IDS)[picks(number)])
        image = batch.image[0].permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(image, layouts.photograph(number))
    training = TrainingLoader(data, rank=0, world_size=1, seed=0)
    assert set(next(training).source_label.unique().tolist()) <= {0, 1, 255}


def test_what_macos_puts_beside_tars_is_left_alone(tmp_path: Path) -> None:
    root = write(tmp_path, samples=3)
    next(root.glob("*.tar")).with_name("._part 0.tar").write_bytes(b"macOS")
    assert main(["adopt", str(root), "--image", "PNG"]) == 0
    assert read_manifest(str(root)).num_samples == 6


def test_without_labels_no_classes_are_needed(tmp_path: Path) -> None:
    root = write(tmp_path, samples=3)
    assert main(["adopt", str(root), "--image", "PNG"]) == 0
    manifest = read_manifest(str(root))
    assert (manifest.labelled, manifest.class_set, manifest.num_samples) == (False, None, 6)
    assert verify(str(root)).problems == ()


def test_adopted_tars_are_never_replaced(tmp_path: Path) -> None:
    root = write(tmp_path, samples=3)
    main(command(root))
    with pytest.raises(DataError, match=r"manifest\.json is there already"):
        main(command(root))
    with pytest.raises(DataError, match="its tars were there before, and were adopted"):
        main(["build", "streets", str(root), "--count", "1", "--overwrite"])
    assert len(list(root.glob("*.tar"))) == 2


def pack(root: Path) -> None:
    tar = root / "part 0.tar"
    tar.write_bytes(gzip.compress(tar.read_bytes()))


def only_packed(root: Path) -> None:
    for tar in root.glob("*.tar"):
        tar.rename(f"{tar}.gz")


def cut(root: Path) -> None:
    tar = root / "part 1.tar"
    tar.write_bytes(tar.read_bytes()[:3000])


def add_sample(root: Path, image: np.ndarray, label: np.ndarray) -> None:  # type: ignore[type-arg]
    with tarfile.open(root / "part 0.tar", "w") as tar:
        add(tar, "k.png", png(image))
        add(tar, "k.seg.png", png(label))


def unknown(root: Path) -> None:
    add_sample(root, layouts.photograph(0), layouts.ids([7, 8]))


def another_size(root: Path) -> None:
    add_sample(root, layouts.photograph(0), layouts.ids([7], (6, 4)))


@pytest.mark.parametrize(
    ("spoil", "flags", "said"),
    [
        (pack, [], r"part 0\.tar: it is compressed, .* decompress it"),
        (only_packed, [], r"it holds no \*\.tar; decompress part 0\.tar\.gz"),
        (cut, [], r"part 1\.tar: it is no whole tar"),
        (unknown, [], r"part 0\.tar: sample k: its label: it holds the value 8, but"),
        (another_size, [], r"sample k: its label is 6x4, but its image is 12x8"),
        (lambda root: None, ["--label", "mask.png"], r"has no mask\.png, but json, png, seg\.png"),
        (lambda root: None, ["--image", "tif"], "--image tif: training decodes jpg, jpeg, png, w"),
        (lambda root: (root / "classes.yaml").write_text("name: x"), [], "classes is missing"),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(
    tmp_path: Path, spoil: Callable[[Path], object], flags: list[str], said: str
) -> None:
    root = write(tmp_path, samples=3)
    spoil(root)
    with pytest.raises(DataError, match=said):
        main([*command(root), *flags])
    assert not (root / "manifest.json").exists()
