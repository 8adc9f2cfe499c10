"""Every knob of a run: a run is a function of its `Experiment`, frozen and validated when built.

`tyro` makes the command line out of these classes, so a field's docstring is also its help text.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Annotated, Literal

import tyro
from pydantic import Discriminator

from advent_dist.errors import ConfigError

Size = tuple[int, int]
"""Width and height in pixels, in this order."""


def _require(holds: bool, name: str, value: object, fix: str) -> None:
    if not holds:
        raise ConfigError(f"{name} = {value!r}: {fix}")


def _require_no_secret(name: str, url: str) -> None:
    host = url.split("://", 1)[1].split("/")[0] if "://" in url else ""
    hidden = "***@" + host.rsplit("@", 1)[-1]
    _require("@" not in host, name, hidden, "credentials belong into AWS_* variables, not a URL")


_VARIABLES = ("NCCL_", "TORCH_NCCL_", "GLOO_", "TP_", "FI_", "UCX_", "OMP_", "MKL_", "CUDA_DEVICE_")
"""What the names of `cluster.environment` begin with."""


def _require_variable(variable: str) -> None:
    name, equals, value = variable.partition("=")
    # Without its value, which may be a secret that got here by mistake.
    _require(bool(name and equals and value), "cluster.environment", name, "give NAME=VALUE")
    _require(
        name.startswith(_VARIABLES),
        "cluster.environment",
        name,
        f"only names that begin with {', '.join(_VARIABLES)}; everything else, credentials above "
        "all, belongs into the environment of the nodes",
    )


def _require_size(name: str, size: Size | None) -> None:
    _require(size is None or min(size) > 0, name, size, "width and height must be positive")


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Random changes to training images and, if they move pixels, to labels. None by default."""

    scale: tuple[float, float] = (1.0, 1.0)
    """Range of a random resize factor, applied before the crop."""

    crop: Size | None = None
    """Width, height in pixels of a random crop; none keeps the whole image."""

    flip: float = 0.0
    """Probability of a horizontal flip."""

    jitter: float = 0.0
    """Strength of a random change of brightness, contrast and saturation (factor 1 +- jitter) and
    of hue (+- jitter / 4 turns)."""

    def __post_init__(self) -> None:
        low, high = self.scale
        _require(0 < low <= high, "data.augment.scale", self.scale, "give 0 < low <= high")
        _require_size("data.augment.crop", self.crop)
        _require(0 <= self.flip <= 1, "data.augment.flip", self.flip, "a probability is 0 to 1")
        _require(0 <= self.jitter < 1, "data.augment.jitter", self.jitter, "give 0 <= jitter < 1")


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which shards are read, at which size, in which portions."""

    root: str = "data"
    """Folder or URL (s3://bucket/prefix) that the shard folders below are relative to."""

    source: str
    """Shard folder of the labelled source training images."""

    target: str
    """Shard folder of the target training images; labels in it are never read."""

    evaluation: str
    """Shard folder of the labelled target images that `target_miou` is measured on."""

    source_evaluation: str | None = None
    """Shard folder of labelled source images for `source_miou`; none leaves it out."""

    held_out: str | None = None
    """Shard folder of labelled target images that a sweep's results are reported on: others than
    those of `evaluation`, which choose."""

    classes: str
    """Class set of the labels: cityscapes19, cityscapes16 or camvid11."""

    source_size: Size
    """Width, height in pixels that source images are resized to (bicubic; labels nearest)."""

    target_size: Size
    """Width, height in pixels that target images are resized to (bicubic)."""

    evaluation_size: Size
    """Width, height in pixels of the network's input in evaluations; the logits are upsampled to
    the label's own size."""

    batch_size_per_rank: int = 1
    """Images of each domain in one micro-batch of one rank."""

    evaluation_batch_size_per_rank: int = 1
    """Images in one evaluation batch of one rank."""

    workers_per_rank: int = 1
    """Loader processes a rank and domain; 0 decodes in the training process."""

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
            _require_size(f"data.{name}", getattr(self, name))
        for name in ("batch_size_per_rank", "evaluation_batch_size_per_rank", "attempts"):
            value = getattr(self, name)
            _require(value >= 1, f"data.{name}", value, "must be at least 1")
        _require(
            self.workers_per_rank >= 0,
            "data.workers_per_rank",
            self.workers_per_rank,
            "must be 0 or more",
        )
        if self.held_out is not None:
            same = os.path.normpath(self.held_out) == os.path.normpath(self.evaluation)
            fix = "the images that report must be others than those of data.evaluation"
            _require(not same, "data.held_out", self.held_out, fix)
        for name in ("root", "source", "target", "evaluation", "source_evaluation", "held_out"):
            _require_no_secret(f"data.{name}", getattr(self, name) or "")
        local = self.cache_dir is None or "://" not in self.cache_dir
        _require(local, "data.cache_dir", self.cache_dir, "give a folder on the node's own disk")
        _require(self.cache_gb > 0, "data.cache_gb", self.cache_gb, "must be positive")
        share = self.max_damaged_fraction
        _require(0 <= share <= 1, "data.max_damaged_fraction", share, "a share is 0 to 1")
        _require(self.timeout_s > 0, "data.timeout_s", self.timeout_s, "must be positive")


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The segmenter and the discriminators that look at its outputs."""

    encoder: str = "deeplab_v2"
    """`deeplab_v2`: the paper's DeepLab-v2 on a Caffe-style ResNet-101. Else the name of any timm
    model with features."""

    pretrained: bool = False
    """Download timm's pretrained weights of the encoder."""

    weights: str | None = None
    """Initial weights: a local file (.pth, .safetensors), or `pip:PACKAGE` for the one that an
    installed package ships."""

    multi_level: bool = True
    """Add an auxiliary head on the second-deepest features, with a discriminator of its own."""

    output_stride: Literal[8, 16, 32] = 8
    """Input pixels per pixel of the deepest features of a timm CNN (others keep their own)."""

    discriminator_width: int = 64
    """Channels of a discriminator's first layer; each of the next three doubles them."""

    def __post_init__(self) -> None:
        width = self.discriminator_width
        _require(width >= 1, "model.discriminator_width", width, "must be at least 1")
        both = self.pretrained and self.weights is not None
        _require(
            not both, "model.weights", self.weights, "give either weights or pretrained, not both"
        )


@dataclass(frozen=True, kw_only=True)
class _SupervisedConfig:
    """What every method has: the supervised loss on the source."""

    lambda_seg: float = 1.0
    """Weight of the cross entropy of the main head."""

    lambda_seg_aux: float = 0.1
    """Weight of the cross entropy of the auxiliary head."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name.startswith("lambda_"):
                _require(value >= 0, f"method.{name}", value, "a loss weight must be 0 or more")


@dataclass(frozen=True, kw_only=True)
class SourceOnlyConfig(_SupervisedConfig):
    """Supervised training on the source alone: the baseline."""

    name: Literal["source_only"] = "source_only"
    """Key of the method."""


@dataclass(frozen=True, kw_only=True)
class MinEntConfig(_SupervisedConfig):
    """Direct entropy minimisation on the target (ADVENT, section 3.1)."""

    name: Literal["minent"] = "minent"
    """Key of the method."""

    lambda_ent: float = 1e-3
    """Weight of the target entropy of the main head."""

    lambda_ent_aux: float = 2e-4
    """Weight of the target entropy of the auxiliary head."""

    entropy_range: float | None = None
    """ER: share of each image's pixels, those of highest entropy, that the loss is taken over (the
    paper: 0.3)."""

    lambda_prior: float = 0.0
    """CP: weight of the class-ratio prior; 0 leaves it out."""

    prior_mu: float = 0.5
    """CP: relaxation mu in 0..1 of the source's class ratios."""

    def __post_init__(self) -> None:
        super().__post_init__()
        share = self.entropy_range
        _require(
            share is None or 0 < share <= 1, "method.entropy_range", share, "give a share in (0, 1]"
        )
        _require(0 <= self.prior_mu <= 1, "method.prior_mu", self.prior_mu, "give a value in 0..1")


