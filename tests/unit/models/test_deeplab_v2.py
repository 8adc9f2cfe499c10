"""What the golden tests leave open: which state dicts are taken, and what is trained."""

from __future__ import annotations

import pytest
import torch

from advent_dist.errors import CheckpointError
from advent_dist.models.deeplab_v2 import DeepLabV2

HEADS = ("layer5.", "layer6.")


@pytest.fixture(scope="module")
def published():
    """A state dict as published: the golden tests hold its names and shapes to the original."""
    torch.manual_seed(1)
    return DeepLabV2().state_dict()


@pytest.fixture(scope="module")
def multi_level():
    return DeepLabV2()


@pytest.fixture(scope="module")
def single_level():
    return DeepLabV2(multi_level=False)


def assert_same(network, state_dict) -> None:
    for name, value in network.state_dict().items():
        assert torch.equal(value, state_dict[name]), name


def test_takes_a_published_state_dict(multi_level, published) -> None:
    multi_level.load_reference(published)
    assert_same(multi_level, published)


def test_takes_files_from_data_parallel_and_without_batch_counters(multi_level, published) -> None:
    state_dict = {
        f"module.{name}": value + 1
        for name, value in published.items()
        if not name.endswith("num_batches_tracked")
    }
    multi_level.load_reference(state_dict)
    assert torch.equal(multi_level.conv1.weight, published["conv1.weight"] + 1)


def test_takes_single_level_networks_of_both_projects(single_level, published) -> None:
    advent = {n: v for n, v in published.items() if not n.startswith("layer5.")}
    single_level.load_reference({name: value + 1 for name, value in advent.items()})
    adapt_seg_net = {name.replace("layer6.", "layer5."): value for name, value in advent.items()}
    single_level.load_reference(adapt_seg_net)
    assert_same(single_level, advent)


def test_refuses_another_number_of_classes_and_stays_as_it_was(multi_level, published) -> None:
    before = {name: value.clone() for name, value in multi_level.state_dict().items()}
    sixteen = {n: v[:16] + 1 if n.startswith("layer6.") else v + 1 for n, v in published.items()}
    message = r"layer6\.conv2d_list\.0\.weight has shape \(16, 2048, 3, 3\).*\(19, 2048, 3, 3\)"
    with pytest.raises(CheckpointError, match=message):
        multi_level.load_reference(sixteen)
    assert_same(multi_level, before)


def test_refuses_the_other_number_of_levels(multi_level, single_level, published) -> None:
    with pytest.raises(CheckpointError, match=r"layer5\S+ has no place.*model\.multi_level"):
        single_level.load_reference(published)
    advent = {n: v for n, v in published.items() if not n.startswith("layer5.")}
    with pytest.raises(CheckpointError, match=r"layer5\S+ is missing.*model\.multi_level"):
        multi_level.load_reference(advent)


def test_takes_the_imagenet_initialisation_but_for_its_classifier(multi_level, published) -> None:
    encoder = {n: v for n, v in published.items() if not n.startswith(HEADS)}
    file = {f"Scale.{name}": value + 2 for name, value in encoder.items()}
    # The file's layer5 is a head of 21 classes on 2048 channels.
    file["Scale.layer5.conv2d_list.0.weight"] = torch.zeros(21, 2048, 3, 3)
    heads = {n: v.clone() for n, v in multi_level.state_dict().items() if n.startswith(HEADS)}
    multi_level.load_imagenet(file)
    assert_same(multi_level, {name: value + 2 for name, value in encoder.items()} | heads)


def test_only_the_affine_of_batch_norm_is_frozen(multi_level) -> None:
    frozen = {n for n, p in multi_level.named_parameters() if not p.requires_grad}
    affine = {
        f"{name}.{kind}"
        for name, module in multi_level.named_modules()
        if isinstance(module, torch.nn.BatchNorm2d)
        for kind in ("weight", "bias")
    }
    assert frozen == affine
    assert len(affine) == 2 * 104


def test_statistics_are_the_batchs_in_train_mode_only(single_level) -> None:
    image = torch.randn(1, 3, 33, 33)
    with torch.no_grad():
        before = single_level.bn1.running_mean.clone()
        single_level.eval()(image)
        assert torch.equal(single_level.bn1.running_mean, before)
        single_level.train()(image)
        assert not torch.equal(single_level.bn1.running_mean, before)


def test_a_single_level_network_has_no_auxiliary_logits(single_level) -> None:
    with torch.no_grad():
        aux, main, *_ = single_level.eval()(torch.randn(1, 3, 32, 48))
    assert aux is None
    # An even input tells the max-pool's rounding up, 5 x 7, from rounding down, 4 x 6.
    assert main.shape == (1, 19, 5, 7)
