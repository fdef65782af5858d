"""A process's peak memory."""

from __future__ import annotations

import resource
import sys
from pathlib import Path


def peak_mb() -> float:
    """Most memory this process had in use at a time, libraries included, in MB.

    On Linux ``ru_maxrss`` will not do: a program inherits it from the process that started it (``exec_mmap`` in the
    kernel's fs/exec.c), so that a large benchmark would be what all its sides measure.
    """
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