@dataclass(frozen=True, kw_only=True)
class AdventConfig(_SupervisedConfig):
    """Adversarial entropy minimisation (ADVENT, section 3.2)."""

    name: Literal["advent"] = "advent"
    """Key of the method."""

    lambda_adv: float = 1e-3
    """Weight of the adversarial loss of the main head."""

    lambda_adv_aux: float = 2e-4
    """Weight of the adversarial loss of the auxiliary head."""


@dataclass(frozen=True, kw_only=True)
class AdventMinEntConfig(_SupervisedConfig):
    """Adversarial and direct entropy minimisation in one training."""

    name: Literal["advent_minent"] = "advent_minent"
    """Key of the method."""

    lambda_adv: float = 1e-3
    """Weight of the adversarial loss of the main head."""

    lambda_adv_aux: float = 2e-4
    """Weight of the adversarial loss of the auxiliary head."""

    lambda_ent: float = 1e-3
    """Weight of the target entropy of the main head."""

    lambda_ent_aux: float = 2e-4
    """Weight of the target entropy of the auxiliary head."""


MethodConfig = Annotated[
    SourceOnlyConfig | MinEntConfig | AdventConfig | AdventMinEntConfig,
    Discriminator("name"),
    tyro.conf.AvoidSubcommands,
]


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """Optimisers and the polynomial schedule that both share."""

    segmenter: Literal["sgd", "adamw"] = "sgd"
    """Optimiser of the segmenter: SGD as in the paper, or AdamW, which transformers prefer."""

    segmenter_lr: float = 2.5e-4
    """Initial learning rate of the encoder."""

    head_lr_multiplier: float = 10.0
    """Learning rate of the heads over that of the encoder."""

    published_repeats: bool = False
    """Update the encoder of `deeplab_v2` three or four times a step, as the published code does
    (see repeated_sgd)."""

    momentum: float = 0.9
    """Momentum of SGD."""

    weight_decay: float = 5e-4
    """Weight decay of the segmenter."""

    discriminator_lr: float = 1e-4
    """Initial learning rate of the discriminators (Adam, no weight decay)."""

    discriminator_betas: tuple[float, float] = (0.9, 0.99)
    """Decay rates of Adam's two moments."""

    horizon: int = 250_000
    """Optimiser steps at which the schedule would reach 0; may lie beyond the run's last step."""

    power: float = 0.9
    """Exponent of the polynomial schedule."""

    def __post_init__(self) -> None:
        for name in ("segmenter_lr", "head_lr_multiplier", "discriminator_lr"):
            value = getattr(self, name)
            _require(value > 0, f"optimizer.{name}", value, "must be positive")
        for name in ("weight_decay", "power"):
            value = getattr(self, name)
            _require(value >= 0, f"optimizer.{name}", value, "must be 0 or more")
        for name, values in (
            ("momentum", (self.momentum,)),
            ("discriminator_betas", self.discriminator_betas),
        ):
            fits = all(0 <= value < 1 for value in values)
            _require(fits, f"optimizer.{name}", getattr(self, name), "give 0 <= value < 1")
        _require(self.horizon >= 1, "optimizer.horizon", self.horizon, "must be at least 1 step")


