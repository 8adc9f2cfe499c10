"""The detector: decoded RGB images in, class distributions and boxes at anchors out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Shaped
from torch import Tensor, nn
from torch.func import functional_call
from torchvision.models.detection import ssd300_vgg16, ssdlite320_mobilenet_v3_large
from torchvision.models.detection.image_list import ImageList

from advent_dist.config import DetectorConfig
from advent_dist.errors import ConfigError
from advent_dist.losses import at_least_fp32
from advent_dist.models.checkpointing import Recomputed
from advent_dist.models.detection.backbones import blocks_of_backbone, checkpoint_backbone
from advent_dist.models.detection.decoding import Decoding, decode
from advent_dist.models.detection.output import DetectorOutput, Level
from advent_dist.models.segmenter import Normalise
from advent_dist.types import Detections

D = TypeVar("D", bound="Detector")

_BUILDERS: dict[str, Callable[..., Any]] = {
    "ssd300_vgg16": ssd300_vgg16,
    "ssdlite320_mobilenet_v3_large": ssdlite320_mobilenet_v3_large,
}


class Detector(nn.Module):
    """An SSD of torchvision, taken apart so that what it says of each anchor can be seen.

    Its parameters have torchvision's names. Images of any size are resized to its own, as
    torchvision's model does it: the levels have the same cells always.

    Args:
        network: what torchvision builds; its backbone and its head become this one's.
        num_classes: C, without the background.
    """

    anchors: Tensor

    def __init__(self, network: Any, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.backbone: nn.Module = network.backbone
        self.head: nn.Module = network.head
        transform = network.transform
        width, height = transform.fixed_size
        self.size = (height, width)
        """Height, width that images are resized to."""
        self.normalise = Normalise(transform.image_mean, transform.image_std, scale=1 / 255)
        generator = network.anchor_generator
        maps = _shapes(self.backbone, self.size)
        cells = zip(maps, generator.num_anchors_per_location(), strict=True)
        self.levels = tuple(Level(*shape, count) for shape, count in cells)
        """The maps of features, the finest first."""
        self.register_buffer("anchors", _anchors(generator, self.size, maps), persistent=False)
        self.decoding = Decoding(
            score_threshold=network.score_thresh,
            candidates=network.topk_candidates,
            nms_threshold=network.nms_thresh,
            boxes=network.detections_per_img,
        )
        """Which boxes `decode` leaves."""
        self._still: list[nn.Module] = []

    def keep_still(self, modules: Sequence[nn.Module]) -> None:
        """Leave modules as they are: not trained, and in evaluation mode in a training, too."""
        self._still += modules
        for module in modules:
            module.requires_grad_(False).eval()

    def train(self: D, mode: bool = True) -> D:
        """Training mode, but for what is kept still."""
        super().train(mode)
        for module in self._still:
            module.eval()
        return self

    def forward(self, images: Shaped[Tensor, "n 3 h w"]) -> DetectorOutput:
        """Class logits and boxes of each anchor.

        Args:
            images: RGB in 0..255, uint8 or float [n, 3, h, w], of any size.
        """
        height, width = images.shape[2:]
        pixels = self.normalise(images)
        if (height, width) != self.size:
            pixels = F.interpolate(pixels, self.size, mode="bilinear", align_corners=False)
        said = self.head(list(self.backbone(pixels).values()))
        # Not by a tensor of both factors, which a GPU would be waited for to take.
        x, y = self.anchors.view(-1, 2, 2).unbind(-1)
        anchors = torch.stack((x * (width / self.size[1]), y * (height / self.size[0])), -1)
        return DetectorOutput(
            class_logits=at_least_fp32(said["cls_logits"]),
            box_regression=at_least_fp32(said["bbox_regression"]),
            anchors=anchors.view(-1, 4),
            levels=self.levels,
            size=(height, width),
        )

    def decode(
        self, output: DetectorOutput, sizes: Sequence[tuple[int, int]] | None = None
    ) -> list[Detections]:
        """The boxes of each image, by torchvision's thresholds.

        Args:
            output: of n images.
            sizes: width, height of each image as it was stored, which boxes are given in; those of
                the images that were seen by default.
        """
        height, width = output.size
        seen = [(width, height)] * len(output.class_logits)
        return decode(output, seen if sizes is None else sizes, self.decoding)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """The trainable parameters as `encoder`, the classifier's blocks, and `heads`, the rest."""
        blocks = blocks_of_backbone(self.backbone)
        in_blocks = {id(p) for block in blocks for one in block for p in one.parameters()}
        trainable = [p for p in self.parameters() if p.requires_grad]
        return {
            "encoder": [p for p in trainable if id(p) in in_blocks],
            "heads": [p for p in trainable if id(p) not in in_blocks],
        }

    def enable_activation_checkpointing(self, recomputed: Recomputed = "all") -> None:
        """Recompute the backbone's activations in the backward pass; call it once.

        Args:
            recomputed: `all` of them, or those that are `cheap`.
        """
        checkpoint_backbone(self.backbone, recomputed)


def build_detector(config: DetectorConfig, num_classes: int) -> Detector:
    """The detector of a config, with random weights; `load_detector_weights` has others.

    Args:
        config: which network.
        num_classes: C, without the background.

    Raises:
        ConfigError: the backbone has fewer blocks than should be trained.
    """
    build = _BUILDERS[config.detector]
    detector = Detector(
        build(weights=None, weights_backbone=None, num_classes=num_classes + 1), num_classes
    )
    trained = config.trained_blocks
    if trained is None:
        return detector
    blocks = blocks_of_backbone(detector.backbone)
    if trained > len(blocks):
        raise ConfigError(
            f"model.trained_blocks = {trained}: the backbone of {config.detector} has "
            f"{len(blocks)} blocks; give at most as many, or none to train all of it"
        )
    frozen = blocks[: len(blocks) - trained]
    detector.keep_still([module for block in frozen for module in block])
    return detector


def _shapes(backbone: nn.Module, size: tuple[int, int]) -> list[tuple[int, int]]:
    """Height, width of each map of features, without computing any."""
    nothing = {name: value.to("meta") for name, value in backbone.state_dict().items()}
    image = torch.empty(1, 3, *size, device="meta")
    was_training = backbone.training
    with torch.no_grad():
        maps = functional_call(backbone.eval(), nothing, (image,))
    backbone.train(was_training)
    return [tuple(one.shape[2:]) for one in maps.values()]


def _anchors(generator: Any, size: tuple[int, int], maps: Sequence[tuple[int, int]]) -> Tensor:
    """fp32 [anchors, 4] in pixels of images of that size, on the CPU."""
    with torch.device("cpu"):
        images = ImageList(torch.empty(1, 3, *size), [size])
        anchors: Tensor = generator(images, [torch.empty(1, 1, *shape) for shape in maps])[0]
        return anchors
