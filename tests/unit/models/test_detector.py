from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torchvision.models.detection import ssd300_vgg16, ssdlite320_mobilenet_v3_large
from torchvision.models.detection.ssd import SSD

from advent_dist.config import DetectorConfig
from advent_dist.errors import ConfigError
from advent_dist.models.detection.output import Level
from advent_dist.models.detector import Detector, build_detector

LITE = "ssdlite320_mobilenet_v3_large"
TRUE_NETWORKS = {"ssd300_vgg16": ssd300_vgg16, LITE: ssdlite320_mobilenet_v3_large}
CLASSES = 4


def images(n: int = 2, height: int = 90, width: int = 160) -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, 3, height, width), generator=random, dtype=torch.uint8)


def torchvisions(name: str) -> SSD:
    """With logits that spread, or all anchors would look alike."""
    # Drawing the weights of VGG-16's classifier, which no detector has, would take seconds.
    with torch.device("meta"):
        network = TRUE_NETWORKS[name](weights=None, weights_backbone=None, num_classes=CLASSES + 1)
    network.to_empty(device="cpu")
    torch.manual_seed(0)
    for layer in network.modules():
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    if name == "ssd300_vgg16":
        nn.init.constant_(network.backbone.scale_weight, 5.0)
    return network.eval()


@pytest.mark.parametrize("name", list(TRUE_NETWORKS))
def test_it_says_what_torchvisions_model_does(name: str) -> None:
    """Of an image that is no square, and of a size that is not the network's."""
    theirs, said = torchvisions(name), {}
    theirs.head.register_forward_hook(lambda _, __, output: said.update(output))
    theirs.anchor_generator.register_forward_hook(
        lambda _, __, output: said.update(anchors=output[0])
    )
    with torch.no_grad():
        theirs([images(1)[0] / 255])
        output = Detector(theirs, CLASSES).eval()(images(1))
    for ours, key in (
        (output.class_logits, "cls_logits"),
        (output.box_regression, "bbox_regression"),
    ):
        expected = said[key]
        assert (ours - expected).norm() / expected.norm() < 1e-5
        assert ours.std() > 0.1
    height, width = theirs.transform.fixed_size
    factors = torch.tensor([160 / width, 90 / height]).repeat(2)
    torch.testing.assert_close(output.anchors, said["anchors"] * factors)
    torch.testing.assert_close(said["anchors"], Detector(theirs, CLASSES).anchors)


def test_its_tensors_have_torchvisions_names() -> None:
    ours = build_detector(DetectorConfig(detector=LITE), CLASSES)
    assert ours.state_dict().keys() == torchvisions(LITE).state_dict().keys()


def test_decoding_is_torchvisions_to_1e6() -> None:
    """From the same logits, and with its anchors."""
    theirs = torchvisions(LITE)
    ours = Detector(deepcopy(theirs), CLASSES).eval()
    seen = images(2, 320, 320)
    with torch.no_grad():
        output = ours(seen)
        raw = {"cls_logits": output.class_logits, "bbox_regression": output.box_regression}
        anchors = [output.anchors] * 2
        expected = theirs.postprocess_detections(raw, anchors, [(320, 320)] * 2)
        found = ours.decode(output)
        stored = ours.decode(output, [(640, 160), (320, 320)])
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.score, other["scores"], rtol=0, atol=1e-6)
        torch.testing.assert_close(one.label, other["labels"] - 1)
        torch.testing.assert_close(one.xyxy, other["boxes"], rtol=0, atol=1e-6)
    factors = torch.tensor([2.0, 0.5, 2.0, 0.5])
    torch.testing.assert_close(stored[0].xyxy, found[0].xyxy * factors)
    torch.testing.assert_close(stored[1].xyxy, found[1].xyxy)


def test_levels_are_where_the_logits_of_anchors_are() -> None:
    detector = build_detector(DetectorConfig(detector=LITE), CLASSES).eval()
    assert detector.levels[:3] == (Level(20, 20, 6), Level(10, 10, 6), Level(5, 5, 6))
    with torch.no_grad():
        output = detector(images(1, 320, 640))
    assert output.levels == detector.levels
    assert sum(level.anchors for level in output.levels) == len(output.anchors)
    parts = [output.logits_of(level) for level in range(len(output.levels))]
    torch.testing.assert_close(torch.cat(parts, 1), output.class_logits)
    # The second level's first cell: its anchors' middle, in pixels of the images.
    corners = output.anchors[output.levels[0].anchors].view(2, 2)
    torch.testing.assert_close(corners.mean(0), torch.tensor([32.0, 16.0]))


