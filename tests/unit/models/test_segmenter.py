from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from advent_dist.config import ModelConfig
from advent_dist.models.network import SingleScale
from advent_dist.models.segmenter import Normalise, Segmenter, build_segmenter
from tests.fake_gpu import GPU, fake_gpu


@pytest.fixture(scope="module")
def resnet():
    torch.manual_seed(0)
    return build_segmenter(ModelConfig(encoder="test_resnet"), num_classes=5).eval()


@pytest.fixture(scope="module")
def deeplab():
    return build_segmenter(ModelConfig(), num_classes=5)


def image(*size, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("encoder", ["deeplab_v2", "test_resnet", "test_vit", "test_convnext"])
@pytest.mark.parametrize("multi_level", [True, False])
def test_logits_are_fp32_at_the_size_of_the_image(encoder, multi_level) -> None:
    config = ModelConfig(encoder=encoder, multi_level=multi_level)
    segmenter = build_segmenter(config, num_classes=5).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        output = segmenter(image(37, 50))
    assert (output.aux is not None) == multi_level
    for logits in output[:2] if multi_level else (output.main,):
        assert logits.shape == (2, 5, 37, 50)
        assert logits.dtype == torch.float32


def test_logits_come_at_another_size_on_request(resnet) -> None:
    with torch.no_grad():
        low = resnet.network(resnet.normalise(image(37, 50))).main
        main = resnet(image(37, 50), size=(74, 99)).main
    expected = F.interpolate(low, size=(74, 99), mode="bilinear", align_corners=True)
    torch.testing.assert_close(main, expected)


@pytest.mark.parametrize("encoder", ["test_resnet", "test_vit"])
def test_coarse_logits_are_the_main_ones_before_they_are_upsampled(encoder) -> None:
    segmenter = build_segmenter(ModelConfig(encoder=encoder), num_classes=5).eval()
    with torch.no_grad():
        coarse = segmenter.coarse(image(64, 96))
        main = segmenter(image(64, 96), size=(137, 150)).main
    assert torch.equal(torch.cat(list(coarse.bands((137, 150), 8)), dim=2), main)


def test_uint8_and_float_images_are_the_same(resnet) -> None:
    with torch.no_grad():
        assert torch.equal(resnet(image(32, 40)).main, resnet(image(32, 40).float()).main)


def test_the_papers_network_sees_bgr_without_its_mean(deeplab) -> None:
    rgb = torch.tensor([10, 20, 30], dtype=torch.uint8).view(1, 3, 1, 1)
    expected = [30 - 104.00698793, 20 - 116.66876762, 10 - 122.67891434]
    assert deeplab.normalise(rgb).flatten().tolist() == pytest.approx(expected)


def test_timm_encoders_see_rgb_by_their_own_statistics() -> None:
    normalise = build_segmenter(ModelConfig(encoder="resnet18"), num_classes=2).normalise
    rgb = torch.tensor([0, 255, 51], dtype=torch.uint8).view(1, 3, 1, 1)
    expected = [-0.485 / 0.229, (1 - 0.456) / 0.224, (0.2 - 0.406) / 0.225]
    assert normalise(rgb).flatten().tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("bgr", [False, True])
def test_a_gpus_channels_are_neighbours_whatever_augmentations_left(bgr: bool) -> None:
    with fake_gpu():
        images = torch.rand(2, 3, 8, 12).to(GPU)
        normalised = Normalise([0.5] * 3, [0.5] * 3, bgr=bgr).to(GPU)(images)
        assert normalised.is_contiguous(memory_format=torch.channels_last)


def test_normalisation_is_no_weight(resnet) -> None:
    assert not [name for name in resnet.state_dict() if not name.startswith("network.")]


def test_groups_hold_each_trainable_parameter_once(deeplab, resnet) -> None:
    for segmenter, heads in ((deeplab, ("layer5.", "layer6.")), (resnet, ("aux_", "main_"))):
        groups = segmenter.parameter_groups()
        names = {id(p): n.removeprefix("network.") for n, p in segmenter.named_parameters()}
        in_heads = [names[id(p)] for p in groups["heads"]]
        assert len(in_heads) == 2 * 8
        assert all(name.startswith(heads) for name in in_heads)
        grouped = [id(p) for p in groups["encoder"] + groups["heads"]]
        assert sorted(grouped) == sorted(id(p) for p in segmenter.parameters() if p.requires_grad)


class Patches(SingleScale):
    """The mean colour of each patch: logits whose place on the image is known."""

    align_corners = False

    def encode(self, image):
        return [F.avg_pool2d(image, 8)]

    def decode(self, features):
        return None, features[-1]

    @property
    def heads(self):
        return []


def test_the_logits_of_patches_lie_on_their_middles() -> None:
    ramp = torch.arange(64.0).expand(1, 3, 32, 64)
    logits = Segmenter(Patches(), Normalise((0.0,) * 3, (1.0,) * 3))(ramp).main
    # Beyond the middles of the outermost patches there is nothing to interpolate with.
    torch.testing.assert_close(logits[..., 4:-4], ramp[..., 4:-4])


def test_plain_transformers_are_networks_of_patches(resnet) -> None:
    vit = build_segmenter(ModelConfig(encoder="test_vit"), num_classes=2)
    assert not vit.network.align_corners
    assert resnet.network.align_corners
