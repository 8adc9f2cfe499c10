"""How the segmenter is adapted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import tyro
from pydantic import Discriminator

from advent_dist.config.require import Size, require, require_size


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
                fix = "a loss weight must be 0 or more, and finite"
                require(0 <= value < math.inf, f"method.{name}", value, fix)


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

    entropy_penalty: float | None = None
    """Exponent eta of (e^2 + 1e-8)^eta, which takes the place of a pixel's entropy e, so that sure
    pixels count less (FDA, arXiv 2004.05498: 2); none takes e itself."""

    lambda_prior: float = 0.0
    """CP: weight of the class-ratio prior; 0 leaves it out."""

    prior_mu: float = 0.5
    """CP: relaxation mu in 0..1 of the source's class ratios."""

    def __post_init__(self) -> None:
        super().__post_init__()
        share = self.entropy_range
        require(
            share is None or 0 < share <= 1, "method.entropy_range", share, "give a share in (0, 1]"
        )
        eta = self.entropy_penalty
        fix = "must be positive, and finite"
        require(eta is None or 0 < eta < math.inf, "method.entropy_penalty", eta, fix)
        require(0 <= self.prior_mu <= 1, "method.prior_mu", self.prior_mu, "give a value in 0..1")


@dataclass(frozen=True, kw_only=True)
class _AdversarialConfig(_SupervisedConfig):
    """What every method with discriminators has."""

    lambda_adv: float = 1e-3
    """Weight of the adversarial loss of the main head."""

    lambda_adv_aux: float = 2e-4
    """Weight of the adversarial loss of the auxiliary head."""

    adversary_sees: Literal["self_information", "probabilities"] = "self_information"
    """What the discriminators tell the domains by: self-information maps (ADVENT), or the softmax
    itself (AdaptSegNet, arXiv 1802.10349)."""

    gan_loss: Literal["vanilla", "least_squares"] = "vanilla"
    """Binary cross entropy of the discriminators' answers, or their squared error."""


@dataclass(frozen=True, kw_only=True)
class AdventConfig(_AdversarialConfig):
    """Adversarial adaptation of the output (ADVENT, section 3.2; AdaptSegNet)."""

    name: Literal["advent"] = "advent"
    """Key of the method."""


@dataclass(frozen=True, kw_only=True)
class AdventMinEntConfig(_AdversarialConfig):
    """Adversarial and direct entropy minimisation in one training."""

    name: Literal["advent_minent"] = "advent_minent"
    """Key of the method."""

    lambda_ent: float = 1e-3
    """Weight of the target entropy of the main head."""

    lambda_ent_aux: float = 2e-4
    """Weight of the target entropy of the auxiliary head."""


@dataclass(frozen=True, kw_only=True)
class SelfTrainingConfig(_SupervisedConfig):
    """What every method has that learns from the labels of a mean teacher (DACS, section 3)."""

    lambda_mix: float = 1.0
    """Weight of the cross entropy on mixed images of the main head."""

    lambda_mix_aux: float = 0.1
    """Weight of the cross entropy on mixed images of the auxiliary head."""

    teacher_decay: float = 0.99
    """Share of the teacher that an update keeps, once it has had that many that a plain mean would
    keep more."""

    pseudo_labels: Literal["share", "confident", "portion", "class_balanced", "class_capped"] = (
        "share"
    )
    """Which pixels of the teacher's count. share: all, by the share of the batch that is sure
    (DACS); confident: sure ones; portion: the surest of the batch; class_balanced: the surest of
    each class (CBST); class_capped: these, and sure ones (FDA)."""

    threshold: float = 0.968
    """Probability from which a pixel of the teacher's counts as sure."""

    portion: float = 0.5
    """Share of the pixels, or of each class's, that are the surest (CBST: 0.2, later 0.5)."""

    unlabelled_top: int = 0
    """Rows at the top of target images whose pseudo-labels weigh nothing, such as sky."""

    unlabelled_bottom: int = 0
    """Rows at the bottom of target images whose pseudo-labels weigh nothing (the own bonnet)."""

    unlabelled_left: int = 0
    """Columns at the left of target images whose pseudo-labels weigh nothing."""

    unlabelled_right: int = 0
    """Columns at the right of target images whose pseudo-labels weigh nothing."""

    mix_classes_of: Literal["image", "batch"] = "image"
    """Of what half the classes are drawn that are pasted: of each image's, or, as in the published
    code of DAFormer and MIC, of the whole batch's."""

    jitter: float = 0.2
    """Strength of the colour jitter of mixed images."""

    jitter_probability: float = 0.8
    """Probability that a batch's colours are changed."""

    blur_probability: float = 0.5
    """Probability that a batch is blurred."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("teacher_decay", "jitter"):
            value = getattr(self, name)
            require(0 <= value < 1, f"method.{name}", value, "give 0 <= value < 1")
        for name in ("threshold", "jitter_probability", "blur_probability"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"method.{name}", value, "a probability is 0 to 1")
        portion = self.portion
        require(0 < portion <= 1, "method.portion", portion, "give a share in (0, 1]")
        for side in ("top", "bottom", "left", "right"):
            value = getattr(self, f"unlabelled_{side}")
            require(value >= 0, f"method.unlabelled_{side}", value, "must be 0 or more pixels")

    @property
    def unread(self) -> tuple[str, ...]:
        """Fields that mean nothing to the rule `pseudo_labels`."""
        rules: dict[str, tuple[str, ...]] = {
            "share": ("portion",),
            "confident": ("portion",),
            "portion": ("threshold",),
            "class_balanced": ("threshold",),
        }
        return rules.get(self.pseudo_labels, ())


@dataclass(frozen=True, kw_only=True)
class DACSConfig(SelfTrainingConfig):
    """Source classes pasted into target images with a mean teacher's labels (DACS)."""

    name: Literal["dacs"] = "dacs"
    """Key of the method."""

    jitter: float = 0.25
    """Strength of the colour jitter of mixed images."""