def test_bf16_autocast_gives_fp32_logits_near_those_of_fp32() -> None:
    detector = build_detector(DetectorConfig(detector=LITE), CLASSES).eval()
    with torch.no_grad():
        exact = detector(images(1))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rounded = detector(images(1))
    for one, other in (
        (exact.class_logits, rounded.class_logits),
        (exact.anchors, rounded.anchors),
    ):
        assert other.dtype == torch.float32
        torch.testing.assert_close(one, other, rtol=0.05, atol=0.05)


@pytest.mark.parametrize(
    ("name", "deepest"),
    [("ssd300_vgg16", "backbone.extra.0.5.weight"), (LITE, "backbone.features.1.3.0.weight")],
)
def test_trained_blocks(name: str, deepest: str) -> None:
    with torch.device("meta"):
        detector = build_detector(DetectorConfig(detector=name, trained_blocks=1), CLASSES)
    frozen = {key for key, value in detector.named_parameters() if not value.requires_grad}
    assert deepest not in frozen
    assert all(key.startswith("backbone.features.") for key in frozen)
    groups = detector.parameter_groups()
    trained = [value for value in detector.parameters() if value.requires_grad]
    assert sorted(map(id, [*groups["encoder"], *groups["heads"]])) == sorted(map(id, trained))
    assert 0 < len(groups["encoder"]) < len(groups["heads"])


def test_statistics_of_what_is_not_trained_stay() -> None:
    detector = build_detector(DetectorConfig(detector=LITE, trained_blocks=1), CLASSES).train()
    first, last = detector.backbone.features[0][0][1], detector.backbone.features[1][-1][1]
    before = [norm.running_mean.clone() for norm in (first, last)]
    detector(images())
    assert torch.equal(first.running_mean, before[0])
    assert not torch.equal(last.running_mean, before[1])


def test_more_blocks_than_there_are() -> None:
    with pytest.raises(ConfigError, match=r"model\.trained_blocks = 18: .* has 17 blocks"):
        build_detector(DetectorConfig(detector=LITE, trained_blocks=18), CLASSES)


def shallow(backbone: nn.Module, image: torch.Tensor) -> torch.Tensor:
    """A map that small images have, too; deeper ones of VGG-16 would be empty."""
    return backbone.extra[0](backbone.features(image))


@pytest.mark.parametrize("recomputed", ["all", "cheap"])
@pytest.mark.parametrize(
    ("name", "forward"),
    [("ssd300_vgg16", shallow), (LITE, lambda backbone, image: backbone(image)["2"])],
)
def test_activation_checkpointing_changes_memory_alone(name: str, forward, recomputed) -> None:
    plain = Detector(torchvisions(name), CLASSES).train()
    checkpointed = deepcopy(plain)
    checkpointed.enable_activation_checkpointing(recomputed)
    image = torch.rand(2, 3, 64, 64)
    kept = []
    for detector in (plain, checkpointed):
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
            features = forward(detector.backbone, image)
        kept.append(sum(event.self_cpu_memory_usage for event in seen.key_averages()))
        features.square().mean().backward()
    if recomputed == "all" or name == LITE:  # VGG has no norms, and nothing else that is cheap
        assert kept[1] < kept[0] * (0.6 if recomputed == "all" else 1)
    for (key, one), other in zip(plain.named_parameters(), checkpointed.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None), key
        if one.grad is not None:
            torch.testing.assert_close(one.grad, other.grad, msg=key)
    for one, other in zip(plain.buffers(), checkpointed.buffers(), strict=True):
        torch.testing.assert_close(one, other)


def test_it_is_built_on_shapes_alone() -> None:
    with torch.device("meta"):
        detector = build_detector(DetectorConfig(), CLASSES)
        output = detector(torch.empty(2, 3, 200, 100, dtype=torch.uint8))
    assert output.class_logits.shape == (2, 8732, CLASSES + 1)
