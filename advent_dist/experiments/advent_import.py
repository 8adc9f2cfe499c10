"""One of ADVENT's configs as the text of an experiment file, and what of it has no counterpart."""

from __future__ import annotations

import os
import re
import textwrap
from pathlib import Path
from typing import NamedTuple

from advent_dist.errors import ConfigError
from advent_dist.experiments.advent_config import IMG_MEAN, AdventConfigFile, AdventTest
from advent_dist.experiments.draft import function_name, quoted

_METHODS = {
    "AdvEnt": ("AdventConfig", "adv"),
    "MinEnt": ("MinEntConfig", "ent"),
}
"""DA_METHOD -> our config, and what its weights are called."""

_READ_BY = {
    "TRAIN.LAMBDA_ADV_MAIN": "adv",
    "TRAIN.LAMBDA_ADV_AUX": "adv",
    "TRAIN.LEARNING_RATE_D": "adv",
    "TRAIN.LAMBDA_ENT_MAIN": "ent",
    "TRAIN.LAMBDA_ENT_AUX": "ent",
}
"""Keys that one method alone reads."""

_SHARDS_OF = {"GTA": "gta5", "SYNTHIA": "synthia", "Cityscapes": "cityscapes"}
_CLASS_SETS = {19: "cityscapes19", 16: "cityscapes16"}

_PLAIN = re.compile(r"[\w.+ -]+")
"""A name that can stand in a docstring."""

_OWN_FOLDER = "a run writes all into its folder; --run.storage says where that is"
_SHARDS = "images are read from shards, which shards/README.md builds; --data.root says where from"
_SEVERAL = "any runs, also several, are scored by advent-dist evaluate"

_NO_COUNTERPART = {
    "DATA_LIST_SOURCE": _SHARDS,
    "DATA_LIST_TARGET": _SHARDS,
    "DATA_DIRECTORY_SOURCE": _SHARDS,
    "DATA_DIRECTORY_TARGET": _SHARDS,
    "EXP_ROOT": _OWN_FOLDER,
    "EXP_ROOT_SNAPSHOT": _OWN_FOLDER,
    "EXP_ROOT_LOGS": _OWN_FOLDER,
    "GPU_ID": "cluster.gpus_per_worker counts GPUs; CUDA_VISIBLE_DEVICES chooses among them",
    "TRAIN.INFO_SOURCE": "shards carry their classes",
    "TRAIN.INFO_TARGET": "shards carry their classes",
    "TRAIN.SNAPSHOT_DIR": _OWN_FOLDER,
    "TRAIN.TENSORBOARD_LOGDIR": _OWN_FOLDER,
    "TRAIN.TENSORBOARD_VIZRATE": "pictures are made at the end, for the report",
    "TEST.MODE": "both the last and the best snapshot are kept and scored",
    "TEST.MODEL": _SEVERAL,
    "TEST.MODEL_WEIGHT": "advent-dist evaluate RUN RUN averages with equal weights",
    "TEST.MULTI_LEVEL": _SEVERAL,
    "TEST.RESTORE_FROM": _SEVERAL,
    "TEST.SNAPSHOT_DIR": _SEVERAL,
    "TEST.SNAPSHOT_STEP": "run.evaluate_every is that of TRAIN.SAVE_PRED_EVERY",
    "TEST.SNAPSHOT_MAXITER": "snapshots are scored in the training, up to its end",
    "TEST.INFO_TARGET": "shards carry their classes",
    "TEST.WAIT_MODEL": "snapshots are scored in the training",
}
"""Key -> why nothing here means it."""

