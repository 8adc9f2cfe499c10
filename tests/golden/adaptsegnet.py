"""AdaptSegNet's three published steps, in a process of their own: with one thread and all of the
CPU's instructions, as the reference was made. What other instructions round, chaos makes large.

    python -m tests.golden.adaptsegnet four_dilations_LS 3
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import torch
import torch.distributed as dist

from advent_dist.config import AdventConfig
from tests.golden.steps import method_on_published_networks, three_batches, train

CONFIGS = {
    "Vanilla": AdventConfig(adversary_sees="probabilities"),
    "LS": AdventConfig(
        adversary_sees="probabilities",
        gan_loss="least_squares",
        lambda_seg_aux=0.0,
        lambda_adv_aux=0.0,
        lambda_adv=0.01,
    ),
}

LOSSES = {
    "seg_aux": "loss/seg_aux",
    "seg_main": "loss/seg",
    "adv_aux": "loss/adv_aux",
    "adv_main": "loss/adv",
    "d_source_aux": "loss/discriminator_aux_source",
    "d_source_main": "loss/discriminator_source",
    "d_target_aux": "loss/discriminator_aux_target",
    "d_target_main": "loss/discriminator_target",
}
"""The published name -> ours."""


def published_losses(row: dict[str, float], names: list[str]) -> list[float]:
    """As the published log shows them: a discriminator's before they are halved."""
    return [row[LOSSES[name]] * (2 if name.startswith("d_") else 1) for name in names]


def three_steps(case: str, stage: int | None) -> dict[str, Any]:
    """The metrics of each step, and L2 norms by network and name.

    Args:
        case: `four_dilations_LS` and so on: of the head, and the GAN's loss.
        stage: Of DeepSpeed; plain engines by default.
    """
    dilations = 2 if case.startswith("two") else 4
    method = method_on_published_networks(
        CONFIGS[case.rsplit("_", 1)[1]], head_dilations=dilations, stage=stage
    )
    rows = train(method, three_batches())
    return {
        "rows": rows,
        "norms": {
            name: {key: float(value.double().norm()) for key, value in engine.weights().items()}
            for name, engine in method.engines.items()
        },
    }


def main() -> None:
    """Print what the case comes to, on each engine that is asked for."""
    case, *stages = sys.argv[1:]
    os.environ |= {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    torch.set_num_threads(1)
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    found = [three_steps(case, None if stage == "local" else int(stage)) for stage in stages]
    sys.stdout.write("\n" + json.dumps(found))


if __name__ == "__main__":
    main()