@dataclass(frozen=True, kw_only=True)
class EngineConfig:
    """How the models are executed and sharded."""

    kind: Literal["deepspeed", "local"] = "deepspeed"
    """`deepspeed`, or `local`: the plain PyTorch twin that it is tested against."""

    zero_stage: Literal[0, 1, 2, 3] = 0
    """ZeRO stage of the segmenter."""

    discriminator_zero_stage: Literal[0, 1, 2, 3] = 0
    """ZeRO stage of the discriminators; with 2.8 M parameters each, sharding them gains nothing."""

    zero3_persistence_threshold: int = 100_000
    """Parameters with fewer elements than this stay whole on every rank at ZeRO-3."""

    precision: Literal["fp32", "bf16"] = "fp32"
    """Arithmetic of the forward passes; parameters, losses and entropies stay fp32."""

    gradient_accumulation_steps: int = 1
    """Micro-batches whose gradients make one optimiser step."""

    gradient_clipping: float = 0.0
    """Largest gradient norm of each network; 0 does not clip."""

    activation_checkpointing: bool = False
    """Recompute the encoder's activations in the backward pass: less memory, more time."""

    collective_timeout_s: float = 600.0
    """Seconds after which a collective that some rank never joined fails the run."""

    def __post_init__(self) -> None:
        steps = self.gradient_accumulation_steps
        _require(steps >= 1, "engine.gradient_accumulation_steps", steps, "must be at least 1")
        _require(
            self.gradient_clipping >= 0,
            "engine.gradient_clipping",
            self.gradient_clipping,
            "must be 0 or more",
        )
        timeout = self.collective_timeout_s
        _require(timeout > 0, "engine.collective_timeout_s", timeout, "must be positive")
        sharded = self.kind == "local" and (self.zero_stage or self.discriminator_zero_stage)
        _require(
            not sharded, "engine.zero_stage", self.zero_stage, "only engine.kind=deepspeed shards"
        )


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """How long a run is, what it writes and when."""

    name: str | None = None
    """Name of the run folder; none takes the experiment's name."""

    storage: str = "runs"
    """Folder or URL (s3://bucket/prefix) that holds the run folders, shared by all hosts."""

    steps: int
    """Optimiser steps at which the run ends."""

    global_batch_size: int | None = None
    """Images of each domain in one optimiser step of all ranks together, whatever their number: the
    accumulation follows from it. None leaves both to data.batch_size_per_rank, cluster.workers and
    engine.gradient_accumulation_steps."""

    seed: int = 1234
    """Seed of the initial weights, the sample order and the augmentations."""

    report_every: int = 10
    """Optimiser steps between two lines of metrics."""

    evaluate_every: int = 2000
    """Optimiser steps between two evaluations; the last step is always evaluated."""

    checkpoint_every: int = 2000
    """Optimiser steps between two checkpoints; the last step and each new best are always kept."""

    resume: bool = False
    """Go on from the run folder's latest checkpoint."""

    overwrite: bool = False
    """Delete an existing run folder of that name first."""

    def __post_init__(self) -> None:
        for name in ("steps", "report_every", "evaluate_every", "checkpoint_every"):
            value = getattr(self, name)
            _require(value >= 1, f"run.{name}", value, "must be at least 1 step")
        batch = self.global_batch_size
        _require(batch is None or batch >= 1, "run.global_batch_size", batch, "at least 1 image")
        _require_no_secret("run.storage", self.storage)
        _require(self.seed >= 0, "run.seed", self.seed, "must be 0 or more")
        _require(
            not (self.resume and self.overwrite),
            "run.overwrite",
            True,
            "resume or overwrite, not both",
        )