_TEXT = '''\
"""{function}: {source}, one of ADVENT's configs."""

# advent-dist train {file}
# Any field is a flag; --help says what each means.
{notes}
from advent_dist import config


def {function}() -> config.Experiment:
    """What the file does not say has ADVENT's default, and what ADVENT has no key for ours."""
    return config.Experiment(
        name={name},
        data=config.DataConfig(
            source={data_source},
            target={data_target},
            evaluation={data_evaluation},
            classes={classes},
            source_size={source_size},
            target_size={target_size},
            evaluation_size={evaluation_size},
            batch_size_per_rank={batch_size},
            evaluation_batch_size_per_rank={evaluation_batch_size},
            workers_per_rank={workers},
        ),
        model=config.ModelConfig(
            weights={weights},
            multi_level={multi_level},
        ),
        method=config.{method}(
            lambda_seg={seg_main},
            lambda_seg_aux={seg_aux},
            lambda_{kind}={kind_main},
            lambda_{kind}_aux={kind_aux},
        ),
        optimizer=config.OptimizerConfig(
            segmenter_lr={lr},
            momentum={momentum},
            weight_decay={weight_decay},
            discriminator_lr={lr_d},
            horizon={horizon},
            power={power},
            published_repeats=True,  # as the published code hands parameters to SGD
        ),
        run=config.RunConfig(
            steps={steps},
            evaluate_every={every},
            checkpoint_every={every},
            report_every=100,
            seed={seed},
        ),
        cluster=config.ClusterConfig(gpus_per_worker="auto"),
    )
'''


class Note(NamedTuple):
    """A key that became nothing, or not all of what it says."""

    key: str
    """Such as TEST.MODE."""

    value: object
    """Its value."""

    why: str
    """Why."""

    def __str__(self) -> str:
        text = repr(self.value)
        return f"{self.key} = {text if len(text) <= 60 else f'{text[:57]}...'}: {self.why}"


def imported(config: AdventConfigFile, source: str, file: str) -> tuple[str, list[Note]]:
    """The text of an experiment file, and the keys that have no counterpart in it.

    Args:
        config: ADVENT's file.
        source: Its path.
        file: Path of the file that is to be, NAME.py.

    Raises:
        ConfigError: it asks for another network or method, or for what no run here can do.
    """
    train, test = config.TRAIN, config.TEST
    _require(config, source)
    method, kind = _METHODS[train.DA_METHOD]
    name = config.EXP_NAME or f"{config.SOURCE}2{config.TARGET}_{train.MODEL}_{train.DA_METHOD}"
    classes = _CLASS_SETS.get(config.NUM_CLASSES)
    target = "cityscapes16" if config.NUM_CLASSES == 16 else "cityscapes"
    weights = _weights(train.RESTORE_FROM, source)
    notes = _notes(config, kind, weights)
    text = _TEXT.format(
        function=function_name(Path(file).stem, "--out"),
        source=Path(source).name if _PLAIN.fullmatch(Path(source).name) else "a file",
        file=file,
        notes="".join(f"{_commented(note)}\n" for note in notes),
        name=quoted(name),
        data_source=quoted(f"{_SHARDS_OF[config.SOURCE]}/train"),
        data_target=quoted(f"{target}/{train.SET_TARGET}"),
        data_evaluation=quoted(f"{target}/{test.SET_TARGET}"),
        classes=None if classes is None else quoted(classes),
        source_size=tuple(train.INPUT_SIZE_SOURCE),
        target_size=tuple(train.INPUT_SIZE_TARGET),
        evaluation_size=tuple(test.INPUT_SIZE_TARGET),
        batch_size=train.BATCH_SIZE_SOURCE,
        evaluation_batch_size=test.BATCH_SIZE_TARGET,
        workers=config.NUM_WORKERS,
        weights=None if weights is None else quoted(weights),
        multi_level=train.MULTI_LEVEL,
        method=method,
        kind=kind,
        seg_main=train.LAMBDA_SEG_MAIN,
        seg_aux=train.LAMBDA_SEG_AUX,
        kind_main=getattr(train, f"LAMBDA_{kind.upper()}_MAIN"),
        kind_aux=getattr(train, f"LAMBDA_{kind.upper()}_AUX"),
        lr=train.LEARNING_RATE,
        momentum=train.MOMENTUM,
        weight_decay=train.WEIGHT_DECAY,
        lr_d=train.LEARNING_RATE_D,
        horizon=train.MAX_ITERS,
        power=train.POWER,
        steps=train.EARLY_STOP,
        every=train.SAVE_PRED_EVERY,
        seed=train.RANDOM_SEED,
    )
    return text, notes


