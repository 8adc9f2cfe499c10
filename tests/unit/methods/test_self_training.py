"""The teacher's timing and mode, and what self-training needs of a config."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from advent_dist.config import DAFormerConfig, MICConfig, MICHRDAConfig
from advent_dist.config.override import override
from advent_dist.errors import CheckpointError, ConfigError
from advent_dist.experiments import experiment
from advent_dist.methods.base import Method
from advent_dist.parallel.average import Average
from tests.unit.methods.tiny import batch_of, same, tiny_method


def _teacher(method: Method) -> Average:
    teacher = method.kept["teacher"]
    assert isinstance(teacher, Average)
    return teacher


def _weights(module: nn.Module) -> dict[str, Any]:
    return {name: value.detach().clone() for name, value in module.named_parameters()}


@pytest.mark.parametrize(
    ("name", "after"),
    [
        ("dacs", True),
        ("mic_dacs", True),
        ("mic", False),
        ("mic_hrda", False),
        ("vfm_uda", False),
        ("vfm_uda_plus_plus", False),
    ],
)
def test_the_teacher_is_first_the_student_before_or_after_the_step(name: str, after: bool) -> None:
    method = tiny_method(name)
    student = method.engines["segmenter"].module
    before = _weights(student)
    method.step(batch_of(name, 0))
    expected = _weights(student) if after else before
    assert same(_weights(_teacher(method).module), expected)
    assert not same(before, _weights(student))


def test_the_teacher_follows_once_an_accumulation_window() -> None:
    method = tiny_method("daformer", engine__gradient_accumulation_steps=2)
    updates = []
    for step in range(4):
        method.step(batch_of("daformer", step))
        updates.append(_teacher(method).updates)
    assert updates == [1, 1, 2, 2]


def test_the_teacher_has_no_dropout_but_the_batchs_statistics() -> None:
    method = tiny_method("dacs", model__encoder="tf_efficientnet_lite0", model__decoder="daformer")
    method.engines["segmenter"].module.train()
    training = {type(one) for one in _teacher(method).module.modules() if one.training}
    assert training
    assert all(issubclass(kind, nn.modules.batchnorm._BatchNorm) for kind in training)
    buffers = dict(_teacher(method).module.named_buffers())
    means = {name: value.clone() for name, value in buffers.items() if "running_mean" in name}
    _teacher(method)(batch_of("dacs", 0).target_image)
    assert any(not buffers[name].equal(value) for name, value in means.items())


def test_the_teacher_gives_no_gradient_and_gets_none() -> None:
    method = tiny_method("dacs")
    method.step(batch_of("dacs", 0))
    parameters = list(_teacher(method).module.parameters())
    assert all(one.grad is None and not one.requires_grad for one in parameters)
    assert not _teacher(method)(batch_of("dacs", 0).target_image).main.requires_grad


def test_the_student_sees_a_part_in_detail_and_the_teacher_all_of_it() -> None:
    method = tiny_method("hrda")
    images = batch_of("hrda", 0).target_image
    assert _teacher(method)(images).detail is None
    student = method.engines["segmenter"]
    assert student(images).detail is not None
    student.module.eval()
    assert student(images).detail is None


def test_the_detail_has_its_part_in_every_loss() -> None:
    weights = {"seg": 0.9, "seg_detail": 0.1, "mix": 0.9, "mix_detail": 0.1}
    weights |= {"mask": 0.9, "mask_detail": 0.1, "fd": 0.005}
    metrics = tiny_method("mic_hrda").step(batch_of("mic_hrda", 0))
    assert {key for key in metrics if key.startswith("loss/")} == {f"loss/{key}" for key in weights}
    config = MICHRDAConfig()
    assert {key: getattr(config, f"lambda_{key}") for key in weights} == weights


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model.detail_crop": None}, r"detail_crop = None: hrda looks at parts .* give their"),
        (
            {"method.name": "mic"},
            r"detail_crop = \(96, 48\): mic looks at images once; leave it out",
        ),
        ({"model.detail_crop": (100, 48)}, r"detail_crop = \(100, 48\): .* multiples of 8"),
        ({"model.detail_crop": (96, 0)}, r"detail_crop = \(96, 0\): .* must be positive"),
        ({"model.detail_crop": (96, 104)}, r"\(96, 104\): larger than the images .* 192x96"),
        ({"data.augment.crop": (100, 64)}, r"data.augment.crop = \(100, 64\): .* multiples of 8"),
        ({"data.evaluation_size": (90, 64)}, r"data.evaluation_size = \(90, 64\): .* multiples"),
        (
            {"data.evaluation_window": (90, 64)},
            r"data.evaluation_window = \(90, 64\): with model.detail_crop, width and height must",
        ),
        ({"data.augment.crop": (64, 64)}, r"\(96, 48\): larger than the images .* 64x64"),
        ({"model.multi_level": True}, r"multi_level = True: there is no auxiliary head"),
        (
            {"model.encoder": "deeplab_v2", "model.decoder": "deeplab", "model.weights": None},
            r"encoder = 'deeplab_v2': model.detail_crop needs an encoder of timm",
        ),
    ],
)
def test_two_resolutions_that_do_not_fit(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        override(experiment("streets_hrda"), changes)


def test_masked_pixels_have_the_mean_colour() -> None:
    """Of any network: what it sees of them is 0."""
    for encoder in ("deeplab_v2", "test_resnet"):
        segmenter: Any = tiny_method("mic_dacs", model__encoder=encoder).engines["segmenter"].module
        colour = segmenter.normalise.mean_colour.expand(1, 3, 2, 2)
        torch.testing.assert_close(
            segmenter.normalise(colour), torch.zeros(1, 3, 2, 2), rtol=0, atol=1e-4
        )


def test_running_statistics_may_be_kept_clean_of_masked_images() -> None:
    """Then those after a step are DACS', whose masks are none; the step itself is the same."""
    found, losses = {}, {}
    for name, changes in (
        ("dacs", {}),
        ("mic_dacs", {"method__mask_statistics": False}),
        ("mic_dacs as published", {}),
    ):
        method = tiny_method(name.split(" ", maxsplit=1)[0], **changes)
        losses[name] = method.step(batch_of("dacs", 0))
        buffers = method.engines["segmenter"].module.named_buffers()
        found[name] = {key: value.clone() for key, value in buffers if "running" in key}
    assert same(found["mic_dacs"], found["dacs"])
    assert not same(found["mic_dacs as published"], found["dacs"])
    assert losses["mic_dacs"] == losses["mic_dacs as published"]


