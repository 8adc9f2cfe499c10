"""What crosses package borders: the batch that a step eats and the metrics that it returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float32, Int64, Shaped, UInt8
from torch import Tensor
from typing_extensions import Self

IGNORE_INDEX = 255
"""Label value of a pixel that has no class: no loss, no metric."""

Metrics = Mapping[str, Tensor]
"""Name -> 0-d float tensor, still on the device. Reduced over ranks and read when reported."""


@dataclass(frozen=True, kw_only=True)
class PairedImages:
    """One micro-batch of a rank: as many labelled source images as unlabelled target images.

    Images are RGB, 0..255, as decoded (uint8); each network normalises them itself on the device.
    The two domains may have different sizes, since each is forwarded at its own.
    """

    source_image: Shaped[Tensor, "n 3 h w"]
    """uint8 [n, 3, h, w], RGB in 0..255."""

    target_image: Shaped[Tensor, "m 3 i j"]
    """uint8 [m, 3, i, j], RGB in 0..255."""

    source_keys: tuple[str, ...] = ()
    """Keys of the source samples, for messages."""

    target_keys: tuple[str, ...] = ()
    """Keys of the target samples, for messages."""

    def to(self, device: torch.device) -> Self:
        """The same batch with its tensors on `device`."""
        return replace(
            self,
            source_image=self.source_image.to(device, non_blocking=True),
            target_image=self.target_image.to(device, non_blocking=True),
        )

    @property
    def keys(self) -> str:
        """The samples' keys, as a message names them."""
        source, target = ", ".join(self.source_keys), ", ".join(self.target_keys)
        return f"source samples {source}, target samples {target}"


@dataclass(frozen=True, kw_only=True)
class DomainBatch(PairedImages):
    """One whose source images have label maps."""

    source_label: UInt8[Tensor, "n h w"]
    """uint8 [n, h, w], train ids in 0..num_classes-1, or 255 = ignore."""

    def to(self, device: torch.device) -> Self:
        """The same batch with its tensors on `device`."""
        label = self.source_label.to(device, non_blocking=True)
        return replace(super().to(device), source_label=label)


@dataclass(frozen=True, kw_only=True)
class Boxes:
    """The boxes of one image."""

    xyxy: Float32[Tensor, "k 4"]
    """float32 [k, 4], left, top, right and bottom edge in pixels of the image, from its upper left
    corner (so right - left is the width); inside the image, of positive area."""

    label: Int64[Tensor, " k"]
    """int64 [k], train ids in 0..num_classes-1."""

    ignore: Bool[Tensor, " k"]
    """bool [k]: neither learnt from nor scored (a crowd, or marked as difficult)."""

    def to(self, device: torch.device) -> Boxes:
        """The same boxes on `device`."""
        return Boxes(
            xyxy=self.xyxy.to(device, non_blocking=True),
            label=self.label.to(device, non_blocking=True),
            ignore=self.ignore.to(device, non_blocking=True),
        )


@dataclass(frozen=True, kw_only=True)
class Detections:
    """What a detector finds in one image, the likeliest first."""

    xyxy: Float32[Tensor, "k 4"]
    """float32 [k, 4], as in `Boxes`."""

    label: Int64[Tensor, " k"]
    """int64 [k], train ids in 0..num_classes-1."""

    score: Float32[Tensor, " k"]
    """float32 [k], probability of the class in 0..1."""

    def to(self, device: torch.device) -> Detections:
        """The same detections on `device`."""
        return Detections(
            xyxy=self.xyxy.to(device), label=self.label.to(device), score=self.score.to(device)
        )


@dataclass(frozen=True, kw_only=True)
class BoxBatch(PairedImages):
    """One whose source images have boxes."""

    source_boxes: tuple[Boxes, ...]
    """The boxes of each source image, n of them, in its pixels as they are in the batch."""

    def to(self, device: torch.device) -> Self:
        """The same batch with its tensors on `device`."""
        boxes = tuple(boxes.to(device) for boxes in self.source_boxes)
        return replace(super().to(device), source_boxes=boxes)


@dataclass(frozen=True, kw_only=True)
class EvaluationBatch:
    """One batch of an evaluation: images at the network's input size, labels at their own size."""

    image: Shaped[Tensor, "n 3 h w"]
    """uint8 [n, 3, h, w], RGB in 0..255."""

    label: UInt8[Tensor, "n i j"]
    """uint8 [n, i, j], train ids or 255; its own resolution, which the logits are upsampled to. Of
    images without labels: 255 everywhere, at the images' own resolution."""

    keys: tuple[str, ...]
    """Keys of the samples, n of them."""


@dataclass(frozen=True, kw_only=True)
class BoxEvaluationBatch:
    """One batch of a detector's evaluation: images at the network's input size, boxes not."""

    image: Shaped[Tensor, "n 3 h w"]
    """uint8 [n, 3, h, w], RGB in 0..255."""

    sizes: tuple[tuple[int, int], ...]
    """Width, height in pixels of each image as it was stored, n of them."""

    boxes: tuple[Boxes, ...] | None
    """The boxes of each image, in pixels of the image as it was stored; None where the shards have
    none."""

    keys: tuple[str, ...]
    """Keys of the samples, n of them."""
