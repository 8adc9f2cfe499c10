"""SegFormer as a whole out of published files: transformers' own model, and its head by the names
of other projects."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn
from transformers import SegformerConfig, SegformerForSemanticSegmentation

from advent_dist.config import ModelConfig
from advent_dist.errors import CheckpointError
from advent_dist.models.matching import take
from advent_dist.models.segmenter import Segmenter, build_segmenter
from advent_dist.models.weights import load_weights

CLASSES, WIDTH = 19, 24
IMAGE = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
State = dict[str, torch.Tensor]


def segmenter_of(decoder: str = "segformer", num_classes: int = CLASSES) -> Segmenter:
    options = {"encoder": "mit_b0", "multi_level": False, "decoder_width": WIDTH}
    return build_segmenter(ModelConfig(decoder=decoder, **options), num_classes).eval()


@pytest.fixture(scope="module")
def published() -> SegformerForSemanticSegmentation:
    """With values that no layer leaves near 0, and the epsilons of SegFormer's own code."""
    torch.manual_seed(1)
    config = SegformerConfig(num_labels=CLASSES, decoder_hidden_size=WIDTH)
    model = SegformerForSemanticSegmentation(config).eval()
    for name, tensor in model.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
        elif tensor.ndim > 1:
            tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5)
        elif tensor.ndim:
            tensor.add_(0.1 * torch.randn_like(tensor))
    for name, module in model.named_modules():
        of_blocks = name.endswith(("layernorm_before", "layernorm_after"))
        if isinstance(module, nn.LayerNorm) and (of_blocks or name.count(".") == 3):
            module.eps = 1e-6
    return model


@pytest.fixture(scope="module")
def file(published, tmp_path_factory) -> Path:
    """As the library itself writes it, under the names that files on model hubs have."""
    folder = tmp_path_factory.mktemp("segformer")
    published.save_pretrained(folder)
    return folder / "model.safetensors"


def logits_of(model: nn.Module, image: torch.Tensor = IMAGE) -> torch.Tensor:
    with torch.no_grad():
        return model(pixel_values=image).logits


def in_segformers_names(state_dict: State) -> State:
    """A decode head of transformers as SegFormer's own code saves it."""
    named = {
        re.sub(r"^linear_c\.(\d)", lambda at: f"linear_c{int(at[1]) + 1}", name): tensor
        for name, tensor in state_dict.items()
    }
    replaced = {"linear_fuse.": "linear_fuse.conv.", "batch_norm.": "linear_fuse.bn."}
    replaced["classifier."] = "linear_pred."
    for old, new in replaced.items():
        named = {re.sub(rf"^{re.escape(old)}", new, name): value for name, value in named.items()}
    unused = {"conv_seg.weight": torch.ones(CLASSES, 8, 1, 1), "conv_seg.bias": torch.ones(CLASSES)}
    return unused | named


def test_transformers_own_model(published, file) -> None:
    segmenter = segmenter_of()
    taken = load_weights(segmenter, str(file))
    assert taken.is_whole, taken.table()
    assert taken.layout == "transformers' names"
    with torch.no_grad():
        ours = segmenter.network(IMAGE).main
    assert ours.std() > 0.1
    torch.testing.assert_close(ours, logits_of(published), rtol=1e-4, atol=1e-4)


def test_a_file_of_segformers_own_code(published, file) -> None:
    """The head that its class makes beside its own is not taken, and said so."""
    state_dict = load_file(file)
    head = {
        name.removeprefix("decode_head."): tensor
        for name, tensor in state_dict.items()
        if name.startswith("decode_head.")
    }
    segmenter = segmenter_of()
    load_weights(segmenter, str(file))
    encoder = segmenter.network.encoder.body.state_dict()
    published_file = {
        **{f"backbone.{name}": tensor for name, tensor in encoder.items()},
        **{f"decode_head.{name}": tensor for name, tensor in in_segformers_names(head).items()},
    }
    other = segmenter_of()
    taken = take(other, published_file, "segformer.b0.pth")
    assert [part.wanted - part.taken for part in taken.parts] == [0, 0]
    assert [(one.origin, one.count) for one in taken.left_over] == [("decode_head.conv_seg", 2)]
    with torch.no_grad():
        torch.testing.assert_close(other.network(IMAGE).main, segmenter.network(IMAGE).main)


def test_pretrained_on_imagenet_alone(file) -> None:
    state_dict = {n: t for n, t in load_file(file).items() if not n.startswith("decode_head.")}
    state_dict |= {"classifier.weight": torch.ones(1000, 256), "classifier.bias": torch.ones(1000)}
    taken = take(segmenter_of("fpn"), state_dict, "model.safetensors")
    assert [part.taken == part.wanted for part in taken.parts] == [True, False]
    assert [(one.origin, one.count) for one in taken.left_over] == [("classifier", 2)]