def test_a_checkpoint_without_a_teacher_is_refused(tmp_path: Any) -> None:
    teacher = _teacher(tiny_method("dacs"))
    with pytest.raises(CheckpointError, match="has no average of the network"):
        teacher.load([])
    path = tmp_path / "00000.safetensors"
    path.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match=r"00000.safetensors is no average of this network"):
        teacher.load([path])


def test_mixing_needs_one_size() -> None:
    base = experiment("streets_dacs")
    with pytest.raises(ConfigError, match=r"data\.augment\.crop = None: dacs pastes parts"):
        override(base, {"data.target_size": (96, 96)})
    with pytest.raises(ConfigError, match=r"data\.augment\.crop = None: dacs pastes parts"):
        override(base, {"data.augment.scale": (0.5, 1.0)})
    override(base, {"data.target_size": (96, 96), "data.augment.crop": (64, 64)})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("teacher_decay", 1.0),
        ("threshold", 1.5),
        ("portion", 0.0),
        ("jitter", 1.0),
        ("jitter_probability", -0.1),
        ("unlabelled_top", -1),
        ("unlabelled_right", -1),
        ("fd_classes", (255,)),
        ("fd_min_share", 0.0),
        ("mask_block", 0),
        ("mask_ratio", 1.0),
        ("lambda_mask", -1.0),
        ("lambda_fd", float("nan")),
    ],
)
def test_values_out_of_range(field: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"method\.{field} = "):
        MICConfig(**{field: value})


def test_daformers_teacher_is_slower_by_default() -> None:
    assert (DAFormerConfig().teacher_decay, MICConfig().teacher_decay) == (0.999, 0.999)
