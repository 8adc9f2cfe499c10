"""Rendered streets -> Cityscapes by self-training, with the values of the papers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from advent_dist.config import (
    AugmentConfig,
    ClusterConfig,
    DACSConfig,
    DAFormerConfig,
    DataConfig,
    EngineConfig,
    Experiment,
    HRDAConfig,
    MethodConfig,
    MICConfig,
    MICHRDAConfig,
    ModelConfig,
    OptimizerConfig,
    RunConfig,
    VFMUDAConfig,
    VFMUDAPlusPlusConfig,
)

_THINGS_OF_19 = (6, 7, 11, 12, 13, 14, 15, 16, 17, 18)
_THINGS_OF_16 = (6, 7, 10, 11, 12, 13, 14, 15)
"""Train ids of lights, signs, riders, persons and vehicles."""

_SKY_AND_BONNET: dict[str, Any] = {"unlabelled_top": 15, "unlabelled_bottom": 120}
"""Rows of a crop of 512 out of an image with as many."""


def _gta5(flip: float) -> DataConfig:
    return DataConfig(
        source="gta5/train",
        target="cityscapes/train",
        evaluation="cityscapes/val",
        classes="cityscapes19",
        source_size=(1280, 720),
        target_size=(1024, 512),
        evaluation_size=(1024, 512),
        batch_size_per_rank=2,
        augment=AugmentConfig(crop=(512, 512), flip=flip),
    )


def _gta5_in_proportion() -> DataConfig:
    """As DAFormer and MIC read it: within 1280x720, in the proportions of 1914x1052."""
    return replace(_gta5(flip=0.5), source_size=(1280, 704))


def _synthia(flip: float) -> DataConfig:
    return replace(
        _gta5(flip),
        source="synthia/train",
        target="cityscapes16/train",
        evaluation="cityscapes16/val",
        classes="cityscapes16",
        source_size=(1280, 760),
    )


def _with_rare_classes(data: DataConfig, in_crop: float = 0.5) -> DataConfig:
    """Sampled as in DAFormer: images of 3000 pixels of a class, in_crop times as many in a crop."""
    pixels = 3000
    augment = replace(data.augment, crop_min_pixels=int(pixels * in_crop), crop_max_share=0.75)
    return replace(data, rare_class_temperature=0.01, rare_class_pixels=pixels, augment=augment)


_PVT = ModelConfig(
    encoder="pvt_v2_b5", pretrained=True, decoder="daformer", drop_path=0.1, multi_level=False
)
"""The network of MiT-B5, that DAFormer was published with, as timm has weights of it."""


def _daformer(
    name: str, data: DataConfig, method: MethodConfig, model: ModelConfig = _PVT
) -> Experiment:
    """DAFormer's recipe."""
    return Experiment(
        name=name,
        data=data,
        model=model,
        method=method,
        optimizer=OptimizerConfig(
            segmenter="adamw",
            segmenter_lr=6e-5,
            weight_decay=0.01,
            decay_norms=False,
            horizon=40_000,
            power=1.0,
            warmup_steps=1500,
        ),
        run=RunConfig(steps=40_000, report_every=50, evaluate_every=4000, checkpoint_every=4000),
        cluster=ClusterConfig(gpus_per_worker="auto"),
    )


def gta5_cityscapes_dacs() -> Experiment:
    """GTA5 -> Cityscapes by mixing classes across domains (DACS), as published.

    Published: 52.1 mIoU, from a DeepLab-v2 pretrained on COCO: start from such a file,
    `--model.weights FILE`. The head sums two of its four convolutions (model.head_dilations).
    """
    return Experiment(
        name="gta5_cityscapes_dacs",
        data=_gta5(flip=0.0),
        model=ModelConfig(multi_level=False, head_dilations=2),
        method=DACSConfig(),
        optimizer=OptimizerConfig(published_repeats=True),
        run=RunConfig(steps=250_000, report_every=100),
        cluster=ClusterConfig(gpus_per_worker="auto"),
    )


def gta5_cityscapes_daformer() -> Experiment:
    """GTA5 -> Cityscapes by DAFormer, on PVTv2-B5.

    Published: 68.3 mIoU, from SegFormer's weights: `--model.encoder mit_b5 --model.no-pretrained
    --model.weights mit_b5.pth`.
    """
    method = DAFormerConfig(fd_classes=_THINGS_OF_19, **_SKY_AND_BONNET)
    return _daformer("gta5_cityscapes_daformer", _with_rare_classes(_gta5_in_proportion()), method)


def gta5_cityscapes_mic() -> Experiment:
    """GTA5 -> Cityscapes by masked image consistency on DAFormer, on PVTv2-B5."""
    method = MICConfig(fd_classes=_THINGS_OF_19, **_SKY_AND_BONNET)
    return _daformer("gta5_cityscapes_mic", _with_rare_classes(_gta5_in_proportion()), method)


def _hrda(name: str, method: MethodConfig) -> Experiment:
    """DAFormer's recipe at twice the resolution, in crops of 1024 with details of 512."""
    data = replace(
        _gta5(flip=0.5),
        source_size=(2560, 1407),
        target_size=(2048, 1024),
        evaluation_size=(2048, 1024),
        evaluation_window=(1024, 1024),
        evaluation_stride=(512, 512),
        augment=AugmentConfig(crop=(1024, 1024), flip=0.5),
    )
    model = replace(_PVT, detail_crop=(512, 512))
    return _daformer(name, _with_rare_classes(data, in_crop=2.0), method, model)


