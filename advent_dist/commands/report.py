"""The page of one run, written when its training ends."""

from __future__ import annotations

from advent_dist.report import read_run, run_report
from advent_dist.runs.folder import REPORT_FILE, RunFolder
from advent_dist.runs.panels import draw_panels
from advent_dist.runs.trained import available_device, load_run


def write_report(run: RunFolder) -> None:
    """Write report.html, and the pictures it shows, into a run's folder."""
    device = available_device()
    snapshots = {which: load_run(run.url, which, device) for which in ("last", "best")}
    for number, panel in enumerate(draw_panels(snapshots)):
        run.folder.write(f"panels/{number:02d}_{panel.caption}.png", panel.png)
    run.folder.write(REPORT_FILE, run_report(read_run(run.url)).encode())
