"""What a run needs of the program around it: where to print, how to resume after a stop, and whose process it is."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from rich.console import Console

from gluetune.config import StorageConfig
from gluetune.storage import Storage

logger = logging.getLogger(__name__)
_PACKAGE = "gluetune"
_DRIVER_VARIABLES = (
    "RAY_AUTH_TOKEN",
    "RAY_AIR_NEW_OUTPUT",
    "TUNE_",
)  # what `connect` sets for the search that it connects


class Frontend:
    """A Python program or a notebook around a run: it keeps its standard streams, signal handlers and environment.

    The command line, which has a process of its own, overrides what it does differently.

    Args:
        console: where the plan, the progress and the results are printed.
        resume_call: the Python call that resumes such a run, up to its name.
    """

    def __init__(self, console: Console, resume_call: str = "gluetune.resume(") -> None:
        self.console, self._resume_call = console, resume_call

    def resume_command(self, name: str, storage: StorageConfig, address: str | None, *, score: bool = True) -> str:
        """Return what the user enters to resume a run that was stopped.

        Args:
            name: the run's name.
            storage: where it lies.
            address: the Ray cluster's address, where one was given.
            score: whether winners are scored on the official rows.
        """
        where = f", storage={{'path': {Storage(storage.path).uri()!r}}}"
        more = f"{f', address={address!r}' if address else ''}{'' if score else ', score=False'}"
        return f"{self._resume_call}{name!r}{where}{more})"

    def announce(self, command: str) -> None:
        """Say that the run has begun and how to resume it, whatever ends it.

        Args:
            command: what `resume_command` gave.
        """
        logger.info("if this run is stopped or cut off, resume with:")
        logger.info(command)

    def begin(self) -> None:
        """Note that everything is loaded and the run begins: from then on a stop must be an orderly one."""

    def logging_to(self, log: Path) -> AbstractContextManager[None]:
        """Return what surrounds a run, to keep the output of libraries off the console.

        Args:
            log: the file that such output may go to.
        """
        return nullcontext()

    def log_place(self, log: Path) -> str:
        """Say in brackets where the output of libraries goes; empty where it is left alone."""
        return ""

    def connect(self, address: str | None) -> str:
        """Connect to a Ray cluster, or start one; return in words where that is.

        Args:
            address: the cluster's; see `gluetune.cluster.connect_to_ray`.
        """
        from gluetune.cluster import connect_to_ray  # imports Ray

        return connect_to_ray(address)

    def importing(self) -> AbstractContextManager[None]:
        """Return what surrounds slow imports."""
        return nullcontext()

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Surround a session on Ray: the environment variables that a search sets are put back at its end."""
        before, analysis = _driver_variables(), logging.getLogger("ray.tune.analysis")
        level = analysis.level
        os.environ["RAY_AIR_NEW_OUTPUT"] = "0"  # Ray Tune's newer output prints a banner whatever its verbosity
        analysis.setLevel(logging.ERROR)  # it warns that Tune has no results of its own: the journal has them
        try:
            yield
        finally:
            analysis.setLevel(level)
            for name in _driver_variables().keys() - before.keys():
                del os.environ[name]
            os.environ.update(before)


@contextmanager
def messages_to(
    show: Callable[[str], None], show_error: Callable[[str], None], *, propagate: bool = False
) -> Iterator[None]:
    """Show the package's log messages of level INFO and above.

    Args:
        show: called with each message below the level ERROR.
        show_error: called with each other message.
        propagate: whether the root logger's handlers get them too, those excepted that write to the terminal, which
            would show each message twice.
    """
    package, handler = logging.getLogger(_PACKAGE), _Handler(show, show_error)
    level, propagated = package.level, package.propagate
    doubled = [other for other in logging.getLogger().handlers if propagate and _writes_to_terminal(other)]
    package.addHandler(handler)
    package.setLevel(logging.INFO)
    package.propagate = propagate and propagated
    for other in doubled:
        other.addFilter(_from_elsewhere)
    try:
        yield
    finally:
        for other in doubled:
            other.removeFilter(_from_elsewhere)
        package.removeHandler(handler)
        package.setLevel(level)
        package.propagate = propagated


def _writes_to_terminal(handler: logging.Handler) -> bool:
    """Whether a handler writes to the process's standard streams, itself or by a `rich.console.Console`."""
    stream = getattr(handler, "stream", None) or getattr(getattr(handler, "console", None), "file", None)
    return stream is not None and stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)


def _from_elsewhere(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] != _PACKAGE


class _Handler(logging.Handler):
    def __init__(self, show: Callable[[str], None], show_error: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self._show, self._show_error = show, show_error

    def emit(self, record: logging.LogRecord) -> None:
        """Show one message as it is, without time and level."""
        (self._show if record.levelno < logging.ERROR else self._show_error)(record.getMessage())


def _driver_variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(_DRIVER_VARIABLES)}