def test_other_classes(file) -> None:
    segmenter = segmenter_of(num_classes=7)
    taken = load_weights(segmenter, str(file))
    assert "decode_head.* but conv_seg, of 19 classes in place of 7" in taken.table()
    assert taken.parts[1].wanted - taken.parts[1].taken == 2


def test_mmsegmentations_head() -> None:
    """Its names, and what they compute, written out."""
    generator = torch.Generator().manual_seed(3)
    segmenter = segmenter_of("segformer_mmseg")
    encoder = segmenter.network.encoder.body.state_dict()
    widths = (32, 64, 160, 256)
    shapes = {f"convs.{level}": (WIDTH, d, 1, 1) for level, d in enumerate(widths)}
    shapes["fusion_conv"] = (WIDTH, 4 * WIDTH, 1, 1)
    head = {}
    for name, shape in shapes.items():
        head[f"{name}.conv.weight"] = torch.randn(shape, generator=generator) / shape[1] ** 0.5
        for kind in ("weight", "bias", "running_mean", "running_var"):
            head[f"{name}.bn.{kind}"] = 0.5 + torch.rand(WIDTH, generator=generator)
        head[f"{name}.bn.num_batches_tracked"] = torch.tensor(3)
    head["conv_seg.weight"] = torch.randn(CLASSES, WIDTH, 1, 1, generator=generator)
    head["conv_seg.bias"] = torch.randn(CLASSES, generator=generator)
    state_dict = {f"backbone.{name}": tensor for name, tensor in encoder.items()}
    state_dict |= {f"decode_head.{name}": tensor for name, tensor in head.items()}
    taken = take(segmenter, state_dict, "segformer_mit-b0_8xb1-160k_cityscapes.pth")
    assert taken.is_whole, taken.table()

    def layer(name: str, x: torch.Tensor) -> torch.Tensor:
        x = F.conv2d(x, head[f"{name}.conv.weight"])
        kinds = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, *(head[f"{name}.bn.{kind}"] for kind in kinds), eps=1e-5).relu()

    with torch.no_grad():
        levels = segmenter.network.encode(IMAGE)
        size = levels[0].shape[2:]
        embedded = [
            F.interpolate(layer(f"convs.{i}", x), size, mode="bilinear", align_corners=False)
            for i, x in enumerate(levels)
        ]
        fused = layer("fusion_conv", torch.cat(embedded, 1))
        theirs = F.conv2d(fused, head["conv_seg.weight"], head["conv_seg.bias"])
        torch.testing.assert_close(segmenter.network(IMAGE).main, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("decoder", "said"),
    [
        ("segformer_mmseg", "is another decoder, without convs.0.conv.weight"),
        ("daformer", "is another decoder, without fuse_layer.aspp_modules"),
    ],
)
def test_another_decoder(file, decoder, said) -> None:
    taken = load_weights(segmenter_of(decoder), str(file))
    assert said in taken.table()


def test_another_width_is_said(file) -> None:
    config = ModelConfig(encoder="mit_b0", decoder="segformer", multi_level=False)
    taken = load_weights(build_segmenter(config, CLASSES), str(file))
    assert "has embed_layers.0.proj.weight of shape (24, 32) in place of (256, 32)" in taken.table()


@pytest.mark.parametrize("values", [None, torch.float16])
def test_keys_without_values_like_them_are_refused(file, values) -> None:
    state_dict = load_file(file)
    name = next(name for name in state_dict if name.endswith(".self.value.weight"))
    tensor = state_dict.pop(name)
    if values is not None:
        state_dict[name] = tensor.to(values)
    with pytest.raises(CheckpointError, match=r"attn\.kv\.weight is missing"):
        take(segmenter_of(), state_dict, "model.safetensors")


def test_a_fusion_of_other_levels_is_not_taken(file) -> None:
    state_dict = load_file(file)
    for level in (1, 2, 3):
        del state_dict[f"decode_head.linear_c.{level}.proj.weight"]
    state_dict["decode_head.linear_fuse.weight"] = torch.ones(WIDTH, 5, 1, 1, 1)
    taken = take(segmenter_of(), state_dict, "model.safetensors")
    assert taken.parts[1].taken == 0


def test_tensors_that_are_not_plain_are_refused(tmp_path) -> None:
    odd = {"a.weight": torch.ones(2, 2).to_sparse(), "b.weight": torch.ones(2, 2)}
    torch.save(odd, tmp_path / "odd.pth")
    with pytest.raises(CheckpointError, match=r"odd\.pth: tensor a\.weight is torch\.sparse_coo"):
        load_weights(segmenter_of(), str(tmp_path / "odd.pth"))
