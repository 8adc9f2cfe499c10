"""The paper's network: DeepLab-v2 on a ResNet-101 as Caffe built it.

It differs from today's ResNets: the stride sits in a bottleneck's first 1x1 convolution, the
max-pool rounds up, and the last two stages are dilated instead of strided. BatchNorm's affine
parameters are frozen, while its statistics stay those of the batch. The published weights fit this
network and no other.
"""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from advent_dist.models.decoders.dilated import DilatedHead
from advent_dist.models.network import SingleScale

BGR_MEAN = (104.00698793, 116.66876762, 122.67891434)
"""What is subtracted from a BGR image in 0..255; there is no division."""


def _frozen_norm(channels: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels)
    for parameter in norm.parameters():
        parameter.requires_grad_(False)
    return norm


class Bottleneck(nn.Module):
    """1x1 (strided), 3x3 (dilated), 1x1, added to a shortcut."""

    def __init__(
        self, in_channels: int, channels: int, *, stride: int, dilation: int, project: bool
    ) -> None:
        super().__init__()
        out_channels = 4 * channels
        self.conv1 = nn.Conv2d(in_channels, channels, 1, stride=stride, bias=False)
        self.bn1 = _frozen_norm(channels)
        self.conv2 = nn.Conv2d(
            channels, channels, 3, padding=dilation, dilation=dilation, bias=False
        )
        self.bn2 = _frozen_norm(channels)
        self.conv3 = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.bn3 = _frozen_norm(out_channels)
        self.downsample = (
            nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False),
                _frozen_norm(out_channels),
            )
            if project
            else None
        )

    def forward(self, features: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d i j"]:
        """[n, in_channels, h, w] -> [n, 4 * channels, ceil(h / stride), ceil(w / stride)]."""
        shortcut = features if self.downsample is None else self.downsample(features)
        out = F.relu(self.bn1(self.conv1(features)), inplace=True)
        out = F.relu(self.bn2(self.conv2(out)), inplace=True)
        return F.relu(self.bn3(self.conv3(out)) + shortcut, inplace=True)


def _stage(
    in_channels: int, channels: int, blocks: int, *, stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    first = Bottleneck(in_channels, channels, stride=stride, dilation=dilation, project=True)
    others = (
        Bottleneck(4 * channels, channels, stride=1, dilation=dilation, project=False)
        for _ in range(blocks - 1)
    )
    return nn.Sequential(first, *others)


class DeepLabV2(SingleScale):
    """DeepLab-v2, output stride 8, with the names and shapes of the published state dicts.

    Args:
        num_classes: C, the classes of each head.
        multi_level: add the auxiliary head on the third stage's 1024 channels.
        head_dilations: convolutions of a head, 4 or 2; see `DilatedHead`.
    """

    channels = 2048

    def __init__(
        self, num_classes: int = 19, multi_level: bool = True, head_dilations: int = 4
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = _frozen_norm(64)
        self.layer1 = _stage(64, 64, blocks=3)
        self.layer2 = _stage(256, 128, blocks=4, stride=2)
        self.layer3 = _stage(512, 256, blocks=23, dilation=2)
        self.layer4 = _stage(1024, 512, blocks=3, dilation=4)
        self.layer5 = DilatedHead(1024, num_classes, head_dilations) if multi_level else None
        self.layer6 = DilatedHead(2048, num_classes, head_dilations)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.01)

    def encode(self, image: Float[Tensor, "n 3 h w"]) -> list[Tensor]:
        """The features of the last two stages, at an eighth of the resolution.

        Args:
            image: BGR in 0..255 minus `BGR_MEAN`.
        """
        out = F.relu(self.bn1(self.conv1(image)), inplace=True)
        out = F.max_pool2d(out, kernel_size=3, stride=2, padding=1, ceil_mode=True)
        middle = self.layer3(self.layer2(self.layer1(out)))
        return [middle, self.layer4(middle)]

    def decode(
        self, features: list[Tensor]
    ) -> tuple[Float[Tensor, "n c i j"] | None, Float[Tensor, "n c i j"]]:
        """Auxiliary logits (None without that head) and main logits, both [n, C, i, j]."""
        middle, deepest = features
        aux = None if self.layer5 is None else self.layer5(middle)
        return aux, self.layer6(deepest)

    @property
    def heads(self) -> list[nn.Module]:
        """layer5, if there is one, and layer6."""
        return [self.layer6] if self.layer5 is None else [self.layer5, self.layer6]


def is_head(name: str) -> bool:
    """Whether a parameter of that name belongs to one of the two heads."""
    return name.startswith(("layer5.", "layer6."))


def published_repeats(network: DeepLabV2) -> dict[int, list[nn.Parameter]]:
    """The encoder's trainable parameters by how often the published code gives each to SGD.

    It yields a parameter once for every module around it within conv1, layer1, ... layer4.
    """
    groups: dict[int, list[nn.Parameter]] = {}
    for stage in (network.conv1, network.layer1, network.layer2, network.layer3, network.layer4):
        for name, parameter in stage.named_parameters():
            if parameter.requires_grad:
                groups.setdefault(name.count(".") + 1, []).append(parameter)
    return groups
