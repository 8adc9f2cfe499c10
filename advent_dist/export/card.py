"""README.md of an export: a model card with the header that model hubs read."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version

from jinja2 import Environment, PackageLoader, StrictUndefined

from advent_dist.config import Experiment
from advent_dist.errors import ConfigError
from advent_dist.experiments import EXPERIMENTS
from advent_dist.experiments.command import train_command
from advent_dist.export.agreement import Agreement
from advent_dist.export.program import Program
from advent_dist.export.public import public
from advent_dist.export.snapshot import Score, Snapshot
from advent_dist.runs.exported import CONFIG_FILE
from advent_dist.runs.trained import TrainedRun

UNKNOWN_LICENSE = "unknown"
"""What model hubs call none."""

_LICENSE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,63}")
_NUMBERS = {
    "pixel_accuracy": ("pixel accuracy %", 1),
    "error_auroc": ("AUROC of entropy for errors", 3),
    "mean_entropy": ("mean entropy (0..1)", 3),
    "information_maximisation": ("information maximisation (0..1)", 3),
    "snd": ("soft neighbourhood density (nats)", 3),
    "diversity": ("class diversity (0..1)", 3),
}
"""Number of an evaluation -> what the card calls it, and its decimals."""


def check_license(name: str) -> str:
    """The name, if it can be one.

    Raises:
        ConfigError: it can't.
    """
    if not _LICENSE.fullmatch(name):
        raise ConfigError(
            f"--license {name!r}: give a short identifier, such as apache-2.0, cc-by-4.0 or other"
        )
    return name.lower()


def card(
    run: TrainedRun,
    name: str,
    snapshot: Snapshot,
    program: Program | None,
    programs: Mapping[str, Agreement],
    scripts: Mapping[str, str],
    license_name: str,
) -> bytes:
    """The card's text.

    Args:
        run: what is exported.
        name: what the card calls it.
        snapshot: which of its snapshots.
        program: that of model.onnx or model.pt2; none without either.
        programs: of these files, how near each comes to the network.
        scripts: of each its script.
        license_name: see `check_license`.
    """
    environment = Environment(
        loader=PackageLoader("advent_dist.export", ""),
        autoescape=False,  # Markdown: what strangers wrote goes through `plain`
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["plain"] = _plain
    experiment = public(run.experiment)
    data, model = experiment.data, experiment.segmenter
    text = environment.get_template("card.md").render(
        license=license_name,
        tags=["semantic-segmentation", "domain-adaptation", experiment.method.name],
        title=name,
        version=version("advent-dist"),
        experiment=experiment,
        decoder="" if model.encoder == "deeplab_v2" else f" with the decoder `{model.decoder}`",
        method=" ".join((type(experiment.method).__doc__ or "").split("\n\n")[0].split()),
        classes=list(zip(run.classes.names, run.classes.palette, strict=True)),
        data=data,
        size=data.evaluation_size,
        windows=_windows(experiment),
        sizes=None if program is None else program.sizes,
        programs=list(programs),
        agreements=dict(programs),
        scripts=[scripts[program_file] for program_file in programs],
        evaluated=_evaluated(experiment, snapshot),
        choice=snapshot.choice,
        labels=_labels(experiment, snapshot),
        over=_over(snapshot),
        heading=_heading(snapshot),
        scores=_scores(run, snapshot),
        reading=_reading(snapshot),
        seed=experiment.run.seed,
        command=_command(experiment),
    )
    return text.encode()


def _plain(text: str) -> str:
    """Text of strangers as text: neither HTML nor Markdown, in a cell of a table, too."""
    return re.sub(r"([\\`*_\[\]|#])", r"\\\1", html.escape(text, quote=False))


def _windows(experiment: Experiment) -> str:
    sliding = experiment.data.sliding
    if sliding is None:
        return ""
    across, down = sliding.window
    return (
        f", and seen in windows of {across}x{down}, whose {sliding.average} are averaged where "
        "they overlap"
    )


def _evaluated(experiment: Experiment, snapshot: Snapshot) -> str:
    folder = experiment.data.evaluation
    if folder is None:
        return f"at most {experiment.data.evaluation_images} images of `{experiment.data.target}`"
    kind = "labelled" if _is_labelled(snapshot) else "unlabelled"
    return f"the {kind} target images of `{folder}`"


def _is_labelled(snapshot: Snapshot) -> bool:
    return "miou" in snapshot.scores()


def _labels(experiment: Experiment, snapshot: Snapshot) -> str:
    """Which target labels had a part in it."""
    if snapshot.chose_by_labels:
        return (
            f"**Target labels were used for this choice**, those of "
            f"`{experiment.data.evaluation}`; the training itself read none."
        )
    return "**No target label was used**, neither in this training nor to choose its snapshot."


def _over(snapshot: Snapshot) -> str:
    if len(snapshot.seeds) == 1:
        return (
            f"One training, seed {snapshot.seeds[0]}, as it was after {snapshot.evaluated_step} "
            "steps: how much another seed would differ is not known."
        )
    seeds = ", ".join(map(str, snapshot.seeds))
    return (
        f"Mean and standard deviation over {len(snapshot.seeds)} trainings that differ in their "
        f"seed alone ({seeds}); the weights are those of seed {snapshot.seeds[0]}."
    )


def _heading(snapshot: Snapshot) -> str:
    return "IoU %" if _is_labelled(snapshot) else "without labels"


def _scores(run: TrainedRun, snapshot: Snapshot) -> list[tuple[str, str]]:
    numbers = snapshot.scores()
    rows: list[tuple[str, str]] = []
    if "miou" in numbers:
        per_class = snapshot.scores("per_class")
        rows += [(name, _text(per_class.get(name), 1)) for name in run.classes.names]
        rows.append((f"mean over {run.classes.num_classes} classes", _text(numbers["miou"], 1)))
        subsets = snapshot.scores("subsets")
        rows += [(f"mean over {name} classes", _text(one, 1)) for name, one in subsets.items()]
    rows += [
        (title, _text(numbers[name], decimals))
        for name, (title, decimals) in _NUMBERS.items()
        if name in numbers
    ]
    return rows


def _text(score: Score | None, decimals: int) -> str:
    return "-" if score is None else score.text(decimals)


def _reading(snapshot: Snapshot) -> str:
    if not _is_labelled(snapshot):
        return "These say how sure and how varied predictions are, and not whether they are right."
    if snapshot.chose_by_labels:
        return "The snapshot was chosen on these very images: the scores flatter."
    return "The snapshot was not chosen by the labels of these images."


def _command(experiment: Experiment) -> str:
    tree = json.loads(json.dumps(asdict(experiment)))
    if experiment.name in EXPERIMENTS:
        return train_command(tree, {})
    return train_command(tree, {}, tree, CONFIG_FILE)
