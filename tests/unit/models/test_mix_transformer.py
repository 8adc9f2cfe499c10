"""SegFormer's encoder and DAFormer's segmenter out of published files, against a forward pass that
is written here from the paper, on the files' own names."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from advent_dist.config import ModelConfig
from advent_dist.errors import CheckpointError, ConfigError
from advent_dist.models.encoder import check_encoder, check_pretrained
from advent_dist.models.matching import take
from advent_dist.models.segmenter import Segmenter, build_segmenter
from advent_dist.models.weights import load_weights

WIDTHS, HEADS, REDUCTIONS, DEPTH = (32, 64, 160, 256), (1, 2, 5, 8), (8, 4, 2, 1), 2
CLASSES, WIDTH = 19, 16
State = dict[str, torch.Tensor]


def segmenter_of(num_classes: int = CLASSES, **changes: object) -> Segmenter:
    options = {"encoder": "mit_b0", "decoder": "daformer", "multi_level": False}
    config = ModelConfig(**{**options, "decoder_width": WIDTH, **changes})
    return build_segmenter(config, num_classes).eval()


def shapes_of_the_encoder() -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of MiT-B0 as SegFormer and DAFormer save it."""
    before = 3
    for stage, (d, reduction) in enumerate(zip(WIDTHS, REDUCTIONS, strict=True), 1):
        side = 7 if stage == 1 else 3
        layers = {f"patch_embed{stage}.proj": (d, before, side, side)}
        norms = [f"patch_embed{stage}.norm", f"norm{stage}"]
        for block in (f"block{stage}.{i}" for i in range(DEPTH)):
            norms += [f"{block}.norm1", f"{block}.norm2"]
            layers |= {f"{block}.attn.q": (d, d), f"{block}.attn.kv": (2 * d, d)}
            layers |= {f"{block}.attn.proj": (d, d), f"{block}.mlp.fc1": (4 * d, d)}
            layers |= {f"{block}.mlp.dwconv.dwconv": (4 * d, 1, 3, 3)}
            layers |= {f"{block}.mlp.fc2": (d, 4 * d)}
            if reduction > 1:
                layers[f"{block}.attn.sr"] = (d, d, reduction, reduction)
                norms.append(f"{block}.attn.norm")
        for name, shape in layers.items():
            yield f"{name}.weight", shape
            yield f"{name}.bias", shape[:1]
        for name in norms:
            yield f"{name}.weight", (d,)
            yield f"{name}.bias", (d,)
        before = d


def shapes_of_the_head() -> Iterator[tuple[str, tuple[int, ...]]]:
    """Of DAFormer's, but for its norms."""
    joined = 4 * WIDTH
    for level, d in enumerate(WIDTHS):
        yield f"embed_layers.{level}.proj.weight", (WIDTH, d)
        yield f"embed_layers.{level}.proj.bias", (WIDTH,)
    yield "fuse_layer.aspp_modules.0.conv.weight", (WIDTH, joined, 1, 1)
    for branch in (1, 2, 3):
        name = f"fuse_layer.aspp_modules.{branch}"
        yield f"{name}.depthwise_conv.conv.weight", (joined, 1, 3, 3)
        yield f"{name}.pointwise_conv.conv.weight", (WIDTH, joined, 1, 1)
    yield "fuse_layer.bottleneck.conv.weight", (WIDTH, joined, 3, 3)
    yield "conv_seg.weight", (CLASSES, WIDTH, 1, 1)
    yield "conv_seg.bias", (CLASSES,)


