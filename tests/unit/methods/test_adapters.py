"""Every method trains adapters; the encoder beside them stays to the bit, and is stored once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from advent_dist.config.override import override
from advent_dist.data.class_sets import CITYSCAPES_19
from advent_dist.errors import CheckpointError
from advent_dist.methods.base import Method
from advent_dist.models.adapters import is_adapter
from advent_dist.parallel.world import World
from advent_dist.training import checkpoint
from advent_dist.training.progress import Progress
from tests.helpers import tiny_experiment
from tests.unit.methods.tiny import CONFIGS, SELF_TRAINING, batch_of, tiny_method, weights_of

ADAPTED: dict[str, Any] = {
    "model__encoder": "test_vit",
    "model__decoder": "linear",
    "model__lora__rank": 2,
    "optimizer__segmenter_lr": 0.1,
}
EXPERIMENT = override(
    tiny_experiment("streets_source_only"),
    {path.replace("__", "."): value for path, value in ADAPTED.items()},
)


@pytest.mark.parametrize("name", CONFIGS)
def test_adapters_learn_and_the_encoder_does_not(name: str) -> None:
    method = tiny_method(name, **ADAPTED)
    before = weights_of(method)["segmenter"]
    for step in range(2):
        method.step(batch_of(name, step))
    after = weights_of(method)["segmenter"]
    changed = {name for name, value in after.items() if not value.equal(before[name])}
    adapters = {name for name in after if is_adapter(name)}
    heads = {name for name in after if "head" in name or "attention" in name}
    assert changed & heads
    assert adapters <= changed <= adapters | heads
    if name in SELF_TRAINING:
        teacher = dict(method.kept["teacher"].module.named_parameters())
        follows = [name for name in adapters if teacher[name].any() and "lora_B" in name]
        assert follows
        assert all(teacher[name].equal(after[name]) for name in after if "base_layer" in name)


def test_what_nothing_trains_is_in_memory_once() -> None:
    method: Any = tiny_method("daformer", **ADAPTED)
    copies = (method.kept["teacher"].module, method.source._distance._initial.module)
    places = [{n: p.data_ptr() for n, p in one.named_parameters()} for one in copies]
    for name, parameter in method.engines["segmenter"].module.named_parameters():
        alike = [one[name] == parameter.data_ptr() for one in places]
        assert alike == [not parameter.requires_grad] * 2, name


def _save(method: Method, folder: Path, experiment: Any = EXPERIMENT) -> None:
    checkpoint.save(
        folder,
        experiment=experiment,
        classes=CITYSCAPES_19,
        world=World(),
        method=method,
        progress=Progress(step=1),
        streams={},
    )


def _restore(method: Method, folder: Path, experiment: Any = EXPERIMENT) -> None:
    checkpoint.restore(folder, experiment=experiment, world=World(), method=method)


def test_a_checkpoint_has_the_encoder_once_and_needs_no_other_file(tmp_path: Path) -> None:
    """Another encoder is what a weights file would give that was replaced since."""
    method = tiny_method("mic", **ADAPTED)
    method.step(batch_of("mic", 0))
    _save(method, tmp_path)
    holders = {
        path.relative_to(tmp_path).as_posix()
        for path in tmp_path.rglob("*.safetensors")
        if any("base_layer" in name for name in load_file(path))
    }
    assert holders == {"segmenter.safetensors"}
    other = tiny_method("mic", **ADAPTED, run__seed=1)
    one, two = (weights_of(each)["segmenter"] for each in (method, other))
    assert not all(one[name].equal(two[name]) for name in one if "base_layer.weight" in name)
    _restore(other, tmp_path)
    for each in (method, other):
        torch.manual_seed(2)
        each.step(batch_of("mic", 1))
    for name, kept in method.kept.items():
        found = dict(other.kept[name].module.named_parameters())
        for key, value in kept.module.named_parameters():
            assert value.equal(found[key]), f"{name}.{key}"


def test_other_adapters_do_not_go_on(tmp_path: Path) -> None:
    method = tiny_method("source_only", **ADAPTED)
    _save(method, tmp_path)
    for changes in ({"model.lora.rank": 3}, {"model.lora.rank": None}):
        with pytest.raises(CheckpointError, match=r"model\.lora = .*, but the checkpoint was writ"):
            _restore(method, tmp_path, override(EXPERIMENT, changes))


@pytest.mark.parametrize("name", ["source_only", "mic"])
def test_blocks_that_were_frozen_may_be_trained_from_a_checkpoint_on(
    name: str, tmp_path: Path
) -> None:
    """By the teacher, too."""
    frozen = {**ADAPTED, "model__lora__rank": None, "model__trained_blocks": 0}
    method = tiny_method(name, **frozen)
    method.step(batch_of(name, 0))
    chosen = override(EXPERIMENT, {"model.lora.rank": None, "model.trained_blocks": 0})
    _save(method, tmp_path, chosen)
    thawed = override(chosen, {"model.trained_blocks": 2})
    other = tiny_method(name, **{**frozen, "model__trained_blocks": 2}, run__seed=1)
    _restore(other, tmp_path, thawed)
    for one, kept in method.kept.items():
        found = dict(other.kept[one].module.named_parameters())
        for key, value in kept.module.named_parameters():
            assert torch.equal(value, found[key]), f"{one}.{key}"


def test_a_checkpoint_of_before_goes_on(tmp_path: Path) -> None:
    """What nothing trains was among the trained weights, and in the teacher's file."""
    method = tiny_method("mic", **ADAPTED)
    method.step(batch_of("mic", 0))
    _save(method, tmp_path)
    for name, kept in method.kept.items():
        file = tmp_path / "engines" / name / "00000.safetensors"
        with safe_open(file, framework="pt") as opened:
            tensors, metadata = load_file(file), opened.metadata()
        for key, value in kept.module.named_parameters():
            if not value.requires_grad and "base_layer" in key:
                values = value.detach().clone()
                if name == "teacher":
                    tensors[key] = values
                else:
                    tensors[f"weight:0:{key}"] = values.flatten()
        save_file(tensors, file, metadata=metadata)
        run = json.loads((tmp_path / "run.json").read_text())
        run["files"][file.relative_to(tmp_path).as_posix()] = file.stat().st_size
        (tmp_path / "run.json").write_text(json.dumps(run))
    other = tiny_method("mic", **ADAPTED, run__seed=1)
    _restore(other, tmp_path)
    for name, kept in method.kept.items():
        found = dict(other.kept[name].module.named_parameters())
        for key, value in kept.module.named_parameters():
            assert value.equal(found[key]), f"{name}.{key}"
