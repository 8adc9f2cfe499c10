"""VFM-UDA against numbers of the published code; its head is in test_decoders.py."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advent_dist.config import EngineConfig, Sliding, VFMUDAConfig
from advent_dist.experiments import experiment
from advent_dist.methods.distillation import distance
from advent_dist.methods.mean_teacher import MeanTeacher
from advent_dist.methods.parts import Parts
from advent_dist.models.distillation_head import DistillationHead
from advent_dist.models.mask_token import MaskToken
from advent_dist.models.segmenter import SegmenterOutput
from advent_dist.models.sliding import slide, windows_over
from advent_dist.parallel.average import Average
from advent_dist.parallel.local import LocalEngine
from advent_dist.parallel.world import World
from tests.golden.reference_weights import fill
from tests.golden.student import FOLDER


def test_masked_tokens() -> None:
    """Published after the final LayerNorm, which does not change what it has normalised before."""
    golden = np.load(FOLDER / "vfm_tokens.npz")
    features = torch.from_numpy(golden["features"]).permute(0, 2, 3, 1)
    token = MaskToken(features.shape[-1])
    token.load_state_dict({"token": torch.from_numpy(golden["mask_token"][0])})
    hidden = torch.from_numpy(golden["token_uniform"]).view(2, 10, 10) < 0.7
    for patches in (features, features.flatten(1, 2)):
        masked = token(patches, hidden).view_as(features)
        ours = F.layer_norm(masked, features.shape[-1:]).permute(0, 3, 1, 2)
        np.testing.assert_allclose(ours.detach(), golden["masked_features"], rtol=0, atol=1e-5)


class _Published(nn.Module):
    """The network whose logits of an image, and of its mirror image, are known."""

    def __init__(self, image: Tensor, logits: Tensor, of_mirror: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.image, self.logits, self.of_mirror = image, logits, of_mirror

    def forward(self, image: Tensor) -> SegmenterOutput:
        if image.equal(self.image):
            return SegmenterOutput(None, self.logits)
        assert image.equal(self.image.flip(-1))
        return SegmenterOutput(None, self.of_mirror)


def test_labels_of_an_image_and_its_mirror_image() -> None:
    golden = {
        key: torch.from_numpy(value)
        for key, value in np.load(FOLDER / "vfm_pseudo_label.npz").items()
    }
    image = torch.rand(2, 3, 10, 12)
    network = _Published(image, golden["logits"], golden["logits_of_flipped_image"])
    config, world = EngineConfig(kind="local"), World()
    engine = LocalEngine(network, torch.optim.SGD(network.parameters(), lr=1.0), config, world)
    parts = Parts(
        engines={"segmenter": engine},
        source_prior=torch.ones(19),
        teacher=Average(network, config, world),
    )
    ignored = golden["ignore_mask"][0] == 255
    top, bottom = (int(side[:, 0].int().argmin()) for side in (ignored, ignored.flip(0)))
    teacher = MeanTeacher(VFMUDAConfig(unlabelled_top=top, unlabelled_bottom=bottom), parts)
    labels = teacher.label(image, mirrored=True)
    assert labels.label.equal(golden["label"])
    torch.testing.assert_close(labels.weight, golden["weight"], rtol=1e-5, atol=0)


def test_distance_of_distilled_features() -> None:
    golden = np.load(FOLDER / "vfm_distillation.npz")
    features, frozen = (torch.from_numpy(golden[name]) for name in ("features", "frozen"))
    head = DistillationHead(features.shape[1], frozen.shape[1])
    fill(head, "network_feature_head.")
    torch.testing.assert_close(
        distance(head(features), frozen), torch.tensor(golden["loss"]), rtol=1e-5, atol=0
    )


def test_averaged_probabilities_of_windows() -> None:
    golden = {k: torch.from_numpy(v) for k, v in np.load(FOLDER / "vfm_slide.npz").items()}
    windows = windows_over((6, 11), (6, 6), (3, 3))
    boxes = [[one.top, one.top + one.height, one.left, one.left + one.width] for one in windows]
    assert boxes == golden["coords"].tolist()
    logits = iter(golden["logits"])
    found = slide(
        lambda _: SegmenterOutput(None, next(logits)[None]),
        torch.zeros(1, 3, 6, 11),
        Sliding(window=(6, 6), stride=(3, 3), average="probabilities"),
    )
    expected = golden["output"]
    torch.testing.assert_close(found.upsample((6, 11)).softmax(1)[0], expected, rtol=1e-5, atol=0)


def test_margins_are_the_published_shares() -> None:
    """Of images that are larger, as those of the experiment, in proportion."""
    golden = np.load(FOLDER / "vfm_pseudo_label.npz")
    top, bottom, *_ = golden["margins_1024x2048_top_bottom_left_right"].tolist()
    chosen = experiment("gta5_cityscapes_vfm_uda")
    larger = chosen.data.target_size[1] / 1024
    method = chosen.method
    assert isinstance(method, VFMUDAConfig)
    assert (method.unlabelled_top, method.unlabelled_bottom) == (
        round(top * larger),
        round(bottom * larger),
    )