@dataclass(frozen=True, kw_only=True)
class FeatureDistanceConfig(SelfTrainingConfig):
    """What every method has that stays near the initial features (DAFormer, section 3.3)."""

    lambda_fd: float = 0.005
    """Weight of the distance of the deepest features to those of the initial encoder."""

    fd_classes: tuple[int, ...] = ()
    """Train ids of the classes whose source features are held (DAFormer: things); none: all."""

    fd_min_share: float = 0.75
    """Share of a feature's pixels that its class must have to be held."""

    teacher_decay: float = 0.999
    """Share of the teacher that an update keeps, once it has had that many that a plain mean would
    keep more."""

    def __post_init__(self) -> None:
        super().__post_init__()
        share = self.fd_min_share
        require(0 < share <= 1, "method.fd_min_share", share, "give a share in (0, 1]")
        valid = all(0 <= one < 255 for one in self.fd_classes)
        require(valid, "method.fd_classes", self.fd_classes, "give train ids, 0 to 254")


@dataclass(frozen=True, kw_only=True)
class DAFormerConfig(FeatureDistanceConfig):
    """DACS with the features of things held near those of the initial encoder (DAFormer)."""

    name: Literal["daformer"] = "daformer"
    """Key of the method."""


@dataclass(frozen=True, kw_only=True)
class _MaskedConfig:
    """What every method has that predicts hidden parts of target images (MIC, section 3.2)."""

    lambda_mask: float = 1.0
    """Weight of the cross entropy on masked images of the main head."""

    lambda_mask_aux: float = 0.1
    """Weight of the cross entropy on masked images of the auxiliary head."""

    mask_block: int = 32
    """Side in pixels of the blocks that are hidden; MIC: 32 of crops of 512, 64 of 1024. With
    `model.mask_token` the encoder's patches are hidden instead."""

    mask_ratio: float = 0.7
    """Share of the blocks, or patches, that are hidden."""

    def __post_init__(self) -> None:
        super().__post_init__()  # type: ignore[misc]  # of the config that it is mixed into
        require(self.mask_block >= 1, "method.mask_block", self.mask_block, "must be at least 1")
        ratio = self.mask_ratio
        require(0 <= ratio < 1, "method.mask_ratio", ratio, "give 0 <= share < 1")


@dataclass(frozen=True, kw_only=True)
class MICConfig(_MaskedConfig, FeatureDistanceConfig):
    """DAFormer that also predicts hidden parts of target images (MIC)."""

    name: Literal["mic"] = "mic"
    """Key of the method."""


@dataclass(frozen=True, kw_only=True)
class MICDACSConfig(_MaskedConfig, SelfTrainingConfig):
    """DACS that also predicts hidden parts of target images (MIC on DACS)."""

    name: Literal["mic_dacs"] = "mic_dacs"
    """Key of the method."""


