"""`advent-dist export RUN --to DIR`: a trained model for others, with a model card."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import tyro

from advent_dist.errors import CheckpointError


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write weights, config, classes and a model card of a run; ONNX and torch.export on demand."""

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Run folder or its URL."""

    to: str
    """Folder or URL to write to; it has to be empty, or not there."""

    which: Annotated[Literal["last", "best"], tyro.conf.arg(aliases=["--checkpoint"])] = "last"
    """Checkpoint of the run, as evaluate and predict take it."""

    onnx: bool = False
    """Write model.onnx and predict_onnx.py too; pip install 'advent-dist[export]'."""

    torch: bool = False
    """Write model.pt2, a program of torch.export, and predict_torch.py too."""

    license: str | None = None
    """Licence of the model for the card's header, such as apache-2.0; none says that it is
    unknown."""

    other_seeds: tuple[str, ...] = ()
    """Runs that differ from this one in run.seed alone: the card has mean and spread over all."""

    overwrite: bool = False
    """Replace what an earlier export wrote to the folder, and nothing else."""


def main(arguments: list[str]) -> int:
    """Run the command; see the module's docstring.

    Raises:
        ConfigError: no run is there, the folder to write to is not empty, or a package is missing.
        CheckpointError: the run has no such checkpoint.
        ExportError: the network can't be exported, or what was exported computes something else.
    """
    options = tyro.cli(Export, args=arguments, prog="advent-dist export")
    # Networks: seconds of imports, which `--help` should not take.
    import torch

    from advent_dist.data.store import open_folder
    from advent_dist.export.card import UNKNOWN_LICENSE, check_license
    from advent_dist.export.image_sizes import takes_long
    from advent_dist.export.onnx_file import ONNX_FILE, require_packages
    from advent_dist.export.program import PROGRAM_FILE
    from advent_dist.export.snapshot import snapshot_of
    from advent_dist.export.target import earlier_files
    from advent_dist.export.write import export, names_of
    from advent_dist.runs.folder import RunFolder
    from advent_dist.runs.trained import load_run

    license_name = check_license(options.license or UNKNOWN_LICENSE)
    asked = {ONNX_FILE: options.onnx, PROGRAM_FILE: options.torch}
    programs = [name for name, wanted in asked.items() if wanted]
    if options.onnx:
        require_packages()
    target = open_folder(options.to)
    replaced = earlier_files(target, names_of(programs), overwrite=options.overwrite)
    run = RunFolder.open(options.run)
    others = [RunFolder.open(url) for url in options.other_seeds]
    snapshot = snapshot_of(run, options.which, others)
    if replaced:
        sys.stderr.write(f"-- replaces in {target.url}: {', '.join(replaced)}\n")
    trained = load_run(options.run, options.which, torch.device("cpu"))
    weights = run.weights(options.which)
    if snapshot_of(run, options.which, others) != snapshot:
        raise CheckpointError(
            f"{run.url}: the run went on, and its {options.which} checkpoint is another one now; "
            "export again"
        )
    if programs == [ONNX_FILE] and takes_long(trained):
        sys.stderr.write(f"-- {ONNX_FILE} for images of any size: takes minutes to be worked out\n")
    program = export(
        # With the config of the run, which knows its initial weights: those are not loaded here.
        replace(trained, experiment=run.experiment()),
        weights,
        run.url.rsplit("/", 1)[-1],
        snapshot,
        target,
        programs,
        license_name,
        overwrite=options.overwrite,
    )
    if program is not None and program.sizes.why_one is not None:
        width, height = program.sizes.own
        sys.stderr.write(
            f"-- {', '.join(programs)}: any batch, but images of width {width} and height "
            f"{height} alone ({program.sizes.why_one})\n"
        )
    sys.stdout.write(f"{', '.join(names_of(programs))} -> {target.url}\n")
    return 0
