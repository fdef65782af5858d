"""The parent process: it waits for the driver, forwards stop signals, and reports why a driver was cut off."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from gluetune.supervisor.driver import (
    INTERRUPTED,
    STOP_SIGNALS,
    become_driver,
    flush_standard_streams,
    open_standard_streams,
    report,
)

FORWARDED_SIGNALS = {signal.SIGUSR1, signal.SIGUSR2}  # batch systems send them, and Ray Tune stops on SIGUSR1
_SI_KERNEL = 0x80  # sender of a signal that a terminal's key makes, which the driver gets as well
_TAIL = 100_000  # bytes at the end of a log that are read
_LAST_LINES = 80  # of which so many are searched: earlier ones report failures that the run survived
_STORE = re.compile(r"failed to connect to GCS|GCS (?:is|may have been) (?:terminated|killed)", re.IGNORECASE)
_NODE = re.compile(r"node has (?:crashed|died)|raylet.*(?:died|dead|terminated|killed|crashed)", re.IGNORECASE)
_FATAL = re.compile(
    r"^\[\S+ \S+ [FC] |^\w*MemoryError|Fatal Python error|terminate called|Check failed:"
    r"|\bSIG[A-Z]+ received"
)


def supervised(main: Callable[[], int]) -> int:
    """Run a program in a child process, and return its exit code.

    Ray ends a driver at once, without an exception, where the driver's node or Ray's control store dies; the kernel
    does so where memory is exhausted. The parent process then prints what happened and how to resume the run.

    Args:
        main: the program; called in the child only. It should import what it needs in its body, so that the parent
            stays small and starts at once.

    Returns:
        The program's result; 130 where a signal ended it during its start; 1, or 128 plus the signal's number, where
        it was cut off.
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
        return _drive(main, writable, parent, unblocked)
    os.close(writable)
    os.set_blocking(readable, False)
    return _Supervisor(child, readable).wait({*acted_on, signal.SIGCHLD})


def _drive(main: Callable[[], int], pipe: int, parent: int, unblocked: set[int | signal.Signals]) -> int:
    def run() -> int:
        signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
        return main()

    code: object = 1
    try:
        code = become_driver(run, pipe, parent)
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
        """Wait for the driver, forward signals to it meanwhile, and return its exit code."""
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
        """Ask the driver to end in an orderly way, and print the resume command where the output is no terminal.

        ``ray job stop`` kills a job that has not ended three seconds later.
        """
        if came.si_code != _SI_KERNEL or came.si_signo == signal.SIGHUP:
            os.kill(self._child, signal.SIGTERM)
        if self._facts.get("resume") and not self._stopping and not os.isatty(1):
            _print(1, f"stopping; if this is cut short, resume with:\n{self._facts['resume']}")
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
        """Kill a driver that has begun nothing; the Ray processes that it started end with it."""
        os.kill(self._child, signal.SIGKILL)
        os.waitpid(self._child, 0)
        if self._facts.get("resume"):
            _print(1, f"interrupted while starting; resume with:\n{self._facts['resume']}")
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
        """Read what the driver has reported so far."""
        try:
            while part := os.read(self._pipe, 65536):
                self._unread += part
        except BlockingIOError:
            pass
        *lines, self._unread = self._unread.split(b"\n")
        for line in lines:
            self._facts.update(json.loads(line))


def _print(descriptor: int, text: str) -> None:
    """Print to a standard stream; on a terminal below what the driver's live table left, with the cursor shown."""
    start = "\r\x1b[?25h" if os.isatty(descriptor) else ""
    with suppress(OSError):  # closed
        os.write(descriptor, (start + text + "\n").encode(errors="replace"))


def explanation(status: int, facts: dict[str, Any]) -> str:
    """Return the message about a driver that was cut off: why, by exit status and log, and how to resume its run.

    Args:
        status: as ``os.waitpid`` returned it.
        facts: what the driver had reported: ``log`` and ``resume``, where it had got so far.
    """
    log = facts.get("log")
    reason, line = _reason(os.waitstatus_to_exitcode(status), _last_lines(Path(log)) if log else [])
    lines = [f"the driver process was cut off: {reason}"]
    if line:
        lines.append("from the log: " + "".join(c if c.isprintable() else "?" for c in line.strip())[:300])
    if log:
        lines.append(f"the log: {log}")
    if facts.get("resume"):
        lines += ["resume with:", str(facts["resume"])]
    else:
        lines.append("nothing was begun that could be resumed")
    return "\n".join(lines)


def _reason(code: int, log: list[str]) -> tuple[str, str | None]:
    """Why a driver with this exit code, or minus a signal's number, has ended; and the log line that shows it."""
    fatal = _last_match(_FATAL, log)
    if code == -signal.SIGKILL:
        return (
            "it was killed (SIGKILL) by a person or a batch system, or by the kernel where memory was exhausted "
            "(`dmesg` shows that)",
            fatal,
        )
    if code < 0:
        return f"it was ended by {signal.Signals(-code).name}", fatal
    if line := _last_match(_STORE, log):
        return f"Ray's control store (GCS) died, and Ray ended the driver with exit code {code}", line
    if line := _last_match(_NODE, log):
        return f"the Ray node that it ran on died, and Ray ended the driver with exit code {code}", line
    return (
        f"a library ended it with exit code {code}, as Ray does where the driver's node (raylet) or control store "
        "(GCS) dies",
        fatal,
    )


def _last_lines(log: Path) -> list[str]:
    try:
        with log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
            return file.read().decode(errors="replace").splitlines()[-_LAST_LINES:]
    except OSError:
        return []


def _last_match(pattern: re.Pattern[str], lines: list[str]) -> str | None:
    return next((line for line in reversed(lines) if pattern.search(line)), None)