def filled(shapes: Iterator[tuple[str, tuple[int, ...]]], generator: torch.Generator) -> State:
    """Random, but of a size that keeps activations near 1; a BatchNorm after each convolution."""
    state: State = {}
    for name, shape in shapes:
        values = torch.randn(shape, generator=generator)
        if len(shape) > 1:
            values *= (2 / values[0].numel()) ** 0.5
        elif "norm" in name:
            values = 0.1 * values + (1.0 if name.endswith("weight") else 0.0)
        state[name] = values
        if name.endswith(".conv.weight"):
            batch_norm = name.replace(".conv.weight", ".bn.")
            for kind, at in (("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0)):
                values = torch.randn(shape[:1], generator=generator)
                state[batch_norm + kind] = at + 0.1 * values
            state[f"{batch_norm}running_var"] = 0.5 + torch.rand(shape[:1], generator=generator)
            state[f"{batch_norm}num_batches_tracked"] = torch.tensor(7)
    return state


@pytest.fixture(scope="module")
def backbone() -> State:
    return filled(shapes_of_the_encoder(), torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def head() -> State:
    return filled(shapes_of_the_head(), torch.Generator().manual_seed(2))


def _norm(state: State, name: str, x: torch.Tensor, eps: float) -> torch.Tensor:
    return F.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"], eps)


def _linear(state: State, name: str, x: torch.Tensor) -> torch.Tensor:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def _conv(state: State, name: str, x: torch.Tensor, **options: int) -> torch.Tensor:
    return F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], **options)


def _attend(state: State, name: str, x: torch.Tensor, size, heads: int, reduction: int):
    n, length, d = x.shape
    seen = x
    if reduction > 1:
        grid = x.transpose(1, 2).reshape(n, d, *size)
        grid = _conv(state, f"{name}.sr", grid, stride=reduction)
        seen = _norm(state, f"{name}.norm", grid.flatten(2).transpose(1, 2), 1e-5)
    queries = _linear(state, f"{name}.q", x).view(n, length, heads, -1).transpose(1, 2)
    keys, values = (
        part.view(n, seen.shape[1], heads, -1).transpose(1, 2)
        for part in _linear(state, f"{name}.kv", seen).chunk(2, -1)
    )
    shares = (queries @ keys.transpose(2, 3) / (d // heads) ** 0.5).softmax(-1)
    return _linear(state, f"{name}.proj", (shares @ values).transpose(1, 2).reshape(n, length, d))


def features_of(state: State, image: torch.Tensor) -> list[torch.Tensor]:
    levels = []
    x = image
    for stage in range(1, 5):
        side, stride = (7, 4) if stage == 1 else (3, 2)
        x = _conv(state, f"patch_embed{stage}.proj", x, stride=stride, padding=side // 2)
        n, d, *size = x.shape
        x = _norm(state, f"patch_embed{stage}.norm", x.flatten(2).transpose(1, 2), 1e-5)
        for block in (f"block{stage}.{i}" for i in range(DEPTH)):
            seen = _norm(state, f"{block}.norm1", x, 1e-6)
            heads, reduction = HEADS[stage - 1], REDUCTIONS[stage - 1]
            x = x + _attend(state, f"{block}.attn", seen, size, heads, reduction)
            hidden = _linear(state, f"{block}.mlp.fc1", _norm(state, f"{block}.norm2", x, 1e-6))
            grid = hidden.transpose(1, 2).reshape(n, 4 * d, *size)
            grid = _conv(state, f"{block}.mlp.dwconv.dwconv", grid, padding=1, groups=4 * d)
            x = x + _linear(state, f"{block}.mlp.fc2", F.gelu(grid.flatten(2).transpose(1, 2)))
        x = _norm(state, f"norm{stage}", x, 1e-6).transpose(1, 2).reshape(n, d, *size)
        levels.append(x)
    return levels


def _conv_bn_relu(state: State, name: str, x: torch.Tensor, **options: int) -> torch.Tensor:
    x = F.conv2d(x, state[f"{name}.conv.weight"], **options)
    kinds = ("running_mean", "running_var", "weight", "bias")
    return F.batch_norm(x, *(state[f"{name}.bn.{kind}"] for kind in kinds), eps=1e-5).relu()


def logits_of(state: State, levels: list[torch.Tensor]) -> torch.Tensor:
    size = levels[0].shape[2:]
    embedded = [
        F.interpolate(
            _linear(state, f"embed_layers.{i}.proj", x.movedim(1, -1)).movedim(-1, 1),
            size=size,
            mode="bilinear",
            align_corners=False,
        )
        for i, x in enumerate(levels)
    ]
    x = torch.cat(embedded, 1)
    branches = [_conv_bn_relu(state, "fuse_layer.aspp_modules.0", x)]
    for branch, rate in ((1, 6), (2, 12), (3, 18)):
        name = f"fuse_layer.aspp_modules.{branch}"
        options = {"padding": rate, "dilation": rate, "groups": x.shape[1]}
        grid = _conv_bn_relu(state, f"{name}.depthwise_conv", x, **options)
        branches.append(_conv_bn_relu(state, f"{name}.pointwise_conv", grid))
    x = _conv_bn_relu(state, "fuse_layer.bottleneck", torch.cat(branches, 1), padding=1)
    return _conv(state, "conv_seg", x)


def in_mmsegmentations_names(backbone: State) -> State:
    """The same network as MMSegmentation's own code saves it."""
    renamed: State = {}
    for name, value in backbone.items():
        if ".attn.kv." in name:
            continue  # joined with the queries
        kind = name.rpartition(".")[2]
        if found := re.match(r"patch_embed(\d)\.(proj|norm)", name):
            part = {"proj": "projection", "norm": "norm"}[found[2]]
            renamed[f"layers.{int(found[1]) - 1}.0.{part}.{kind}"] = value
        elif found := re.match(r"norm(\d)", name):
            renamed[f"layers.{int(found[1]) - 1}.2.{kind}"] = value
        elif found := re.match(r"block(\d)\.(\d)\.(.*)\.\w+$", name):
            block, part = f"layers.{int(found[1]) - 1}.1.{found[2]}", found[3]
            if part == "attn.q":
                value = torch.cat([value, backbone[name.replace(".q.", ".kv.")]])
                renamed[f"{block}.attn.attn.in_proj_{kind}"] = value
                continue
            place = {
                "attn.proj": "attn.attn.out_proj",
                "mlp.fc1": "ffn.layers.0",
                "mlp.dwconv.dwconv": "ffn.layers.1",
                "mlp.fc2": "ffn.layers.4",
            }.get(part, part)
            is_1x1 = "fc" in part and kind == "weight"
            renamed[f"{block}.{place}.{kind}"] = value[..., None, None] if is_1x1 else value
    return renamed


def prefixed(prefix: str, state: State) -> State:
    return {f"{prefix}{name}": value for name, value in state.items()}


IMAGE = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))


def assert_same_logits(segmenter: Segmenter, backbone: State, head: State) -> None:
    with torch.no_grad():
        ours = segmenter.network(IMAGE).main
        theirs = logits_of(head, features_of(backbone, IMAGE))
    assert theirs.std() > 0.1
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_a_checkpoint_of_daformer(tmp_path, backbone, head) -> None:
    """The student's weights, out of a file with optimiser and meta data around them."""
    student = prefixed("backbone.", backbone) | prefixed("decode_head.", head)
    others = {name: torch.zeros_like(value) for name, value in student.items()}
    state_dict = {
        **prefixed("ema_model.", others),
        **prefixed("model.", student),
        **prefixed("imnet_model.", prefixed("backbone.", others)),
    }
    path = tmp_path / "iter_40000_relevant.pth"
    meta = {"iter": 40_000, "mmcv_version": "1.3.7", "CLASSES": ("road", "sidewalk")}
    torch.save({"meta": meta, "state_dict": state_dict, "optimizer": {"lr": 6e-5}}, path)
    segmenter = segmenter_of()
    taken = load_weights(segmenter, str(path))
    assert_same_logits(segmenter, backbone, head)
    assert [part.taken - part.wanted for part in taken.parts] == [0, 0]
    assert [part.said for part in taken.parts] == ["model.backbone.*", "model.decode_head.*"]
    assert {one.origin: one.why.partition(";")[0] for one in taken.left_over} == {
        "ema_model": "the teacher",
        "imnet_model": "the encoder as it was before",
    }


@pytest.mark.parametrize("own", [True, False])
def test_a_checkpoint_of_mmsegmentation(backbone, head, own) -> None:
    """By SegFormer's names, and by MMSegmentation's own, whose norms have another epsilon."""
    encoder = in_mmsegmentations_names(backbone) if own else backbone
    state_dict = prefixed("backbone.", encoder) | prefixed("decode_head.", head)
    state_dict["auxiliary_head.conv_seg.weight"] = torch.ones(CLASSES, 8, 1, 1)
    segmenter = segmenter_of()
    taken = take(segmenter, state_dict, "segformer.pth")
    assert_same_logits(segmenter, backbone, head)
    assert [(one.origin, one.count) for one in taken.left_over] == [("auxiliary_head", 1)]


def test_other_classes_than_the_checkpoints(backbone, head) -> None:
    state_dict = prefixed("backbone.", backbone) | prefixed("decode_head.", head)
    segmenter = segmenter_of(num_classes=7)
    taken = take(segmenter, state_dict, "daformer.pth")
    assert taken.parts[1].wanted - taken.parts[1].taken == 2
    assert "decode_head.* but conv_seg, of 19 classes in place of 7" in taken.table()
    with torch.no_grad():
        assert segmenter.network(IMAGE).main.shape[1] == 7


def test_another_decoder_than_the_checkpoints(backbone) -> None:
    convs = {"convs.0.conv.weight": torch.ones(WIDTH, 32, 1, 1)}
    state_dict = prefixed("backbone.", backbone) | prefixed("decode_head.", convs)
    taken = take(segmenter_of(), state_dict, "segformer.pth")
    assert [part.taken for part in taken.parts] == [taken.parts[0].wanted, 0]
    assert "decode_head.* is another decoder, without embed_layers.0.proj.weight" in taken.table()


def test_two_resolutions(backbone, head) -> None:
    """HRDA's decode head has the segmentation head and the attention."""
    options = {"detail_crop": (64, 64)}
    one = segmenter_of(**options)
    attention = one.network.scale_attention.state_dict()
    attention = {name: torch.rand_like(value.float()) for name, value in attention.items()}
    state_dict = {
        **prefixed("model.backbone.", backbone),
        **prefixed("model.decode_head.head.", head),
        **prefixed("model.decode_head.scale_attention.", attention),
    }
    taken = take(one, state_dict, "hrda.pth")
    assert taken.is_whole, taken.table()
    with torch.no_grad():
        ours = one.network.single(IMAGE).main
    theirs = logits_of(head, features_of(backbone, IMAGE))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    assert one.network.scale_attention.conv_seg.bias.equal(attention["conv_seg.bias"])


@pytest.mark.parametrize("file", ["mit_b0.pth", "mit_b0.safetensors"])
def test_an_encoder_pretrained_on_imagenet(tmp_path, backbone, file) -> None:
    state_dict = backbone | {"head.weight": torch.ones(1000, 256), "head.bias": torch.ones(1000)}
    path = tmp_path / file
    save_file(state_dict, path) if path.suffix == ".safetensors" else torch.save(state_dict, path)
    segmenter = segmenter_of()
    taken = load_weights(segmenter, str(path))
    assert [(one.origin, one.count) for one in taken.left_over] == [("head", 2)]
    with torch.no_grad():
        ours = segmenter.network.encode(IMAGE)
    for level, theirs in zip(ours, features_of(backbone, IMAGE), strict=True):
        torch.testing.assert_close(level, theirs, rtol=1e-4, atol=1e-4)


def test_a_deeper_one_is_refused(backbone) -> None:
    deeper = {n.replace("block4.1", "block4.2"): v for n, v in backbone.items()}
    for state_dict in (backbone | deeper, deeper):
        with pytest.raises(CheckpointError, match=r"check model\.encoder"):
            take(segmenter_of(), state_dict, "mit_b5.pth")


def test_mit_b5_is_timms_pvt_v2_b5() -> None:
    with torch.device("meta"):
        ours, theirs = (segmenter_of(encoder=name).state_dict() for name in ("mit_b5", "pvt_v2_b5"))
    assert {n: v.shape for n, v in ours.items()} == {n: v.shape for n, v in theirs.items()}
    check_encoder("mit_b3")
    with pytest.raises(ConfigError, match=r"no weights of mit_b5 .*none are known.*model\.weights"):
        check_pretrained("mit_b5")
    with pytest.raises(ConfigError, match=r"no weights of mit_b0"):
        segmenter_of(pretrained=True)
