"""Text that strangers wrote, on a terminal and in logs: names of files, of samples, of classes.

It neither moves the cursor nor clears the screen, and it is no markup.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def printable(text: str) -> str:
    """The text with escapes in place of control characters, but for ends of lines and tabs."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or one in "\n\t" else one.encode("unicode_escape").decode()
        for one in text
    )


def plain_console(*, stderr: bool = False, width: int | None = None) -> Console:
    """A console to which [brackets], :names: and numbers are text like any other."""
    from rich.console import Console  # not for whoever only asks for `printable`

    return Console(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)


class PrintableFormatter(logging.Formatter):
    """Formats log records as `printable` does texts."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        return printable(super().format(record))
