"""The process's standard streams and its garbage collector."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


def open_standard_streams() -> None:
    """Opens the null device in place of standard streams that are closed, as after ``command >&- 2>&-``.

    Otherwise the next files that the process opens, such as a run's lock, get the descriptors 0 to 2, and what
    libraries print goes there.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # takes the lowest free descriptor
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, mode, closefd=False))


def flush_standard_streams() -> None:
    """Writes out what Python has buffered, and drops it where no process reads it any more.

    The interpreter would complain of a closed pipe on exit, and exit with code 120.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            with suppress(OSError, ValueError):
                os.dup2(null, stream.fileno())
            os.close(null)


@contextmanager
def gc_paused() -> Iterator[None]:
    """Pauses the garbage collector in the block, and exempts all objects made until its end from later collections.

    Imports of torch, transformers and MLflow make half a million objects that live as long as the process; searching
    them for garbage is a fifth of the CPU time that such imports take.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collecting:
            gc.enable()
