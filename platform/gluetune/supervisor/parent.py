"""The parent's side: waits for the driver, forwards stop signals, and reports a driver that was cut off."""

from __future__ import annotations

import importlib
import json
import os
import signal
from contextlib import suppress
from typing import Any

from gluetune.supervisor.cutoff import explanation
from gluetune.supervisor.driver import INTERRUPTED, STOP_SIGNALS, become_driver, report
from gluetune.supervisor.streams import flush_standard_streams, open_standard_streams

FORWARDED_SIGNALS = {
    signal.SIGUSR1,
    signal.SIGUSR2,
}  # unchanged: batch systems send them, and Ray Tune stops on SIGUSR1
_SI_KERNEL = 0x80  # sender of a signal that a terminal's key makes, which the driver gets as well


def supervised(program: str) -> int:
    """Runs a program in a child process, and returns its exit code.

    Ray ends a driver whose node or control store dies at once, without an exception; the kernel does so where memory is
    exhausted. Then this process says what happened and how to go on.

    Args:
        program: ``package.module:function``; imported in the child only.

    Returns:
        The function's result; 130 where a signal ended it during its start; 1, or 128 and the signal's number, where it
        was cut off.
    """
    open_standard_streams()
    acted_on = {
        number for number in {*STOP_SIGNALS, *FORWARDED_SIGNALS} if signal.getsignal(number) is not signal.SIG_IGN
    }
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    readable, writable = os.pipe()
    parent = os.getpid()
    unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, {*acted_on, signal.SIGCHLD})
    child = os.fork()
    if child == 0:
        os.close(readable)
        return _drive(program, writable, parent, unblocked)
    os.close(writable)
    os.set_blocking(readable, False)
    return _Supervisor(child, readable).wait({*acted_on, signal.SIGCHLD})


def tune() -> int:
    """Runs the installed command ``gluetune``, which is that of ``jobs/tune_glue.py``."""
    return supervised("gluetune.cli.main:main")


def _drive(program: str, pipe: int, parent: int, unblocked: set[int | signal.Signals]) -> int:
    def main() -> int:
        signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
        module, _, function = program.partition(":")
        code: int = getattr(importlib.import_module(module), function)()
        return code

    code: object = 1
    try:
        code = become_driver(main, pipe, parent)
    except SystemExit as error:
        code = error.code
        raise
    finally:
        flush_standard_streams()
        report(end=code if isinstance(code, int) else 0 if code is None else 1)
    assert isinstance(code, int)
    return code


class _Supervisor:
    """Waits for one driver.

    Args:
        child: its process id.
        pipe: what it reports on, not blocking.
    """

    def __init__(self, child: int, pipe: int) -> None:
        self._child, self._pipe = child, pipe
        self._facts: dict[str, Any] = {"starting": True}
        self._unread = b""
        self._stopping = False

    def wait(self, signals: set[signal.Signals]) -> int:
        """Returns the exit code of the driver, which it waits for."""
        while True:
            came = signal.sigwaitinfo(signals)
            if came.si_signo == signal.SIGCHLD:
                if (status := self._ended()) is not None:
                    return self._code(status)
                continue
            self._read()
            if came.si_signo in FORWARDED_SIGNALS:
                os.kill(self._child, came.si_signo)
            elif self._facts["starting"]:
                return self._end_at_once()
            else:
                self._stop(came)

    def _stop(self, came: signal.struct_siginfo) -> None:
        """Has the driver end in an orderly way. Where no table is on the screen, the resume command comes first.

        ``ray job stop`` kills a job that has not ended three seconds later.
        """
        if came.si_code != _SI_KERNEL or came.si_signo == signal.SIGHUP:
            os.kill(self._child, signal.SIGTERM)
        if self._facts.get("resume") and not self._stopping and not os.isatty(1):
            _print(1, f"stopping; if this is cut short, go on with:\n{self._facts['resume']}")
        self._stopping = True

    def _ended(self) -> int | None:
        """Status of the driver once it has ended. As process 1 of a container this process has other children too."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return None
            if pid in (0, self._child):
                return status if pid else None

    def _end_at_once(self) -> int:
        """Kills a driver that has begun nothing; Ray's processes of a local cluster end with it."""
        os.kill(self._child, signal.SIGKILL)
        os.waitpid(self._child, 0)
        if self._facts.get("resume"):
            _print(1, f"interrupted while starting; go on with:\n{self._facts['resume']}")
        else:
            _print(1, "interrupted while starting; nothing was begun")
        return INTERRUPTED

    def _code(self, status: int) -> int:
        self._read()
        if "end" in self._facts:
            return int(self._facts["end"])
        _print(2, "error: " + explanation(status, self._facts))
        code = os.waitstatus_to_exitcode(status)
        return 128 - code if code < 0 else code or 1

    def _read(self) -> None:
        """Takes in what the driver has reported so far."""
        try:
            while part := os.read(self._pipe, 65536):
                self._unread += part
        except BlockingIOError:
            pass
        *lines, self._unread = self._unread.split(b"\n")
        for line in lines:
            self._facts.update(json.loads(line))


def _print(descriptor: int, text: str) -> None:
    """Prints to a standard stream; on a terminal below what the driver's live table left, with the cursor shown."""
    start = "\r\x1b[?25h" if os.isatty(descriptor) else ""
    with suppress(OSError):  # closed
        os.write(descriptor, (start + text + "\n").encode(errors="replace"))
