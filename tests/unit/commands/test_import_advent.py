"""`advent-dist import-advent`: ADVENT's configs become experiments that can be trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

from advent_dist import cli
from advent_dist.commands.train import parse
from advent_dist.config import AdventConfig, Experiment, MinEntConfig
from advent_dist.config.override import override
from advent_dist.experiments import experiment
from advent_dist.experiments.file import experiment_in_file
from advent_dist.models.deeplab_v2 import DeepLabV2
from advent_dist.runs.classes import classes_of
from advent_dist.runs.preflight import check
from tests.shard_helpers import examples, write_shards

ADVENT = """\
SOURCE: GTA
TARGET: Cityscapes
NUM_WORKERS: 4
TRAIN:
  DA_METHOD: AdvEnt
  MODEL: DeepLabv2
  MULTI_LEVEL: True
  LAMBDA_ADV_MAIN: 0.001
  LAMBDA_ADV_AUX: 0.0002
TEST:
  MODE: best
"""


_DOUBLED = "".join(f"A{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 41))
"""A few lines that stand for 2^40 numbers."""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ADVENT_DIST_TRACEBACK", raising=False)
    return tmp_path


def imported(text: str, *flags: str) -> Experiment:
    Path("advent.yml").write_text(text)
    assert cli.run(["import-advent", "advent.yml", *flags]) == 0
    return experiment_in_file(flags[1] if flags else "advent.py")


def test_advent_is_the_published_experiment(capsys: pytest.CaptureFixture[str]) -> None:
    """But for its name, and for what is the user's: processes that load images."""
    made = imported(ADVENT)
    published = experiment("gta5_cityscapes_advent")
    assert made.name == "GTA2Cityscapes_DeepLabv2_AdvEnt"
    same = {"name": made.name, "data.workers_per_rank": 4}
    assert made == override(published, same)
    out, err = capsys.readouterr()
    assert out.startswith("advent.py: advent, 120000 steps\n")
    assert err == (
        "left out: TEST.MODE = 'best': both the last and the best snapshot are kept and scored\n"
    )
    assert "# Left out: TEST.MODE = 'best'" in Path("advent.py").read_text()


def test_minent_is_the_published_experiment() -> None:
    text = ADVENT.replace("AdvEnt", "MinEnt").replace("_ADV_", "_ENT_")
    made = imported(text, "--out", "other.py")
    published = experiment("gta5_cityscapes_minent")
    assert made == override(published, {"name": made.name, "data.workers_per_rank": 4})


EVERY_KEY = {
    "SOURCE": "SYNTHIA",
    "TARGET": "Cityscapes",
    "NUM_WORKERS": 2,
    "DATA_LIST_SOURCE": "lists/{}.txt",
    "DATA_LIST_TARGET": "lists/{}.txt",
    "DATA_DIRECTORY_SOURCE": "data/GTA5",
    "DATA_DIRECTORY_TARGET": "data/Cityscapes",
    "NUM_CLASSES": 16,
    "EXP_NAME": "mine",
    "EXP_ROOT": "experiments",
    "EXP_ROOT_SNAPSHOT": "snapshots",
    "EXP_ROOT_LOGS": "logs",
    "GPU_ID": 1,
    "TRAIN": {
        "SET_SOURCE": "half",
        "SET_TARGET": "extra",
        "BATCH_SIZE_SOURCE": 2,
        "BATCH_SIZE_TARGET": 2,
        "IGNORE_LABEL": 255,
        "INPUT_SIZE_SOURCE": [64, 48],
        "INPUT_SIZE_TARGET": [64, 32],
        "INFO_SOURCE": "a.json",
        "INFO_TARGET": "b.json",
        "MODEL": "DeepLabv2",
        "MULTI_LEVEL": False,
        "RESTORE_FROM": "nowhere.pth",
        "IMG_MEAN": [1, 2.0, 3.0],
        "LEARNING_RATE": 1.0e-3,
        "MOMENTUM": 0.8,
        "WEIGHT_DECAY": 0,
        "POWER": 1,
        "LAMBDA_SEG_MAIN": 0.5,
        "LAMBDA_SEG_AUX": 0.25,
        "DA_METHOD": "MinEnt",
        "LEARNING_RATE_D": 1.0e-5,
        "LAMBDA_ADV_MAIN": 0.1,
        "LAMBDA_ADV_AUX": 0.2,
        "LAMBDA_ENT_MAIN": 0.3,
        "LAMBDA_ENT_AUX": 0.4,
        "MAX_ITERS": 50,
        "EARLY_STOP": 40,
        "SAVE_PRED_EVERY": 10,
        "SNAPSHOT_DIR": "s",
        "RANDOM_SEED": 7,
        "TENSORBOARD_LOGDIR": "t",
        "TENSORBOARD_VIZRATE": 5,
    },
    "TEST": {
        "MODE": "single",
        "MODEL": ["DeepLabv2"],
        "MODEL_WEIGHT": [1],
        "MULTI_LEVEL": [True],
        "IMG_MEAN": [1.0, 2.0, 3.0],
        "RESTORE_FROM": ["a.pth"],
        "SNAPSHOT_DIR": ["s"],
        "SNAPSHOT_STEP": 5,
        "SNAPSHOT_MAXITER": 40,
        "SET_TARGET": "test",
        "BATCH_SIZE_TARGET": 3,
        "INPUT_SIZE_TARGET": [128, 64],
        "OUTPUT_SIZE_TARGET": [256, 128],
        "INFO_TARGET": "b.json",
        "WAIT_MODEL": False,
    },
}
TAKEN = {
    "data.source": "synthia/train",
    "data.target": "cityscapes16/extra",
    "data.evaluation": "cityscapes16/test",
    "data.classes": "cityscapes16",
    "data.workers_per_rank": 2,
    "data.batch_size_per_rank": 2,
    "data.evaluation_batch_size_per_rank": 3,
    "data.source_size": (64, 48),
    "data.target_size": (64, 32),
    "data.evaluation_size": (128, 64),
    "model.multi_level": False,
    "model.weights": None,
    "optimizer.segmenter_lr": 1e-3,
    "optimizer.momentum": 0.8,
    "optimizer.weight_decay": 0.0,
    "optimizer.power": 1.0,
    "optimizer.discriminator_lr": 1e-5,
    "optimizer.horizon": 50,
    "run.steps": 40,
    "run.evaluate_every": 10,
    "run.checkpoint_every": 10,
    "run.seed": 7,
}
AS_THEY_ARE = {"SOURCE", "TARGET", "TRAIN.IGNORE_LABEL", "TRAIN.MODEL", "TRAIN.DA_METHOD"}
"""Keys that say what is so here anyway, or which functions are called."""


