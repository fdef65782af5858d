"""Which trained models a command line names: ``MODEL``, ``--run``, ``--config`` or ``--checkpoint``."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from gluetune.api.session import storage_path
from gluetune.api.settings import single_run
from gluetune.cli.flags import ParsedArguments
from gluetune.cli.model_argument import model_folder, winner_of
from gluetune.cli.options import DATA_AND_MODEL_FLAGS, STORAGE_FLAGS, TASKS_FLAG, WORKER_FLAGS, Option
from gluetune.cli.terminal import Terminal
from gluetune.config import Override
from gluetune.errors import ConfigIssue, StorageError, did_you_mean
from gluetune.events import JOB_FILE
from gluetune.storage import Storage

MODEL = Option(
    "MODEL",
    "",
    "a trained model's folder, RUN/TASK for a run's winner (RUN, where it has one), or a models:/ URI of MLflow",
)
RUN = Option("--run", "NAME", "a run with trained models, a folder in --storage-path")
CHECKPOINT = Option("--checkpoint", "FOLDER", "a trained model's folder (default: the models of a run)")
INPUT_NAME = "--input"
MODEL_FLAGS = {
    "tasks, data and model": (TASKS_FLAG, *DATA_AND_MODEL_FLAGS),
    "worker": WORKER_FLAGS[1:],
    "storage": STORAGE_FLAGS[:1],
}
_SOURCES = ("MODEL", "--run", "--config", "--checkpoint")


def model_issues(arguments: ParsedArguments) -> Iterator[ConfigIssue]:
    """Yield what is wrong with the arguments that name trained models."""
    given = arguments.options
    others = [name for name in _SOURCES[1:] if name in given or (name == "--config" and arguments.config is not None)]
    if MODEL.name in given and others:
        yield ConfigIssue(MODEL.name, f"names a trained model, and so does {others[0]}: leave out one of them")
    if "--run" in given and "--checkpoint" in given:
        yield ConfigIssue("--run", "names trained models, and so does --checkpoint: leave out one of them")
    if "--run" in given and arguments.config is not None:
        yield ConfigIssue("--run", "has a job file of its own: leave out --config")
    if arguments.config is None and not set(_SOURCES) & set(given):
        yield ConfigIssue("--run", f"must be given, or another of {', '.join(_SOURCES)}, to name a trained model")


def one_configuration(arguments: ParsedArguments, command: str) -> ParsedArguments:
    """Return the arguments, and on top what makes a job file one configuration instead of a search.

    Figures published for the job's own task are left out where another task is chosen.

    Args:
        arguments: as given.
        command: the command that needs it, for messages.
    """
    return replace(arguments, overrides=(*arguments.overrides, *single_run(arguments.overrides, command)))


def with_job(act: Callable[[ParsedArguments, Terminal], int]) -> Callable[[ParsedArguments, Terminal], int]:
    """Return what runs a command with the job file of the run that ``--run`` or ``MODEL`` names, where one does."""

    def act_on_job(arguments: ParsedArguments, terminal: Terminal) -> int:
        with ExitStack() as stack:
            if MODEL.name in arguments.options:
                arguments = _of_model(arguments, stack)
            if "--run" in arguments.options:
                arguments = _of_run(arguments, Path(stack.enter_context(tempfile.TemporaryDirectory())))
            return act(one_configuration(arguments, "--run"), terminal)

    return act_on_job


def _of_model(arguments: ParsedArguments, stack: ExitStack) -> ParsedArguments:
    """Return the arguments with ``--run``, or where rows are given or no run is known ``--checkpoint``, for ``MODEL``.

    Args:
        arguments: with ``MODEL``.
        stack: deletes a model that was downloaded from MLflow.

    Raises:
        ModelError: there is no such model.
        TrackingError: MLflow has no such model.
    """
    from gluetune.inference import task_of

    folder = stack.enter_context(model_folder(arguments.options[MODEL.name], storage_path(arguments.overrides)))
    winner = winner_of(folder)
    if winner is None or INPUT_NAME in arguments.options:
        chosen = any(override.path == "tasks" for override in arguments.overrides)
        task = () if chosen else (Override("tasks", task_of(folder).name, MODEL.name),)
        options = arguments.options | {CHECKPOINT.name: folder}
        return replace(arguments, options=options, overrides=(*arguments.overrides, *task))
    own = (Override("storage.path", winner.root, MODEL.name), Override("tasks", winner.task, MODEL.name))
    options = arguments.options | {RUN.name: winner.run}
    return replace(arguments, options=options, overrides=(*arguments.overrides, *own))


def _of_run(arguments: ParsedArguments, folder: Path) -> ParsedArguments:
    """Return the arguments with the recorded job file of a run.

    Args:
        arguments: with ``--run``.
        folder: where a copy of the job file is put.

    Raises:
        StorageError: there is no such run.
    """
    name, root = arguments.options["--run"], Storage(storage_path(arguments.overrides))
    recorded = root.read(f"{name}/{JOB_FILE}")
    if recorded is None:
        known = [entry for entry in root.list() if root.exists(f"{entry}/{JOB_FILE}")]
        there = did_you_mean(name, known) or (f"; there are: {', '.join(known)}" if known else "; there are none")
        raise StorageError(f"--run must name a run in {root.uri()}, but there is no {name!r}{there}")
    copy = folder / JOB_FILE
    copy.write_bytes(recorded)
    own = (Override("name", name, "--run"), Override("storage.path", root.uri(), "--run"))
    return replace(arguments, config=str(copy), overrides=(*arguments.overrides, *own))
