"""Whether a run's config still goes with what it has trained so far."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from advent_dist.config import Experiment, LoRAConfig
from advent_dist.errors import CheckpointError


def require_same(then: dict[str, Any], experiment: Experiment) -> None:
    """Refuse what could not go on: other networks, another optimiser.

    Args:
        then: The config of the run so far, as JSON has it.
        experiment: The config to go on with.

    Raises:
        CheckpointError: they differ in something that a checkpoint depends on.
    """
    now = json.loads(json.dumps(asdict(experiment)))
    no_adapters = json.loads(json.dumps(asdict(LoRAConfig())))
    fields = [
        ("data", "classes", None),
        # Of a segmenter and of a detector, each has some that the other has not.
        ("model", "detector", None),
        ("model", "encoder", None),
        # What configs mean that are older than the field.
        ("model", "decoder", "deeplab"),
        ("model", "decoder_width", None),
        ("model", "multi_level", None),
        ("model", "head_dilations", 4),
        ("model", "mask_token", False),
        ("model", "lora", no_adapters),
        ("model", "discriminator_width", None),
        ("method", "name", None),
        # They say which discriminators a detector has, and of how many channels.
        ("method", "levels", None),
        ("method", "background", None),
        ("optimizer", "segmenter", None),
    ]
    for section, name, older in fields:
        # A config that is damaged there is not the same either.
        fields_then = then.get(section)
        before = fields_then.get(name, older) if isinstance(fields_then, dict) else None
        today = now[section].get(name, older)
        if (section, name) == ("data", "classes") and None in (before, today):
            continue  # then the class files are what is compared
        if before != today:
            raise CheckpointError(
                f"{section}.{name} = {today!r}, but the checkpoint was written with "
                f"{before!r}; resume with that, or start a new run (--run.name)"
            )
