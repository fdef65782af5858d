"""``gluetune confirm``: the best configurations of an earlier search, trained again with fresh seeds."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence

from gluetune.api.places import in_submitted_job
from gluetune.cli.flags import ParsedArguments
from gluetune.cli.options import Option, Program
from gluetune.cli.process import OK, ProcessFrontend, run
from gluetune.cli.recorded_runs import NAME, STORAGE
from gluetune.cli.terminal import Terminal
from gluetune.config import ConfirmConfig, Override, StorageConfig
from gluetune.errors import ConfigIssue
from gluetune.storage import Storage
from gluetune.supervisor import INTERRUPTED

_DEFAULT = ConfirmConfig()
TOP = Option("--top", "N", f"configurations of each task (default: those of the job, else {_DEFAULT.top})")
SEEDS = Option("--seeds", "N", f"seeds of each configuration (default: those of the job, else {_DEFAULT.seeds})")
ADDRESS = Option("--address", "ADDRESS", "a Ray cluster's address, or auto (default: RAY_ADDRESS, else this machine)")
LANES = Option("--max-concurrent-trials", "N", "lanes, or auto (default: those of the search)")
TRACKING = Option("--tracking-uri", "URI", "MLflow server or store (default: that of the search)")
_SETTINGS = {LANES.name: "lanes.max_concurrent_trials", TRACKING.name: "tracking.uri"}


def _issues(arguments: ParsedArguments) -> Iterator[ConfigIssue]:
    if NAME.name not in arguments.options:
        yield ConfigIssue(NAME.name, f"must be given: {NAME.help}")
    for option in (TOP, SEEDS):
        value = arguments.options.get(option.name)
        if value is not None and not (value.isdecimal() and int(value)):
            yield ConfigIssue(option.name, f"must be a whole number >= 1, but got {value!r}")


CONFIRM = Program(
    "gluetune confirm",
    "Train the best configurations of a search again with fresh seeds, and the default of its search space; score them "
    "on rows that chose nothing; and test whether the best is better. The search runs no further trials. A "
    "confirmation that was stopped is continued by the same command.",
    None,
    options=(TOP, SEEDS, STORAGE, LANES, ADDRESS, TRACKING),
    positionals=(NAME,),
    usage="%(prog)s NAME [--top N] [--seeds N] [--storage-path PATH] [flags]",
    epilog="A search confirms its result at its end where its job has the key confirm (--confirm-top, "
    "--confirm-seeds).",
    check=_issues,
)


def confirm_main(argv: Sequence[str] | None = None) -> int:
    """Run ``gluetune confirm``; return the exit code."""
    return run(CONFIRM, _confirm, argv)


class ConfirmFrontend(ProcessFrontend):
    """The process of ``gluetune confirm``, which the same command continues."""

    def resume_command(self, name: str, storage: StorageConfig, address: str | None, *, score: bool = True) -> str:
        """Return the shell command that continues the confirmation."""
        where = ["--storage-path", Storage(storage.path).uri()] + (["--address", address] if address else [])
        command = ["confirm", name, *where]
        if in_submitted_job():
            return shlex.join(["gluetune", "submit", "--", *command])
        return shlex.join([sys.executable, "-m", "gluetune", *command])


def _confirm(arguments: ParsedArguments, terminal: Terminal) -> int:
    given = arguments.options
    numbers = {name: int(given[f"--{name}"]) for name in ("top", "seeds") if f"--{name}" in given}
    overrides = [Override(path, _read(given[name]), name) for name, path in _SETTINGS.items() if name in given]
    path = given.get(STORAGE.name, StorageConfig().path)
    from gluetune.api.confirm_call import confirmation_session

    session = confirmation_session(given[NAME.name], path, overrides, numbers)
    from gluetune.api.runs import SearchViews, search_session

    finished = search_session(
        session, given.get(ADDRESS.name), ConfirmFrontend(terminal), SearchViews(), confirm_only=True
    )
    confirmed = finished.summary.confirmation
    return OK if confirmed is not None and confirmed.complete else INTERRUPTED


def _read(value: str) -> int | str:
    return int(value) if value.isdecimal() else value
