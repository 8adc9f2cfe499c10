from __future__ import annotations

from functools import cache

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torchvision.models import mobilenet_v3_large, vgg16

from advent_dist.config import DetectorConfig
from advent_dist.errors import CheckpointError
from advent_dist.models.detection.weights import _MEAN, _STD, load_detector_weights, take
from advent_dist.models.detector import Detector, build_detector
from advent_dist.models.segmenter import Normalise

LITE = "ssdlite320_mobilenet_v3_large"


def lite(num_classes: int = 3) -> Detector:
    return build_detector(DetectorConfig(detector=LITE), num_classes)


@cache
def vgg_features() -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        names = vgg16(weights=None).state_dict()
    random = torch.Generator().manual_seed(0)
    return {
        name: torch.randn(value.shape, generator=random)
        for name, value in names.items()
        if name.startswith("features.")
    }


@pytest.fixture(scope="module")
def ssd300() -> Detector:
    """Without numbers: drawing the weights of VGG-16's classifier would take seconds."""
    with torch.device("meta"):
        detector = build_detector(DetectorConfig(), 3)
    return detector.to_empty(device="cpu")


def test_a_run_or_a_file_of_torchvision(tmp_path) -> None:
    """Both have the same names; a run's folder is found its weights in."""
    trained, fresh = lite(), lite()
    (tmp_path / "run").mkdir()
    save_file(trained.state_dict(), tmp_path / "run" / "detector.safetensors")
    taken = load_detector_weights(fresh, str(tmp_path / "run"))
    assert taken.is_whole
    assert "of the detector" in taken.table()
    for name, value in fresh.state_dict().items():
        assert torch.equal(value, trained.state_dict()[name]), name


def test_another_number_of_classes_leaves_their_logits_out() -> None:
    trained, fresh = lite(90), lite(3)
    before = {name: value.clone() for name, value in fresh.state_dict().items()}
    taken = take(fresh, trained.state_dict(), "coco.pth")
    backbone, class_head, box_head = taken.parts
    assert backbone.taken == backbone.wanted
    assert box_head.taken == box_head.wanted
    assert class_head.wanted - class_head.taken == 12
    assert "of another number of classes start at random" in class_head.said
    logits = "head.classification_head.module_list.0.1.weight"
    assert torch.equal(fresh.state_dict()[logits], before[logits])


def test_vgg16_of_torchvision_becomes_the_backbone(ssd300: Detector) -> None:
    """Its classifier, of which the file that is published for SSDs has nans, does not."""
    state_dict = vgg_features() | {"classifier.0.weight": torch.full((1,), torch.nan)}
    taken = take(ssd300, state_dict, "vgg16_features.pth")
    assert [one.origin for one in taken.left_over] == ["classifier"]
    assert taken.parts[0].taken == 26
    ours = [*ssd300.backbone.features, *ssd300.backbone.extra[0][:-1]]
    for name, value in vgg_features().items():
        _, place, kind = name.split(".")
        assert torch.equal(getattr(ours[int(place)], kind), value), name


def test_vgg16_of_imagenet_is_given_pixels_as_it_knows_them(ssd300: Detector) -> None:
    """SSD-300 sees 0..255 less the mean, and torchvision's classifier about -2 to 2."""
    # Which the fixture, without numbers, lacks.
    ssd300.normalise = Normalise((0.48235, 0.45882, 0.40784), (1 / 255,) * 3, scale=1 / 255)
    state_dict = vgg_features() | {"classifier.6.weight": torch.ones(1)}
    taken = take(ssd300, state_dict, "vgg16-397923af.pth")
    assert "its first layer takes pixels as SSD's" in taken.layout
    pixels = torch.randint(0, 256, (1, 3, 8, 8), dtype=torch.uint8)
    mean, std = (torch.tensor(one).view(3, 1, 1) for one in (_MEAN, _STD))
    weight, bias = (vgg_features()[f"features.0.{kind}"] for kind in ("weight", "bias"))
    expected = F.conv2d((pixels / 255 - mean) / std, weight, bias)
    first = ssd300.backbone.features[0]
    found = F.conv2d(ssd300.normalise(pixels), first.weight, first.bias)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_vgg16_with_fc6_and_fc7(ssd300: Detector) -> None:
    fc6, fc7 = torch.randn(1024, 512, 3, 3), torch.randn(1024, 1024, 1, 1)
    state_dict = {name.removeprefix("features."): value for name, value in vgg_features().items()}
    state_dict |= {"31.weight": fc6, "33.weight": fc7}
    assert take(ssd300, state_dict, "vgg16_reducedfc.pth").parts[0].taken == 28
    assert torch.equal(ssd300.backbone.extra[0][-1][1].weight, fc6)
    assert torch.equal(ssd300.backbone.extra[0][-1][3].weight, fc7)


@pytest.mark.parametrize("reduced_tail", [True, False])
def test_mobilenet_of_torchvision_becomes_the_backbone(reduced_tail: bool) -> None:
    """With the detector's narrower last blocks all of it, else what has the same shape."""
    torch.manual_seed(1)
    classifier, detector = (
        mobilenet_v3_large(weights=None, reduced_tail=reduced_tail).eval(),
        lite(),
    )
    for tensor in classifier.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(0.5 + 0.1 * torch.rand(tensor.shape))
    taken = take(detector, classifier.state_dict(), "mobilenet.pth")
    assert [one.origin for one in taken.left_over] == ["classifier"]
    assert ("of other shape" in taken.parts[0].said) == (not reduced_tail)
    # Of a trained one the norms forgive little: theirs are 1e-5 there, and 1e-3 here.
    for norm in (module for module in classifier.modules() if hasattr(module, "eps")):
        norm.eps = 1e-3
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        first, second = list(detector.eval().backbone(image).values())[:2]
        features = classifier.features[:13](image)
        torch.testing.assert_close(first, classifier.features[13].block[0](features))
        if reduced_tail:
            torch.testing.assert_close(second, classifier.features[13:](features))


@pytest.mark.parametrize(
    ("state_dict", "why"),
    [
        ({"features.0.weight": torch.zeros(1)}, "no tensor is backbone.features.0.0.0.weight"),
        ({"layer1.0.conv1.weight": torch.zeros(1)}, "this is not a classifier, as torchvision"),
        (
            {"backbone.features.0.0.0.weight": torch.zeros(1)},
            r"0.0.0.weight has shape \(1,\) where the detector has \(16, 3, 3, 3\)",
        ),
    ],
)
def test_of_another_network(tmp_path, state_dict, why) -> None:
    path = tmp_path / "other.pth"
    torch.save(state_dict, path)
    with pytest.raises(CheckpointError, match=why) as error:
        load_detector_weights(lite(), str(path))
    assert "check model.detector" in str(error.value)
    assert str(path) in str(error.value)
