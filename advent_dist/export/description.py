"""config.json of an export: what builds the network again and prepares images for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from advent_dist.export.onnx_file import INPUT, OUTPUT
from advent_dist.export.program import Program
from advent_dist.export.public import public
from advent_dist.export.snapshot import Snapshot
from advent_dist.runs.exported import FORMAT
from advent_dist.runs.trained import TrainedRun


def description(
    run: TrainedRun, snapshot: Snapshot, program: Program | None, files: Sequence[str]
) -> bytes:
    """The file's text.

    Args:
        run: what is exported.
        snapshot: which of its snapshots.
        program: that of model.onnx or model.pt2; none without either.
        files: names of all files of the export.
    """
    normalise = run.segmenter.normalise
    model = run.experiment.segmenter
    tree: dict[str, Any] = {
        "format": FORMAT,
        "version": version("advent-dist"),
        "files": list(files),
        "encoder": model.encoder,
        "decoder": model.decoder,
        "classes": list(run.classes.names),
        "input": {
            "name": INPUT,
            "layout": "float32 [batch, 3, height, width], RGB in 0..255",
            "size": list(run.experiment.data.evaluation_size),
            "resize": "bicubic, antialiased, to that width and height",
            "sizes": None if program is None else program.sizes.said,
        },
        "normalisation": {
            "channels": "BGR" if normalise.bgr else "RGB",
            "scale": normalise.scale,
            "mean": normalise.mean.flatten().tolist(),
            "std": normalise.std.flatten().tolist(),
            "formula": "(pixels * scale - mean) / std; part of model.onnx and model.pt2",
        },
        "output": {
            "name": OUTPUT,
            "layout": "float32 [batch, classes, height, width], logits at the size of the input",
        },
        "snapshot": {
            "which": snapshot.which,
            "step": snapshot.step,
            "selected_by": snapshot.selected_by if snapshot.which == "best" else None,
            "target_labels": snapshot.chose_by_labels,
            "seeds": list(snapshot.seeds),
            "evaluations": list(snapshot.evaluations),
        },
        # Beside all this, what `advent-dist train --config` trains again.
        "experiment": asdict(public(run.experiment)),
    }
    return json.dumps(tree, indent=1).encode()