def test_every_key_is_taken_or_named(capsys: pytest.CaptureFixture[str]) -> None:
    made = imported(yaml.safe_dump(EVERY_KEY))
    assert made == override(made, TAKEN)
    seg_and_ent = (0.5, 0.25, 0.3, 0.4)
    method = made.method
    assert isinstance(method, MinEntConfig)
    weights = (method.lambda_seg, method.lambda_seg_aux, method.lambda_ent, method.lambda_ent_aux)
    assert weights == seg_and_ent
    assert made.name == "mine"
    said = capsys.readouterr().err.splitlines()
    named = {line.split()[2] for line in said}
    assert len(named) == len(said)
    sections = {key for key, value in EVERY_KEY.items() if isinstance(value, dict)}
    keys = {f"{section}.{key}" for section in sections for key in EVERY_KEY[section]}
    keys |= EVERY_KEY.keys() - sections
    taken = {
        "NUM_WORKERS",
        "NUM_CLASSES",
        "EXP_NAME",
        *(f"TRAIN.INPUT_SIZE_{domain}" for domain in ("SOURCE", "TARGET")),
        *(f"TRAIN.BATCH_SIZE_{domain}" for domain in ("SOURCE", "TARGET")),
        *(f"TRAIN.LAMBDA_{kind}_{level}" for kind in ("SEG", "ENT") for level in ("MAIN", "AUX")),
        *(f"TRAIN.{key}" for key in ("SET_TARGET", "MULTI_LEVEL", "LEARNING_RATE", "MOMENTUM")),
        *(f"TRAIN.{key}" for key in ("WEIGHT_DECAY", "POWER", "MAX_ITERS", "EARLY_STOP")),
        *(f"TRAIN.{key}" for key in ("SAVE_PRED_EVERY", "RANDOM_SEED")),
        *(f"TEST.{key}" for key in ("SET_TARGET", "BATCH_SIZE_TARGET", "INPUT_SIZE_TARGET")),
    }
    assert named == keys - taken - AS_THEY_ARE


