"""Work beside the training: one piece at a time, whose failure comes out in the training."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Background:
    """A thread for what is long and waits for others, such as an upload.

    It ends with its process, in the middle of what it does: what has to be done is waited for.
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def begin(self, work: Callable[[], object]) -> None:
        """Do `work` once the former one is done.

        Raises:
            BaseException: what the former one raised, as `wait` does.
        """
        self.wait()
        self._thread = threading.Thread(target=self._do, args=(work,), daemon=True)
        self._thread.start()

    def _do(self, work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:  # raised where one waits
            self._error = error

    @property
    def is_busy(self) -> bool:
        """Whether the work is still being done."""
        return self._thread is not None and self._thread.is_alive()

    def check(self) -> None:
        """Raise what was raised so far, without waiting."""
        if not self.is_busy:
            self.wait()

    def wait(self) -> None:
        """Wait for the end of the work, and raise what it raised."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        error, self._error = self._error, None
        if error is not None:
            raise error
