"""The driver process: its standard streams, what it reports to its parent, and what it does on a stop signal."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any

INTERRUPTED = 130
"""Exit code of a command that Ctrl-C, ``kill`` or ``ray job stop`` ended."""

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
DUPLICATE_STOP_S = 1.0  # one request to stop may come twice: to the process group, and forwarded by the parent
_PR_SET_PDEATHSIG = 1


@dataclass
class DeferredStop:
    """A stop signal that is noted instead of raised.

    Attributes:
        requested: whether one has come.
    """

    requested: bool = False


class _Driver:
    """State of this process as a driver: one per process, as signal handlers are.

    Attributes:
        pipe: descriptor that the parent reads; ``None`` without a parent.
        starting: whether nothing has begun that a stop would have to end in an orderly way.
        stopped: when a stop signal was last acted on, by the monotonic clock.
        resume: the command that resumes the run, once there is one.
        deferred: set while a stop signal is noted rather than raised.
    """

    pipe: int | None = None
    starting = True
    stopped = float("-inf")
    resume: str | None = None
    deferred: DeferredStop | None = None


_driver = _Driver()


def report(**facts: Any) -> None:
    """Send the parent process, if there is one, what it prints if this process is killed.

    Args:
        facts: ``starting`` (bool: whether a stop may end this process at once), ``resume`` (the command that resumes
            the run; ``None``: there is none), ``log`` (path of the log file), ``end`` (the exit code, at the very
            end).
    """
    _driver.starting = facts.get("starting", _driver.starting)
    _driver.resume = facts.get("resume", _driver.resume)
    if _driver.pipe is not None:
        with suppress(OSError):
            os.write(_driver.pipe, json.dumps(facts).encode() + b"\n")


def stop_on_signals() -> None:
    """Make SIGINT, SIGTERM and SIGHUP stop this process as Ctrl-C does.

    Ray replaces the handler of SIGTERM whenever a process joins a cluster: call this again afterwards. Signals that
    the caller had ignored (``nohup``) stay ignored. Does nothing outside the main thread, where Python has no signals.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in STOP_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


@contextmanager
def deferred_stop() -> Iterator[DeferredStop]:
    """Note the first stop signal in the block instead of raising it; a second one raises `KeyboardInterrupt`."""
    handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    before, _driver.deferred, _driver.stopped = _driver.deferred, DeferredStop(), float("-inf")
    stop_on_signals()
    try:
        yield _driver.deferred
    finally:
        _driver.deferred = before
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():
                signal.signal(number, handler)


def resume_command() -> str | None:
    """Return the command that resumes this process's run, if one has been reported."""
    return _driver.resume


@contextmanager
def own_process_group() -> Iterator[None]:
    """Keep signals to this command's process group from processes that start in the block, such as Ray's.

    ``timeout``, batch systems and terminals signal whole groups. Ray's processes must survive that, so that a run on a
    cluster that it has started can end in an orderly way; they end with this process. Does nothing without a parent
    process, which stays in the group and gets the signals.
    """
    group = os.getpgrp()
    if _driver.pipe is None:
        yield
        return
    os.setpgid(0, 0)
    try:
        yield
    finally:
        os.setpgid(0, group)


def become_driver(main: Callable[[], int], pipe: int, parent: int) -> int:
    """Run a program's ``main`` in a process whose parent watches it; return its exit code.

    Args:
        main: the program.
        pipe: descriptor that reports are written to.
        parent: process id of the parent; where that is killed, the kernel kills this process too.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(INTERRUPTED)
    _driver.pipe = pipe
    stop_on_signals()
    return main()


def _stop(number: int, frame: FrameType | None) -> None:
    """Handle a stop signal. During the start the parent ends this process, which must not print anything first."""
    now = time.monotonic()
    if (_driver.starting and _driver.pipe is not None) or now - _driver.stopped < DUPLICATE_STOP_S:
        return
    _driver.stopped = now
    if _driver.deferred is None or _driver.deferred.requested:
        raise KeyboardInterrupt
    _driver.deferred.requested = True


def open_standard_streams() -> None:
    """Open the null device in place of standard streams that are closed, as after ``command >&- 2>&-``.

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
    """Write out what Python has buffered, and drop it where no process reads it any more.

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
    """Pause the garbage collector in the block, and exempt all objects made until its end from later collections.

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