def test_training_takes_the_file(here: Path) -> None:
    """All that is looked at before workers start: file, flags, shards, networks, weights."""
    for folder, labelled in (("gta5/train", True), ("cityscapes/train", False)):
        samples = examples(4, size=(64, 32), num_classes=19)
        write_shards(f"data/{folder}", samples, classes="cityscapes19", labelled=labelled)
    samples = examples(3, size=(64, 32), num_classes=19)
    write_shards("data/cityscapes/val", samples, classes="cityscapes19")
    scripts = here / "advent" / "scripts"
    (scripts / "configs").mkdir(parents=True)
    weights = {f"Scale.{n}": v for n, v in DeepLabV2(multi_level=False).state_dict().items()}
    (here / "pretrained_models").mkdir()
    torch.save(
        {name: tensor for name, tensor in weights.items() if "layer6" not in name},
        here / "pretrained_models" / "imagenet.pth",
    )
    config = scripts / "configs" / "minent.yml"
    # Relative to the folder in which ADVENT's train.py is run.
    sizes = "  INPUT_SIZE_SOURCE: !!python/tuple [64, 48]\n  INPUT_SIZE_TARGET: [64, 32]\n"
    restore = "  RESTORE_FROM: ../../pretrained_models/imagenet.pth\n"
    config.write_text(f"TRAIN:\n  DA_METHOD: MinEnt\n{restore}{sizes}")
    assert cli.run(["import-advent", str(config), "--out", "minent.py"]) == 0
    chosen, _ = parse(["minent.py", "--run.steps", "3"])
    seen = check(chosen, classes_of(chosen))
    assert seen.weights is not None
    assert [part.taken for part in seen.weights.parts] == [520, 0, 0]
    assert chosen.run.steps == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "TRAIN: {LERNING_RATE: 0.1}",
            "unknown key 'TRAIN.LERNING_RATE'; did you mean LEARNING_RA",
        ),
        ("TRAIN: {}\nSAUCE: GTA", "unknown key 'SAUCE'; did you mean SOURCE?"),
        ("TRAIN: {XYZ: 1}", "unknown key 'TRAIN.XYZ'; ADVENT has no such key; take it out"),
        ("TRAIN: {MULTI_LEVEL: 1}", "TRAIN.MULTI_LEVEL = 1: input should be a valid boolean"),
        ("TRAIN: {EARLY_STOP: 1.5}", "TRAIN.EARLY_STOP = 1.5: input should be a valid integer"),
        ("TRAIN: {LEARNING_RATE: 1e-3}", "write 1.0e-3"),
        ("TRAIN: {POWER: .inf}", "TRAIN.POWER = inf: input should be a finite number"),
        ("TRAIN: {EARLY_STOP: 0}", "run.steps = 0: must be at least 1 step"),
        ("TRAIN: {INPUT_SIZE_TARGET: [3]}", "TRAIN.INPUT_SIZE_TARGET = [3]"),
        ("TRAIN: {DA_METHOD: DADA}", "TRAIN.DA_METHOD = 'DADA': give 'AdvEnt' or 'MinEnt', or"),
        ("TRAIN: {MODEL: VGG}", "TRAIN.MODEL = 'VGG': give 'DeepLabv2', or write an experiment"),
        ("TRAIN: {BATCH_SIZE_TARGET: 2}", "both domains have one batch size here; give 1"),
        ("TRAIN: {}\nSOURCE: Foggy", "SOURCE = 'Foggy': give 'GTA' or 'SYNTHIA'"),
        ("TRAIN: {}\nEXP_NAME: ../x", "name = '../x': give a name of at most"),
        ("TRAIN: {}\nTRAIN: {}", "the name 'TRAIN' stands twice"),
        (
            f"TRAIN: {{}}\nA: &a0 [1]\n{_DOUBLED}SOURCE: *a40",
            "SOURCE = [[[...], [...]], [[",
        ),
        ("TRAIN: {[1]: 2}", "it is no YAML (found unhashable key)"),
        ("TRAIN: 3", "TRAIN = 3: input should be a valid dictionary"),
        ("TEST: {MODE: single}", "it has no TRAIN, so it is for ADVENT's test.py"),
        ("SOURCE: GTA", "TRAIN is missing; give a YAML file of a training"),
        ("[1, 2]", "it has no keys"),
        ("{", "it is no YAML"),
        ("\x00", "it is no YAML"),
        (
            "TRAIN: !!python/object/apply:os.mkdir [ran]",
            "it holds objects of Python's, which could run code",
        ),
        (
            "!!python/object/new:easydict.EasyDict\ndictitems: {SOURCE: GTA}",
            "as the train_cfg.yml does that ADVENT writes; give the file that ADVENT was started",
        ),
    ],
)
def test_a_mistake_is_one_message_and_no_file(
    here: Path, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("advent.yml").write_text(text)
    assert cli.run(["import-advent", "advent.yml"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("advent-dist import-advent: advent.yml: ")
    assert said in error
    assert error.count("\n") == 1
    assert [one.name for one in here.iterdir()] == ["advent.yml"]


def test_files_that_are_there_or_not(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["import-advent", "nowhere.yml"]) == 1
    assert "nowhere.yml: No such file or directory; give a YAML file" in capsys.readouterr().err
    Path("advent.yml").write_text(ADVENT)
    Path("advent.py").write_text("mine")
    assert cli.run(["import-advent", "advent.yml"]) == 1
    assert "advent.py is there already, and is kept; give another --out" in capsys.readouterr().err
    assert cli.run(["import-advent", "advent.yml", "--out", "no/x.py"]) == 1
    assert "--out = 'no/x.py': there is no folder no" in capsys.readouterr().err
    assert cli.run(["import-advent", "advent.yml", "--out", "3d"]) == 1
    assert "--out = '3d': give letters, digits" in capsys.readouterr().err
    assert Path("advent.py").read_text() == "mine"


def test_names_that_are_no_names_of_python(here: Path) -> None:
    name = 'advent+"""x.yml'
    Path(name).write_text(ADVENT)
    assert cli.run(["import-advent", name]) == 0
    made = experiment_in_file("advent_x.py")
    assert isinstance(made.method, AdventConfig)
