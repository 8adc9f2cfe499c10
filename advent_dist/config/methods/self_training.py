"""Methods that learn from the labels of a mean teacher; the plain one is DACS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from advent_dist.config.methods.supervised import SupervisedConfig
from advent_dist.config.require import require


@dataclass(frozen=True, kw_only=True)
class SelfTrainingConfig(SupervisedConfig):
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