@dataclass(frozen=True, kw_only=True)
class ClusterConfig:
    """The Ray Train workers of a run."""

    workers: int = 1
    """Ranks, each a process of its own."""

    min_workers: int | None = None
    """Ranks that a run goes on with at least while the cluster has no room for `workers`; none
    waits for all of them."""

    grow_every_s: float = 600.0
    """Seconds after which a run with fewer than `workers` looks for room for more (min_workers). It
    then starts again from its latest checkpoint."""

    cpus_per_worker: float = 1.0
    """CPU cores that Ray reserves for each worker."""

    gpus_per_worker: float = 0.0
    """GPUs that Ray reserves for each worker; 0 trains on the CPU."""

    placement: Literal["PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD"] = "PACK"
    """Ray's strategy for placing the workers on the nodes."""

    head_trains: bool = False
    """Place workers on Ray's head node too. A cluster of one node trains there in any case."""

    environment: tuple[str, ...] = ()
    """Variables of the workers, NAME=VALUE, for the networks and libraries below PyTorch, such as
    NCCL_SOCKET_IFNAME=eth0 or GLOO_SOCKET_IFNAME=eth0."""

    max_failures: int = 0
    """How often a run may restart from its latest checkpoint after a worker failed or a node died
    without notice; -1 = always. Notices of preemption don't count."""

    address: str | None = None
    """Address of a running Ray cluster, such as `auto`; none starts Ray on this machine unless
    RAY_ADDRESS is set."""

    def __post_init__(self) -> None:
        _require(self.workers >= 1, "cluster.workers", self.workers, "must be at least 1")
        _require(
            self.cpus_per_worker > 0,
            "cluster.cpus_per_worker",
            self.cpus_per_worker,
            "must be positive",
        )
        _require(
            self.gpus_per_worker >= 0,
            "cluster.gpus_per_worker",
            self.gpus_per_worker,
            "must be 0 or more",
        )
        _require(
            self.max_failures >= -1, "cluster.max_failures", self.max_failures, "-1, 0 or more"
        )
        fewest = self.min_workers
        fits = fewest is None or 1 <= fewest <= self.workers
        _require(fits, "cluster.min_workers", fewest, f"1 to cluster.workers = {self.workers}")
        strict = fewest is not None and self.placement.startswith("STRICT_")
        _require(not strict, "cluster.placement", self.placement, "PACK or SPREAD with min_workers")
        _require(
            self.grow_every_s > 0, "cluster.grow_every_s", self.grow_every_s, "must be positive"
        )
        for variable in self.environment:
            _require_variable(variable)


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One complete run."""

    name: str
    """Name of the experiment this config was made from."""

    data: DataConfig
    """Which shards are read, and how."""

    model: ModelConfig = field(default_factory=ModelConfig)
    """The networks."""

    method: MethodConfig
    """How the segmenter is adapted."""

    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """Optimisers and schedule."""

    engine: EngineConfig = field(default_factory=EngineConfig)
    """How the models are executed."""

    run: RunConfig
    """Length, outputs and intervals."""

    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    """The workers."""

    def __post_init__(self) -> None:
        accumulation = self.engine.gradient_accumulation_steps
        _require(
            self.run.global_batch_size is None or accumulation == 1,
            "engine.gradient_accumulation_steps",
            accumulation,
            "follows from run.global_batch_size; give one of the two",
        )
        repeats = self.optimizer.published_repeats
        fits = self.model.encoder == "deeplab_v2" and self.optimizer.segmenter == "sgd"
        _require(
            fits or not repeats,
            "optimizer.published_repeats",
            repeats,
            "only the paper's network has them (model.encoder = deeplab_v2 with "
            "optimizer.segmenter = sgd); set it to False",
        )