def _commented(note: Note) -> str:
    """A note as lines of a comment."""
    return textwrap.fill(f"Left out: {note}", 100, initial_indent="# ", subsequent_indent="#   ")


def _require(config: AdventConfigFile, source: str) -> None:
    """Refuse what would train something else."""
    train = config.TRAIN
    for key, value, known in (
        ("SOURCE", config.SOURCE, ("GTA", "SYNTHIA")),
        ("TARGET", config.TARGET, ("Cityscapes",)),
        ("TRAIN.MODEL", train.MODEL, ("DeepLabv2",)),
        ("TRAIN.DA_METHOD", train.DA_METHOD, tuple(_METHODS)),
        ("TRAIN.IGNORE_LABEL", train.IGNORE_LABEL, (255,)),
        ("TRAIN.BATCH_SIZE_TARGET", train.BATCH_SIZE_TARGET, (train.BATCH_SIZE_SOURCE,)),
    ):
        if value not in known:
            choices = " or ".join(map(repr, known))
            fix = f"give {choices}, or write an experiment by advent-dist new"
            if key == "TRAIN.BATCH_SIZE_TARGET":
                fix = f"both domains have one batch size here; give {choices}, as for the source"
            raise ConfigError(f"{source}: {key} = {value!r}: {fix}")


def _weights(restore_from: str, source: str) -> str | None:
    """The file that is there, seen from here or from where ADVENT's configs say it lies.

    They lie in scripts/configs, and their paths start in scripts.
    """
    if not restore_from:
        return None
    folder = Path(source).expanduser().resolve().parent
    for start in (Path.cwd(), folder.parent, folder):
        path = start / Path(restore_from).expanduser()
        if path.is_file():
            return os.path.normpath(path)
    return None


def _notes(config: AdventConfigFile, kind: str, weights: str | None) -> list[Note]:
    """What the file says and the experiment does not."""
    train, test = config.TRAIN, config.TEST
    given = config.given()
    unread = [key for key in given if _READ_BY.get(key, kind) != kind]
    mean = "the mean is the network's own, that of ADVENT's default"
    says_more = {
        "NUM_CLASSES": config.NUM_CLASSES not in _CLASS_SETS
        and "shards say their classes; build them with such a class file",
        "TRAIN.SET_SOURCE": train.SET_SOURCE not in ("all", "train")
        and "build shards of these images, and give them as --data.source",
        "TRAIN.RESTORE_FROM": weights is None and "there is no such file; give --model.weights",
        "TRAIN.IMG_MEAN": train.IMG_MEAN != IMG_MEAN and mean,
        "TEST.IMG_MEAN": test.IMG_MEAN != IMG_MEAN and mean,
        "TEST.OUTPUT_SIZE_TARGET": test.OUTPUT_SIZE_TARGET != AdventTest().OUTPUT_SIZE_TARGET
        and "predictions are scored at the size of each label",
    }
    reasons = {
        **_NO_COUNTERPART,
        **dict.fromkeys(unread, f"{train.DA_METHOD} does not read it"),
        **{key: why for key, why in says_more.items() if why},
    }
    return [Note(key, given[key], why) for key, why in reasons.items() if key in given]


def default_file(source: str) -> str:
    """The experiment file for a config: advent+minent.yml -> advent_minent.py, in this folder."""
    return f"{re.sub(r'[^A-Za-z0-9_-]+', '_', Path(source).stem)}.py"
