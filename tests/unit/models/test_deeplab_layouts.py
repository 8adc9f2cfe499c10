"""DeepLab-v2 files as other projects publish them; the golden tests compare their logits."""

from __future__ import annotations

import pytest
import torch

from advent_dist.config import ModelConfig
from advent_dist.errors import CheckpointError
from advent_dist.models.matching import take
from advent_dist.models.segmenter import Segmenter, build_segmenter
from advent_dist.models.taken import Taken

HEADS = ("layer5.", "layer6.")
DADA = {"enc4_1": (512, 2048, 1, 1), "enc4_2": (512, 512, 3, 3), "dec4": (2048, 128, 1, 1)}


def segmenter_of(num_classes: int = 5, **options: object) -> Segmenter:
    return build_segmenter(ModelConfig(encoder="deeplab_v2", **options), num_classes)


@pytest.fixture(scope="module")
def published() -> dict[str, torch.Tensor]:
    """Two levels, as ADVENT, IntraDA and AdaptSegNet have them."""
    return {n: v + 1 for n, v in segmenter_of().network.state_dict().items()}


@pytest.fixture(scope="module")
def two_levels() -> Segmenter:
    return segmenter_of()


@pytest.fixture(scope="module")
def one_level() -> Segmenter:
    return segmenter_of(multi_level=False)


def taken_of(taken: Taken) -> list[tuple[int, int]]:
    return [(part.taken, part.wanted) for part in taken.parts]


def without(state_dict, *prefixes):
    return {n: v for n, v in state_dict.items() if not n.startswith(prefixes)}


def assert_same(segmenter, state_dict) -> None:
    for name, value in segmenter.network.state_dict().items():
        assert torch.equal(value, state_dict[name]), name


@pytest.mark.parametrize("prefix", ["", "module."])
def test_two_levels(two_levels, published, prefix) -> None:
    """Files of old have no batch counters."""
    file = {
        f"{prefix}{name}": value * 2
        for name, value in published.items()
        if not name.endswith("num_batches_tracked")
    }
    assert take(two_levels, file, "advent.pth").is_whole
    for name, value in without(file, f"{prefix}bn1.num").items():
        assert two_levels.network.state_dict()[name.removeprefix(prefix)].equal(value), name


def test_one_level_of_both_kinds(one_level, published) -> None:
    """ADVENT's is layer6; AdaptSegNet, DACS, FDA and BDL call it layer5."""
    advent = without(published, "layer5.")
    assert take(one_level, advent, "advent.pth").is_whole
    assert_same(one_level, advent)
    others = {name.replace("layer6.", "layer5."): value * 2 for name, value in advent.items()}
    assert take(one_level, others, "fda.pth").is_whole
    assert_same(one_level, {name: value * 2 for name, value in advent.items()})


def test_the_other_number_of_levels_is_said(two_levels, one_level, published) -> None:
    taken = take(one_level, published, "advent.pth")
    assert taken_of(taken) == [(520, 520), (8, 8)]
    assert [(one.origin, one.why) for one in taken.left_over] == [
        ("layer5.conv2d_list", "there is no auxiliary head here")
    ]
    taken = take(two_levels, without(published, "layer5."), "advent.pth")
    assert taken_of(taken) == [(520, 520), (8, 8), (0, 8)]
    assert taken.parts[2].said == "nothing in the file; it starts at random"


def test_another_number_of_classes_leaves_the_heads(two_levels, published) -> None:
    before = {n: v.clone() for n, v in two_levels.network.state_dict().items()}
    nineteen = {
        n: torch.cat(4 * [v])[:19] if n.startswith(HEADS) else v for n, v in published.items()
    }
    taken = take(two_levels, nineteen, "advent.pth")
    assert taken_of(taken) == [(520, 520), (0, 8), (0, 8)]
    assert "conv2d_list, of 19 classes in place of 5" in taken.table()
    assert_same(
        two_levels, {n: before[n] if n.startswith(HEADS) else v for n, v in published.items()}
    )


def test_the_initialisation_but_for_its_classifier(two_levels, published) -> None:
    encoder = without(published, *HEADS)
    file = {f"Scale.{name}": value * 3 for name, value in encoder.items()}
    file["Scale.layer5.conv2d_list.0.weight"] = torch.zeros(21, 2048, 3, 3)
    taken = take(two_levels, file, "imagenet.pth")
    assert taken_of(taken) == [(520, 520), (0, 8), (0, 8)]
    assert taken.left_over[0].origin == "Scale.layer5"
    for name, value in encoder.items():
        assert two_levels.network.state_dict()[name].equal(value * 3), name


def test_of_dada_the_encoder(one_level, published) -> None:
    """Its head reads features times what its depth branch says."""
    before = one_level.network.layer6.conv2d_list[0].weight.clone()
    branch = {f"{name}.weight": torch.ones(shape) for name, shape in DADA.items()}
    taken = take(one_level, without(published, "layer5.") | branch, "dada.pth")
    assert taken_of(taken) == [(520, 520), (0, 8)]
    assert one_level.network.layer6.conv2d_list[0].weight.equal(before)
    assert [one.origin for one in taken.left_over] == ["layer6.conv2d_list", *DADA]


def test_a_head_that_sums_two_is_known_by_what_never_learned(published) -> None:
    """As in AdaptSegNet and DACS; four sums of them would be noise."""
    torch.manual_seed(0)
    learned = dict(published)
    for name, value in published.items():
        if name.startswith(HEADS) and name.endswith("weight"):
            drawn = "list.2" in name or "list.3" in name
            learned[name] = torch.randn(value.shape) * (0.01 if drawn else 0.013)
    with pytest.raises(CheckpointError, match=r"layer6\.\* .* set model\.head_dilations = 2"):
        take(segmenter_of(), learned, "adaptsegnet.pth")
    two = segmenter_of(head_dilations=2)
    taken = take(two, learned, "adaptsegnet.pth")
    assert taken_of(taken) == [(520, 520), (4, 4), (4, 4)]
    assert {one.count for one in taken.left_over} == {4}
    assert_same(two, learned)


def test_another_network_is_refused_and_changes_nothing(two_levels, published) -> None:
    before = {n: v.clone() for n, v in two_levels.network.state_dict().items()}
    with pytest.raises(CheckpointError, match=r"layer4\.2\.bn3\.running_var is missing"):
        take(two_levels, without(published, "layer4.2.bn3.running_var"), "other.pth")
    assert_same(two_levels, before)
