"""Hyperparameter search: `python tune/search.py`, here or after `ray submit CLUSTER.yaml`.

    python tune/search.py                                   # streets_advent, on shards of its own
    python tune/search.py --experiment camvid_day_dusk_advent --num-trials 32 --max-steps 300
    python tune/search.py ... --resume                      # after Ctrl-C, a kill, a lost host

It ends in a sweep folder with a report; see docs/sweep.md.
"""

from __future__ import annotations

import sys

from tune.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv))