_SKY_AND_BONNET_OF_1024: dict[str, Any] = {"unlabelled_top": 30, "unlabelled_bottom": 240}
"""The same of a crop of 1024."""


def gta5_cityscapes_hrda() -> Experiment:
    """GTA5 -> Cityscapes in two resolutions (HRDA), on PVTv2-B5.

    Published: 73.8 mIoU, from SegFormer's weights (see gta5_cityscapes_daformer).
    """
    method = HRDAConfig(fd_classes=_THINGS_OF_19, **_SKY_AND_BONNET_OF_1024)
    return _hrda("gta5_cityscapes_hrda", method)


def gta5_cityscapes_mic_hrda() -> Experiment:
    """GTA5 -> Cityscapes by masked image consistency on HRDA, on PVTv2-B5.

    Published: 75.9 mIoU, from SegFormer's weights (see gta5_cityscapes_daformer).
    """
    method = MICHRDAConfig(fd_classes=_THINGS_OF_19, **_SKY_AND_BONNET_OF_1024)
    return _hrda("gta5_cityscapes_mic_hrda", method)


def synthia_cityscapes_daformer() -> Experiment:
    """SYNTHIA -> Cityscapes by DAFormer, on PVTv2-B5.

    Published: 60.9 mIoU over 16 classes with MiT-B5.
    """
    method = DAFormerConfig(fd_classes=_THINGS_OF_16, **_SKY_AND_BONNET)
    return _daformer("synthia_cityscapes_daformer", _with_rare_classes(_synthia(flip=0.5)), method)


def synthia_cityscapes_mic() -> Experiment:
    """SYNTHIA -> Cityscapes by masked image consistency on DAFormer, on PVTv2-B5."""
    method = MICConfig(fd_classes=_THINGS_OF_16, **_SKY_AND_BONNET)
    return _daformer("synthia_cityscapes_mic", _with_rare_classes(_synthia(flip=0.5)), method)


_SKY_AND_BONNET_OF_1120: dict[str, Any] = {"unlabelled_top": 33, "unlabelled_bottom": 280}
"""Of a crop of 1120. Columns at the sides count: a crop rarely has the image's own."""


def _vfm_uda(name: str, method: MethodConfig, mask_token: bool, layer_decay: float) -> Experiment:
    """VFM-UDA's recipe, on DINOv2 ViT-B/14."""
    data = DataConfig(
        source="gta5/train",
        target="cityscapes/train",
        evaluation="cityscapes/val",
        classes="cityscapes19",
        source_size=(2800, 1575),
        target_size=(2240, 1120),
        evaluation_size=(2240, 1120),
        evaluation_window=(1120, 1120),
        evaluation_stride=(560, 560),
        evaluation_average="probabilities",
        batch_size_per_rank=2,
        workers_per_rank=4,
        rare_class_temperature=0.05,
        rare_class_pixels=3000,
        augment=AugmentConfig(
            scale=(0.9, 1.1),
            crop=(1120, 1120),
            crop_min_pixels=7178,
            crop_max_share=0.75,
            flip=0.5,
        ),
    )
    return Experiment(
        name=name,
        data=data,
        model=ModelConfig(
            encoder="vit_base_patch14_dinov2",
            pretrained=True,
            decoder="upscaling",
            multi_level=False,
            mask_token=mask_token,
        ),
        method=method,
        optimizer=OptimizerConfig(
            segmenter="adamw",
            segmenter_lr=5e-5 * 8**0.5 / 10,
            layer_decay=layer_decay,
            weight_decay=0.01,
            horizon=40_000,
            power=1.0,
            warmup_steps=1500,
            warmup_to="rate",
        ),
        engine=EngineConfig(precision="bf16"),
        run=RunConfig(
            steps=40_000,
            global_batch_size=8,
            report_every=50,
            evaluate_every=4000,
            checkpoint_every=4000,
        ),
        cluster=ClusterConfig(gpus_per_worker="auto"),
    )


def gta5_cityscapes_vfm_uda() -> Experiment:
    """GTA5 -> Cityscapes by VFM-UDA, on DINOv2 ViT-B/14.

    Published: 77.1 mIoU; 78.4 with `--model.encoder vit_large_patch14_dinov2`. Crops have 1120
    pixels, 80 x 80 patches of 14, to which the published network resizes its crops of 1024; all
    sizes here are larger by that.
    """
    method = VFMUDAConfig(**_SKY_AND_BONNET_OF_1120)
    return _vfm_uda("gta5_cityscapes_vfm_uda", method, mask_token=True, layer_decay=1.0)


def gta5_cityscapes_vfm_uda_plus_plus() -> Experiment:
    """GTA5 -> Cityscapes by VFM-UDA++, on DINOv2 ViT-B/14 and near ViT-L/14 with registers.

    Published: 79.8 mIoU with ViT-L/14, through a ViT-Adapter and a head of several resolutions,
    neither of which is here: VFM-UDA's head reads the transformer alone.
    """
    method = VFMUDAPlusPlusConfig(**_SKY_AND_BONNET_OF_1120)
    name = "gta5_cityscapes_vfm_uda_plus_plus"
    return _vfm_uda(name, method, mask_token=False, layer_decay=0.9)
