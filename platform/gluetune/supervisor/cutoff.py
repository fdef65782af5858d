"""Why a driver ended without saying so itself, from its exit status and its log."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

_TAIL = 100_000  # bytes at the end of a log that are read
_LAST_LINES = 80  # of which so many are looked through: earlier ones tell of failures that the run survived
_STORE = re.compile(r"failed to connect to GCS|GCS (?:is|may have been) (?:terminated|killed)", re.IGNORECASE)
_NODE = re.compile(r"node has (?:crashed|died)|raylet.*(?:died|dead|terminated|killed|crashed)", re.IGNORECASE)
_FATAL = re.compile(
    r"^\[\S+ \S+ [FC] |^\w*MemoryError|Fatal Python error|terminate called|Check failed:"
    r"|\bSIG[A-Z]+ received"
)


def explanation(status: int, facts: dict[str, Any]) -> str:
    """What happened to a driver and how to go on.

    Args:
        status: as ``os.waitpid`` returned it.
        facts: what the driver had reported: ``log`` and ``resume``, where it had got so far.
    """
    log = facts.get("log")
    reason, words = _reason(os.waitstatus_to_exitcode(status), _last_lines(Path(log)) if log else [])
    lines = [f"the driver process was cut off: {reason}"]
    if words:
        lines.append("last words in the log: " + "".join(c if c.isprintable() else "?" for c in words.strip())[:300])
    if log:
        lines.append(f"the log: {log}")
    if facts.get("resume"):
        lines += ["go on with:", str(facts["resume"])]
    else:
        lines.append("nothing was begun that could be resumed")
    return "\n".join(lines)


def _reason(code: int, log: list[str]) -> tuple[str, str | None]:
    """Why a driver with this exit code, or minus a signal's number, has ended; and the log's line that tells so."""
    fatal = _last(_FATAL, log)
    if code == -signal.SIGKILL:
        return (
            "it was killed (SIGKILL) by a person or a batch system, or by the kernel where memory was exhausted "
            "(`dmesg` shows that)",
            fatal,
        )
    if code < 0:
        return f"it was ended by {signal.Signals(-code).name}", fatal
    if words := _last(_STORE, log):
        return f"Ray's control store (GCS) died, and Ray ended the driver with exit code {code}", words
    if words := _last(_NODE, log):
        return f"the Ray node that it ran on died, and Ray ended the driver with exit code {code}", words
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


def _last(pattern: re.Pattern[str], lines: list[str]) -> str | None:
    return next((line for line in reversed(lines) if pattern.search(line)), None)
