"""When trials end, for all sides of comparison 8."""

from __future__ import annotations

import time


class Ends:
    """Notes when trials end, and what CPU time this process has taken by then.

    Attributes:
        ended: seconds since the epoch, by trial.
    """

    def __init__(self) -> None:
        self.ended: list[float] = []
        self._cpu: list[float] = []

    @property
    def cpu_s(self) -> float:
        """Seconds of CPU between the first end and the last."""
        return self._cpu[-1] - self._cpu[0]

    def note(self) -> None:
        """A trial ended."""
        self.ended.append(time.time())
        self._cpu.append(time.process_time())
