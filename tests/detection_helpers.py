"""A detector small enough for a test, methods of it, and images with boxes."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
from torchvision.models.detection.ssd import SSD

from advent_dist.config import (
    DetectorAdventConfig,
    DetectorAdventMinEntConfig,
    DetectorMinEntConfig,
    DetectorSourceOnlyConfig,
    EngineConfig,
)
from advent_dist.config.methods.detection import DetectorAdversarialConfig
from advent_dist.methods.base import Method
from advent_dist.methods.detection import DETECTION_METHODS
from advent_dist.methods.detection.adversary import discriminators_of
from advent_dist.methods.parts import Parts
from advent_dist.models.detector import Detector
from advent_dist.parallel.engine import Engine
from advent_dist.parallel.local import LocalEngine
from advent_dist.parallel.world import World
from advent_dist.types import BoxBatch, Boxes

CONFIGS = {
    "detector_source_only": DetectorSourceOnlyConfig,
    "detector_minent": DetectorMinEntConfig,
    "detector_advent": DetectorAdventConfig,
    "detector_advent_minent": DetectorAdventMinEntConfig,
}
CLASSES = 3
SIDE = 64
"""Pixels: the maps have 8, 4 and 2 cells a side then."""


class TinyBackbone(nn.Module):
    """As that of SSD-300: maps by name, and a parameter that is in no layer."""

    def __init__(self) -> None:
        super().__init__()
        self.scale_weight = nn.Parameter(torch.full((16,), 2.0))
        self.features = nn.Sequential(_block(3, 8), _block(8, 16), _block(16, 16))
        self.extra = nn.ModuleList([_block(16, 24), _block(24, 24)])
        self.out_channels = [16, 24, 24]

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        features = self.features(image)
        maps = [self.scale_weight.view(1, -1, 1, 1) * nn.functional.normalize(features)]
        for block in self.extra:
            features = block(features)
            maps.append(features)
        return OrderedDict((str(number), one) for number, one in enumerate(maps))


def _block(channels: int, wider: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels, wider, 3, stride=2, padding=1), nn.ReLU())


def tiny_detector(num_classes: int = CLASSES) -> Detector:
    """torchvision's SSD on a few convolutions, the same always."""
    torch.manual_seed(0)
    boxes = DefaultBoxGenerator([[2], [2], [2]], min_ratio=0.2, max_ratio=0.8)
    network = SSD(TinyBackbone(), boxes, (SIDE, SIDE), num_classes + 1)
    return Detector(network, num_classes)


def random_boxes(seed: int, count: int = 3, side: int = SIDE) -> Boxes:
    """Boxes in an image of that side, none of them ignored."""
    random = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=random) * side * 0.6
    size = side * (0.2 + 0.2 * torch.rand(count, 2, generator=random))
    size[:1] *= 2.0  # for the coarsest map
    return Boxes(
        xyxy=torch.cat((corner, corner + size), 1).clamp(max=side),
        label=torch.randint(0, CLASSES, (count,), generator=random),
        ignore=torch.zeros(count, dtype=torch.bool),
    )


def random_box_batch(seed: int, count: int = 3) -> BoxBatch:
    """Noise with boxes; the same for the same seed. The target has another size."""
    random = torch.Generator().manual_seed(seed)
    return BoxBatch(
        source_image=torch.randint(0, 256, (2, 3, SIDE, SIDE), generator=random).byte(),
        source_boxes=(random_boxes(seed, count), random_boxes(seed + 1000, count)),
        target_image=torch.randint(0, 256, (2, 3, 48, 96), generator=random).byte(),
    )


def detection_method(
    name: str,
    world: World | None = None,
    engine: EngineConfig | None = None,
    *,
    num_classes: int = CLASSES,
    lr: float = 1e-3,
    **changes: Any,
) -> Method[BoxBatch]:
    """A method of `tiny_detector`, all of whose networks learn by plain SGD.

    Args:
        name: of the method.
        world: this rank.
        engine: plain PyTorch by default.
        num_classes: C.
        lr: of all networks.
        changes: values of the method's config.
    """
    world, engine = world or World(), engine or EngineConfig(kind="local")
    config = CONFIGS[name](**changes)
    detector = tiny_detector(num_classes).train()
    networks: dict[str, nn.Module] = {"detector": detector}
    if isinstance(config, DetectorAdversarialConfig):
        networks |= discriminators_of(config, detector, width=4)
    engines = {key: _engine(value, engine, world, lr) for key, value in networks.items()}
    prior = torch.full((num_classes,), 1 / num_classes)
    parts = Parts(engines=engines, source_prior=prior, world=world)
    return DETECTION_METHODS[name](config, parts)


def _engine(module: nn.Module, config: EngineConfig, world: World, lr: float) -> Engine:
    module.to(world.device)
    optimizer = torch.optim.SGD(module.parameters(), lr=lr, momentum=0.9)
    if config.kind == "local":
        return LocalEngine(module, optimizer, config, world)
    from advent_dist.parallel.deepspeed import DeepSpeedEngine

    return DeepSpeedEngine(
        module, optimizer, config, world, stage=config.zero_stage, batch_size_per_rank=2
    )
