"""A small parent process for each command: it forwards signals and reports a driver that Ray or the kernel ended.

It imports only the standard library, so that the parent costs a few megabytes and no start time.
"""

from gluetune.supervisor.driver import (
    INTERRUPTED,
    DeferredStop,
    deferred_stop,
    open_standard_streams,
    own_process_group,
    report,
    resume_command,
    stop_on_signals,
)
from gluetune.supervisor.parent import supervised

__all__ = [
    "INTERRUPTED",
    "DeferredStop",
    "deferred_stop",
    "open_standard_streams",
    "own_process_group",
    "report",
    "resume_command",
    "stop_on_signals",
    "supervised",
]
