"""Which shards are read, and how."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Literal

from advent_dist.config.require import Size, require, require_no_secret, require_size
from advent_dist.config.sliding import Average, Sliding, sliding

Labels = Literal["pixels", "boxes"]
"""What of a labelled sample is read."""


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Random changes to training images and, if they move pixels, to labels. None by default."""

    scale: tuple[float, float] = (1.0, 1.0)
    """Range of a random resize factor, applied before the crop."""

    crop: Size | None = None
    """Width, height in pixels of a random crop; none keeps the whole image."""

    crop_max_share: float = 1.0
    """Share of a labelled crop's pixels that one class may have, at most; another is cut out, up to
    10 times, until that holds (DAFormer: 0.75)."""

    crop_min_pixels: int = 0
    """Pixels of the class an image was drawn for, which a crop has more of; another is cut out,
    up to 10 times, until that holds (DAFormer: 1500). See `data.rare_class_temperature`."""

    flip: float = 0.0
    """Probability of a horizontal flip."""

    jitter: float = 0.0
    """Strength of a random change of brightness, contrast and saturation (factor 1 +- jitter) and
    of hue (+- jitter / 4 turns)."""

    zoom_out: float = 0.0
    """Probability that an image is seen from farther away, ImageNet's mean colour around it (SSD:
    0.5)."""

    zoom_out_side: float = 4.0
    """How many times longer the sides of such an image may become (SSD: 4)."""

    iou_crop: bool = False
    """Cut out a part of an image that keeps a box to a share drawn at random, or all (SSD). Only of
    images with boxes; others, and so those of the target, stay whole."""

    fda_beta: float = 0.0
    """Give source images the low frequencies of target images: amplitudes up to this share of the
    shorter side's pixels (FDA: 0.01 to 0.09); 0 leaves them out."""

    def __post_init__(self) -> None:
        low, high = self.scale
        fix = "give 0 < low <= high <= 16"
        require(0 < low <= high <= 16, "data.augment.scale", self.scale, fix)
        require_size("data.augment.crop", self.crop)
        share = self.crop_max_share
        require(0 < share <= 1, "data.augment.crop_max_share", share, "give a share in (0, 1]")
        least = self.crop_min_pixels
        require(least >= 0, "data.augment.crop_min_pixels", least, "must be 0 or more")
        fix = "it says which crops are taken; set data.augment.crop too"
        cropped = self.crop is not None
        require(cropped or share == 1, "data.augment.crop_max_share", share, fix)
        require(cropped or least == 0, "data.augment.crop_min_pixels", least, fix)
        require(0 <= self.flip <= 1, "data.augment.flip", self.flip, "a probability is 0 to 1")
        require(0 <= self.jitter < 1, "data.augment.jitter", self.jitter, "give 0 <= jitter < 1")
        zooms = self.zoom_out
        require(0 <= zooms <= 1, "data.augment.zoom_out", zooms, "a probability is 0 to 1")
        side = self.zoom_out_side
        fix = "give a factor of 1 to 16"
        require(1 <= side <= 16, "data.augment.zoom_out_side", side, fix)
        beta = self.fda_beta
        require(0 <= beta <= 0.5, "data.augment.fda_beta", beta, "give a share in 0..0.5")


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which shards are read, at which size, in which portions."""

    root: str = "data"
    """Folder or URL (s3://bucket/prefix) that the shard folders below are relative to."""

    source: str
    """Shard folder of the labelled source training images."""

    target: str
    """Shard folder of the target training images; labels in it are never read."""

    evaluation: str | None = None
    """Shard folder of the target images that a run is evaluated on: labelled ones for
    `target_miou` (`target_map`), or unlabelled ones. None takes images of `target`, unlabelled."""

    evaluation_images: int = 100
    """Images of `target`, evenly spread over it, that are evaluated where `evaluation` is none."""

    source_evaluation: str | None = None
    """Shard folder of labelled source images for `source_miou` or `source_map`; none leaves
    it out."""

    held_out: str | None = None
    """Shard folder of labelled target images that a sweep's results are reported on: others than
    those of `evaluation`, which choose."""

    labels: Labels = "pixels"
    """What of a labelled sample is read: its label map, or its boxes (for detectors)."""

    classes: str | None = None
    """Name of the class set that the shards must have; none takes what their manifests say."""

    source_size: Size
    """Width, height in pixels that source images are resized to (bicubic; labels nearest)."""

    target_size: Size
    """Width, height in pixels that target images are resized to (bicubic)."""

    evaluation_size: Size
    """Width, height in pixels of the network's input in evaluations; the logits are upsampled to
    the label's own size."""

    evaluation_window: Size | None = None
    """Width, height in pixels of windows that slide over these images, of which each is segmented
    by itself. None segments images as a whole."""

    evaluation_stride: Size | None = None
    """How far the next window lies to the right, and below; none takes half of the window."""

    evaluation_average: Average = "logits"
    """What the mean is taken of where windows overlap: logits (HRDA, MIC), or probabilities
    (VFM-UDA)."""

    batch_size_per_rank: int = 1
    """Images of each domain in one micro-batch of one rank."""

    evaluation_batch_size_per_rank: int = 1
    """Images in one evaluation batch of one rank."""

    workers_per_rank: int = 1
    """Loader processes a rank for each domain and each evaluation folder; 0 decodes in the training
    process."""

    rare_class_temperature: float | None = None
    """Draw source images by their classes, the rarer the more often, at this temperature (DAFormer:
    0.01); none reads each image once an epoch."""

    rare_class_pixels: int = 3000
    """Pixels of a class that an image has more of to be drawn for it, in the shards' own size."""

    augment: AugmentConfig = AugmentConfig()
    """Random changes to training images of both domains."""

    anonymous: bool = False
    """Read s3:// without credentials (public buckets)."""

    timeout_s: float = 60.0
    """Seconds after which a read from object storage is tried again, from the byte it reached."""

    attempts: int = 8
    """How often a read from object storage is tried, in about half a minute of pauses, before the
    run fails."""

    cache_dir: str | None = None
    """Local folder that keeps what was read from object storage, shared by the ranks of a node and
    by several runs; none keeps nothing."""

    cache_gb: float = 100.0
    """Size in 10^9 bytes that the cache may have; what was unused for longest gives way."""

    damaged: Literal["skip", "fail"] = "skip"
    """What a damaged training sample does: its neighbour takes its place, counted and named in the
    log, or the run fails."""

    evaluation_damaged: Literal["skip", "fail"] = "fail"
    """What a damaged evaluation sample does: it is left out, counted and named in the log, or the
    run fails."""

    max_damaged_fraction: float = 1e-3
    """Share of a folder's samples above which damage fails the run in any case."""

    def __post_init__(self) -> None:
        for name in ("source_size", "target_size", "evaluation_size"):
            require_size(f"data.{name}", getattr(self, name))
        _ = self.sliding
        for name in (
            "batch_size_per_rank",
            "evaluation_batch_size_per_rank",
            "evaluation_images",
            "attempts",
        ):
            value = getattr(self, name)
            require(value >= 1, f"data.{name}", value, "must be at least 1")
        require(
            self.workers_per_rank >= 0,
            "data.workers_per_rank",
            self.workers_per_rank,
            "must be 0 or more",
        )
        if self.held_out is not None and self.evaluation is not None:
            same = os.path.normpath(self.held_out) == os.path.normpath(self.evaluation)
            fix = "the images that report must be others than those of data.evaluation"
            require(not same, "data.held_out", self.held_out, fix)
        for name in ("root", "source", "target", "evaluation", "source_evaluation", "held_out"):
            require_no_secret(f"data.{name}", getattr(self, name) or "")
        local = self.cache_dir is None or "://" not in self.cache_dir
        require(local, "data.cache_dir", self.cache_dir, "give a folder on the node's own disk")
        require(self.cache_gb > 0, "data.cache_gb", self.cache_gb, "must be positive")
        temperature = self.rare_class_temperature
        fix = "must be positive, and finite"
        fits = temperature is None or 0 < temperature < math.inf
        require(fits, "data.rare_class_temperature", temperature, fix)
        pixels = self.rare_class_pixels
        require(pixels >= 0, "data.rare_class_pixels", pixels, "must be 0 or more")
        wanted = self.augment.crop_min_pixels == 0 or temperature is not None
        fix = "images are drawn for a class with data.rare_class_temperature alone; set that too"
        require(wanted, "data.augment.crop_min_pixels", self.augment.crop_min_pixels, fix)
        self._require_fitting_changes()
        share = self.max_damaged_fraction
        require(0 <= share <= 1, "data.max_damaged_fraction", share, "a share is 0 to 1")
        fix = "must be positive, and finite: nothing waits for ever"
        require(0 < self.timeout_s < math.inf, "data.timeout_s", self.timeout_s, fix)

    def _require_fitting_changes(self) -> None:
        """Refuse changes to training images that are of the other kind of labels."""
        boxes, augment = self.labels == "boxes", self.augment
        fix = "it moves boxes; set data.labels to boxes, or leave it out"
        require(boxes or not augment.zoom_out, "data.augment.zoom_out", augment.zoom_out, fix)
        require(boxes or not augment.iou_crop, "data.augment.iou_crop", augment.iou_crop, fix)
        share, fix = augment.crop_max_share, "boxes have no share of a crop's pixels; leave it out"
        require(not boxes or share == 1, "data.augment.crop_max_share", share, fix)

    @property
    def one_size(self) -> bool:
        """Whether the images of both domains have one size in training."""
        low, high = self.augment.scale
        cropped = self.augment.crop is not None
        return cropped or (self.source_size == self.target_size and low == high)

    @property
    def sliding(self) -> Sliding | None:
        """The windows of evaluations, if there are any."""
        return sliding(
            self.evaluation_window,
            self.evaluation_stride,
            self.evaluation_size,
            self.evaluation_average,
        )
