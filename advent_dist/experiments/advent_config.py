"""The YAML files of the published ADVENT code (valeoai/ADVENT, advent/domain_adaptation/config.py).

Keys and defaults are those of that file. What it merges is as strict here: no other keys, no other
types.
"""

from __future__ import annotations

import difflib
import reprlib
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from advent_dist.data.yaml_text import yaml_tree
from advent_dist.errors import ConfigError

_Size = Annotated[list[int], Field(min_length=2, max_length=2)]
_Mean = Annotated[list[float], Field(min_length=3, max_length=3)]

IMG_MEAN = [104.00698793, 116.66876762, 122.67891434]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class AdventTrain(_Strict):
    """The section TRAIN."""

    SET_SOURCE: str = "all"
    SET_TARGET: str = "train"
    BATCH_SIZE_SOURCE: int = 1
    BATCH_SIZE_TARGET: int = 1
    IGNORE_LABEL: int = 255
    INPUT_SIZE_SOURCE: _Size = [1280, 720]
    INPUT_SIZE_TARGET: _Size = [1024, 512]
    INFO_SOURCE: str = ""
    INFO_TARGET: str = ""
    MODEL: str = "DeepLabv2"
    MULTI_LEVEL: bool = True
    RESTORE_FROM: str = ""
    IMG_MEAN: _Mean = IMG_MEAN
    LEARNING_RATE: float = 2.5e-4
    MOMENTUM: float = 0.9
    WEIGHT_DECAY: float = 5e-4
    POWER: float = 0.9
    LAMBDA_SEG_MAIN: float = 1.0
    LAMBDA_SEG_AUX: float = 0.1
    DA_METHOD: str = "AdvEnt"
    LEARNING_RATE_D: float = 1e-4
    LAMBDA_ADV_MAIN: float = 1e-3
    LAMBDA_ADV_AUX: float = 2e-4
    LAMBDA_ENT_MAIN: float = 1e-3
    LAMBDA_ENT_AUX: float = 2e-4
    MAX_ITERS: int = 250_000
    EARLY_STOP: int = 120_000
    SAVE_PRED_EVERY: int = 2000
    SNAPSHOT_DIR: str = ""
    RANDOM_SEED: int = 1234
    TENSORBOARD_LOGDIR: str = ""
    TENSORBOARD_VIZRATE: int = 100


class AdventTest(_Strict):
    """The section TEST."""

    MODE: str = "best"
    MODEL: list[str] = ["DeepLabv2"]
    MODEL_WEIGHT: list[float] = [1.0]
    MULTI_LEVEL: list[bool] = [True]
    IMG_MEAN: _Mean = IMG_MEAN
    RESTORE_FROM: list[str] = [""]
    SNAPSHOT_DIR: list[str] = [""]
    SNAPSHOT_STEP: int = 2000
    SNAPSHOT_MAXITER: int = 120_000
    SET_TARGET: str = "val"
    BATCH_SIZE_TARGET: int = 1
    INPUT_SIZE_TARGET: _Size = [1024, 512]
    OUTPUT_SIZE_TARGET: _Size = [2048, 1024]
    INFO_TARGET: str = ""
    WAIT_MODEL: bool = True


class AdventConfigFile(_Strict):
    """A file."""

    SOURCE: str = "GTA"
    TARGET: str = "Cityscapes"
    NUM_WORKERS: int = 4
    DATA_LIST_SOURCE: str = ""
    DATA_LIST_TARGET: str = ""
    DATA_DIRECTORY_SOURCE: str = ""
    DATA_DIRECTORY_TARGET: str = ""
    NUM_CLASSES: int = 19
    EXP_NAME: str = ""
    EXP_ROOT: str = ""
    EXP_ROOT_SNAPSHOT: str = ""
    EXP_ROOT_LOGS: str = ""
    GPU_ID: int = 0
    TRAIN: AdventTrain
    TEST: AdventTest = AdventTest()

    def given(self) -> dict[str, object]:
        """What the file itself says: TRAIN.POWER -> 0.9."""
        given: dict[str, object] = {}
        for name in self.model_fields_set - {"TRAIN", "TEST"}:
            given[name] = getattr(self, name)
        for section, values in (("TRAIN", self.TRAIN), ("TEST", self.TEST)):
            for name in values.model_fields_set:
                given[f"{section}.{name}"] = getattr(values, name)
        return given


def read_advent_config(path: str) -> AdventConfigFile:
    """A YAML file of ADVENT's; reading it runs no code.

    Raises:
        ConfigError: there is no such file, it is no YAML, holds objects of Python's, an unknown
            key, a value of another type, or nothing about a training.
    """
    try:
        text = Path(path).expanduser().read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; give a YAML file of ADVENT's") from None
    try:
        tree = yaml_tree(text, tuples=True)
    except yaml.constructor.ConstructorError as error:
        if "tag:yaml.org,2002:python" not in str(error.problem):
            raise ConfigError(f"{path}: it is no YAML ({error.problem}); mend it") from None
        raise ConfigError(
            f"{path}: it holds objects of Python's, which could run code ({error.problem}), as the "
            "train_cfg.yml does that ADVENT writes; give the file that ADVENT was started with"
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        said = " ".join(str(error).split())
        raise ConfigError(f"{path}: it is no YAML ({said}); mend it") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: it has no keys; give a YAML file such as ADVENT's advent.yml")
    if "TRAIN" not in tree and "TEST" in tree:
        raise ConfigError(
            f"{path}: it has no TRAIN, so it is for ADVENT's test.py; score runs by `advent-dist "
            "evaluate RUN`, and give published weights as model.weights"
        )
    try:
        return AdventConfigFile.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(f"{path}: {_first(error.errors()[0])}") from None


_SECTIONS: dict[str, type[BaseModel]] = {"TRAIN": AdventTrain, "TEST": AdventTest}


_SHORT = reprlib.Repr()
"""Of a tree that names one part many times, all of it would be longer than memory."""
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 2, 80, 80


def _first(error: ErrorDetails) -> str:
    """A complaint with the key, the value and the fix."""
    place = [str(one) for one in error["loc"]]
    key = ".".join(place)
    if error["type"] == "extra_forbidden":
        known = _SECTIONS.get(place[0], AdventConfigFile)
        near = difflib.get_close_matches(place[-1], known.model_fields, n=1)
        hint = f"did you mean {near[0]}?" if near else "ADVENT has no such key; take it out"
        return f"unknown key {key!r}; {hint}"
    if error["type"] == "missing":
        return f"{key} is missing; give a YAML file of a training, such as ADVENT's advent.yml"
    value = error["input"]
    text = _SHORT.repr(value)
    fix = f"{error['msg'][0].lower()}{error['msg'][1:]}"
    if isinstance(value, str) and _is_number(value):
        fix += ", and YAML takes 1e-3 for text: write 1.0e-3"
    return f"{key} = {text}: {fix}"


def _is_number(text: Any) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
