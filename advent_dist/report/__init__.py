"""HTML pages about runs: one file each that needs neither network nor server."""

from advent_dist.report.comparison import comparison_report
from advent_dist.report.record import Panel, RunRecord, read_run
from advent_dist.report.run import run_report

__all__ = ["Panel", "RunRecord", "comparison_report", "read_run", "run_report"]