@dataclass(frozen=True, kw_only=True)
class _VFMConfig(_MaskedConfig, SelfTrainingConfig):
    """What VFM-UDA and VFM-UDA++ have in common."""

    teacher_decay: float = 0.999
    """Share of the teacher that an update keeps, once it has had that many that a plain mean would
    keep more."""

    weak_probability: float = 0.9
    """Probability that the colours of an image change a little: of the source (VFM-UDA), of the
    target before it is mixed, and of what features are compared of (VFM-UDA++)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        value = self.weak_probability
        require(0 <= value <= 1, "method.weak_probability", value, "a probability is 0 to 1")


@dataclass(frozen=True, kw_only=True)
class VFMUDAConfig(_VFMConfig):
    """Self-training of a vision foundation model on mixed and masked images (VFM-UDA)."""

    name: Literal["vfm_uda"] = "vfm_uda"
    """Key of the method."""


@dataclass(frozen=True, kw_only=True)
class VFMUDAPlusPlusConfig(_VFMConfig):
    """VFM-UDA with the features of a larger, frozen encoder to be told from its own (VFM-UDA++)."""

    name: Literal["vfm_uda_plus_plus"] = "vfm_uda_plus_plus"
    """Key of the method."""

    lambda_distill_source: float = 0.1
    """Weight of the distance to the frozen encoder's features of source images."""

    lambda_distill_target: float = 0.1
    """Weight of the distance to the frozen encoder's features of target images."""

    distill_encoder: str = "vit_large_patch14_reg4_dinov2"
    """The frozen encoder, by its name in timm."""

    distill_pretrained: bool = True
    """Download timm's weights of the frozen encoder."""

    distill_weights: str | None = None
    """Its weights in place of timm's, with `distill_pretrained` False; see `model.weights`."""

    distill_size: Size = (406, 406)
    """Width and height in pixels at which it sees the images."""

    vivid_probability: float = 1.0
    """Probability that a source image may change its colours much, lose them, and be blurred."""

    mask_block: int = 64
    """Side in pixels of the blocks that are hidden, of crops of 1120."""

    def __post_init__(self) -> None:
        super().__post_init__()
        value = self.vivid_probability
        require(0 <= value <= 1, "method.vivid_probability", value, "a probability is 0 to 1")
        require_size("method.distill_size", self.distill_size)
        encoder = self.distill_encoder
        fix = "give the name of an encoder of timm"
        require(encoder != "deeplab_v2", "method.distill_encoder", encoder, fix)
        both = self.distill_pretrained and self.distill_weights is not None
        fix = "set method.distill_pretrained to False, or leave it out"
        require(not both, "method.distill_weights", self.distill_weights, fix)


@dataclass(frozen=True, kw_only=True)
class _DetailConfig(FeatureDistanceConfig):
    """What every method has that also looks at parts in full resolution (HRDA)."""

    lambda_seg: float = 0.9
    """Weight of the cross entropy of both resolutions, fused."""

    lambda_seg_detail: float = 0.1
    """Weight of the cross entropy of the detail alone."""

    lambda_mix: float = 0.9
    """Weight of the cross entropy on mixed images of both resolutions, fused."""

    lambda_mix_detail: float = 0.1
    """Weight of the cross entropy on mixed images of the detail alone."""


@dataclass(frozen=True, kw_only=True)
class HRDAConfig(_DetailConfig):
    """DAFormer in two resolutions: all of an image, and a part of it in detail (HRDA)."""

    name: Literal["hrda"] = "hrda"
    """Key of the method."""


@dataclass(frozen=True, kw_only=True)
class MICHRDAConfig(_MaskedConfig, _DetailConfig):
    """HRDA that also predicts hidden parts of target images (MIC on HRDA)."""

    name: Literal["mic_hrda"] = "mic_hrda"
    """Key of the method."""

    lambda_mask: float = 0.9
    """Weight of the cross entropy on masked images of both resolutions, fused."""

    lambda_mask_detail: float = 0.1
    """Weight of the cross entropy on masked images of the detail alone."""

    mask_block: int = 64
    """Side in pixels of the blocks that are hidden; MIC: 32 of crops of 512, 64 of 1024."""


DETAILED = (HRDAConfig, MICHRDAConfig)
"""Methods of networks that look at images in two resolutions."""

MASKING = (MICConfig, MICDACSConfig, MICHRDAConfig, VFMUDAConfig, VFMUDAPlusPlusConfig)
"""Methods that hide parts of target images."""

MIXING = (DACSConfig, DAFormerConfig, HRDAConfig, *MASKING)
"""Methods that paste pixels of one domain into the other, which must have one size for it."""

MethodConfig = Annotated[
    SourceOnlyConfig
    | MinEntConfig
    | AdventConfig
    | AdventMinEntConfig
    | DACSConfig
    | DAFormerConfig
    | MICConfig
    | MICDACSConfig
    | VFMUDAConfig
    | VFMUDAPlusPlusConfig
    | HRDAConfig
    | MICHRDAConfig,
    Discriminator("name"),
    tyro.conf.AvoidSubcommands,
]
