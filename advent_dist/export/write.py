"""A run to a folder that others can use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files as resources
from pathlib import Path

import safetensors.torch
from torch import Tensor

from advent_dist.data.class_file import class_file_text
from advent_dist.data.store import Folder
from advent_dist.export.agreement import Agreement
from advent_dist.export.card import card
from advent_dist.export.description import description
from advent_dist.export.onnx_file import ONNX_FILE, write_onnx
from advent_dist.export.program import PROGRAM_FILE, Program, trace
from advent_dist.export.snapshot import Snapshot
from advent_dist.export.target import CARD_FILE, SCRIPTS, earlier_files, write
from advent_dist.runs.exported import CONFIG_FILE, MODEL_FILE
from advent_dist.runs.trained import TrainedRun
from advent_dist.training.checkpoint_files import CLASSES_FILE
from advent_dist.training.scratch import own_folder


def names_of(programs: Sequence[str]) -> list[str]:
    """The files of an export with these programs."""
    scripts = [SCRIPTS[program] for program in programs]
    return [CONFIG_FILE, CLASSES_FILE, MODEL_FILE, CARD_FILE, *programs, *scripts]


def export(
    run: TrainedRun,
    weights: Mapping[str, Tensor],
    name: str,
    snapshot: Snapshot,
    target: Folder,
    programs: Sequence[str],
    license_name: str,
    *,
    overwrite: bool,
) -> Program | None:
    """Write a run's snapshot with its card, and the programs that were asked for.

    All is made and held to the network before anything is written.

    Args:
        run: on the CPU.
        weights: those of its snapshot, as the checkpoint has them: adapters by themselves.
        name: what the card calls it.
        snapshot: which of its snapshots that is.
        target: the folder; see `earlier_files`.
        programs: of `ONNX_FILE` and `PROGRAM_FILE`.
        license_name: see `card.check_license`.
        overwrite: whether an earlier export may be replaced.

    Returns:
        The program that was exported, if one was.

    Raises:
        ConfigError: the folder is not empty.
        ExportError: a program can't be made, or computes something else than the network.
        DataError: the folder can't be written to.
    """
    names = names_of(programs)
    earlier = earlier_files(target, names, overwrite=overwrite)
    with own_folder() as here:
        program = trace(run, read_back=PROGRAM_FILE in programs) if programs else None
        agreements = {} if program is None else _written(program, programs, here)
        files: dict[str, bytes | Path] = {
            CONFIG_FILE: description(run, snapshot, program, names),
            CLASSES_FILE: class_file_text(run.classes).encode(),
            MODEL_FILE: safetensors.torch.save(dict(weights), metadata={"format": "pt"}),
            CARD_FILE: card(run, name, snapshot, program, agreements, SCRIPTS, license_name),
        }
        scripts = resources("advent_dist.export") / "scripts"
        for one in programs:
            files |= {one: here / one, SCRIPTS[one]: (scripts / SCRIPTS[one]).read_bytes()}
        write(target, files, earlier)
    return program


def _written(program: Program, programs: Sequence[str], here: Path) -> dict[str, Agreement]:
    """The programs as files of a local folder, and how near each comes to the network."""
    found: dict[str, Agreement] = {}
    if PROGRAM_FILE in programs:
        found[PROGRAM_FILE] = program.write(here / PROGRAM_FILE)
    if ONNX_FILE in programs:
        found[ONNX_FILE] = write_onnx(program, here / ONNX_FILE)
    return found
