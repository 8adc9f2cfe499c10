"""VFM-UDA++'s term: its gradients, the frozen encoder, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from advent_dist.config import VFMUDAPlusPlusConfig
from advent_dist.config.override import override
from advent_dist.errors import CheckpointError, ConfigError
from advent_dist.experiments import experiment
from advent_dist.methods.distillation import distance
from advent_dist.models.encoder import build_encoder
from advent_dist.models.extractor import build_extractor, extractor_config
from advent_dist.runs.preflight import check_networks
from tests.unit.methods.tiny import batch_of, tiny_method

_NAME = "vfm_uda_plus_plus"


def _gradients(method: Any) -> dict[str, torch.Tensor]:
    return {
        f"{name}.{key}": parameter.grad.clone()
        for name in ("segmenter", "distillation")
        for key, parameter in method.engines[name].module.named_parameters()
        if parameter.grad is not None
    }


def test_two_passes_have_the_gradients_of_a_joint_one() -> None:
    method: Any = tiny_method(
        _NAME, method__weak_probability=0.0, method__lambda_distill_target=0.7
    )
    images = batch_of(_NAME, 0).target_image
    losses = method.distillation.fit("target", images, last=True)
    found = _gradients(method)
    for engine in method.engines.values():
        engine.module.zero_grad()
    extractor = method.distillation._extractor.module
    small = F.interpolate(images.float(), (32, 48), mode="bilinear")
    wanted = extractor.network.encode(extractor.normalise(small))[-1].detach()
    features = method.segmenter.module(images, None, True).features
    loss = distance(method.engines["distillation"].module(features), wanted)
    (0.7 * loss).backward()
    torch.testing.assert_close(losses["distill_target"], loss)
    expected = _gradients(method)
    assert found.keys() == expected.keys()
    assert {name.split(".")[0] for name in found} == {"segmenter", "distillation"}
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-7, msg=name)


def test_equal_features_have_no_distance_and_opposite_ones_most() -> None:
    features = torch.randn(2, 8, 3, 4)
    assert distance(features, features) == pytest.approx(0, abs=1e-6)
    assert distance(-features, features) > 0.9 * 2


def test_the_frozen_encoder_stays_and_is_in_no_checkpoint() -> None:
    method: Any = tiny_method(_NAME)
    extractor = method.distillation._extractor.module
    before = {name: value.clone() for name, value in extractor.state_dict().items()}
    method.step(batch_of(_NAME, 0))
    assert all(value.equal(before[name]) for name, value in extractor.state_dict().items())
    assert not extractor.training
    assert set(method.kept) == {"segmenter", "distillation", "teacher"}


def _config(**changes: Any) -> VFMUDAPlusPlusConfig:
    return VFMUDAPlusPlusConfig(distill_encoder="test_vit", distill_pretrained=False, **changes)


def test_its_weights_are_those_of_the_file(tmp_path: Path) -> None:
    torch.manual_seed(1)
    body = build_encoder(extractor_config(_config())).body.state_dict()
    save_file(body, tmp_path / "own.safetensors")
    torch.manual_seed(2)
    found = build_extractor(_config(distill_weights=str(tmp_path / "own.safetensors")))
    for name, value in found.network.encoder.body.state_dict().items():
        assert value.equal(body[name]), name


def test_what_is_wrong_with_it_is_told_before_a_run_starts(tmp_path: Path) -> None:
    base = override(
        experiment("streets_vfm_uda_plus_plus"),
        {"model.encoder": "test_resnet", "model.weights": None},
    )
    weights = "method.distill_weights"
    with pytest.raises(ConfigError, match=r"method\.distill_weights = 'gone\.pth': no such file"):
        check_networks(override(base, {weights: "gone.pth"}), 19)
    with pytest.raises(ConfigError, match=r"method\.distill_encoder = 'test_wit': neither"):
        check_networks(override(base, {"method.distill_encoder": "test_wit", weights: None}), 19)
    save_file({"norm.weight": torch.ones(3)}, tmp_path / "other.safetensors")
    other = str(tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match=r"method\.distill_weights = .*other\.safetensors: "):
        check_networks(override(base, {weights: other, "method.distill_encoder": "test_vit"}), 19)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vivid_probability": 2.0}, r"method\.vivid_probability = 2\.0"),
        ({"distill_size": (0, 14)}, r"method\.distill_size = \(0, 14\)"),
        ({"lambda_distill_target": -1.0}, r"method\.lambda_distill_target = -1\.0"),
    ],
)
def test_values_out_of_range(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        _config(**changes)


def test_one_source_of_weights() -> None:
    with pytest.raises(ConfigError, match=r"distill_weights = 'a\.pth': set .*pretrained to False"):
        VFMUDAPlusPlusConfig(distill_weights="a.pth")
    with pytest.raises(ConfigError, match=r"distill_encoder = 'deeplab_v2': give the name of an e"):
        VFMUDAPlusPlusConfig(distill_encoder="deeplab_v2")
