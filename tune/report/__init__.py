"""The report of a sweep, finished, going on or interrupted: `python -m tune.report DIR`."""

from tune.report.write import write_report

__all__ = ["write_report"]
