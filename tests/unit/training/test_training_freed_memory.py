"""Memory that a worker's trials have freed goes back to the kernel, where it is much."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

PROGRAM = """
import threading
import numpy as np
from gluetune.training.speedups.malloc import FreedMemory, _resident_bytes, configure_malloc

def trials():
    freed = FreedMemory()
    for blocks in (4, 80):
        before = _resident_bytes()
        held = [(np.ones(2_500_000), np.ones(300_000)) for _ in range(blocks)]  # 20 MB, and 2.4 that stay
        staying = [little for _, little in held]
        del held
        kept = _resident_bytes() - before
        print(blocks, kept > 1.2e9, freed.release(), _resident_bytes() - before < 3e8)

configure_malloc()
thread = threading.Thread(target=trials)  # Ray Train's workers train in a thread
thread.start()
thread.join()
"""


@pytest.mark.skipif(sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="needs glibc")
def test_much_freed_memory_is_returned_after_a_run_and_little_is_kept() -> None:
    printed = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
    assert printed.splitlines() == ["4 False False True", "80 True True True"]
