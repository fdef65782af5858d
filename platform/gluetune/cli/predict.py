"""``gluetune evaluate`` and ``gluetune predict``: trained models on labelled rows, and on rows without labels."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gluetune.api.session import storage_path
from gluetune.api.settings import single_run
from gluetune.cli.flags import ParsedArguments
from gluetune.cli.model_argument import model_folder, winner_of
from gluetune.cli.options import DATA_AND_MODEL_FLAGS, STORAGE_FLAGS, TASKS_FLAG, WORKER_FLAGS, Option, Program
from gluetune.cli.process import OK, ProcessFrontend, run
from gluetune.cli.terminal import Terminal
from gluetune.config import Override
from gluetune.errors import ConfigIssue, StorageError, did_you_mean
from gluetune.events import JOB_FILE
from gluetune.storage import Storage

if TYPE_CHECKING:
    from gluetune.api.trained import TaskEvaluation, TaskPredictions

MODEL = Option(
    "MODEL",
    "",
    "a trained model's folder, RUN/TASK for a run's winner (RUN, where it has one), or a models:/ URI of MLflow",
)
RUN = Option("--run", "NAME", "a run with trained models, a folder in --storage-path")
CHECKPOINT = Option("--checkpoint", "FOLDER", "a trained model's folder (default: the models of a run)")
INPUT = Option(
    "--input", "FILE", "rows with the task's text columns: csv, tsv, json lines or parquet (default: the test rows)"
)
OUTPUT = Option(
    "--output", "FILE", "a file .csv, .tsv, .jsonl or .parquet (default: a .tsv in predictions/ of the run's folder)"
)
_SOURCES = ("MODEL", "--run", "--config", "--checkpoint")
_FLAGS = {
    "tasks, data and model": (TASKS_FLAG, *DATA_AND_MODEL_FLAGS),
    "worker": WORKER_FLAGS[1:],
    "storage": STORAGE_FLAGS[:1],
}


def _issues(arguments: ParsedArguments) -> Iterator[ConfigIssue]:
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


EVALUATE = Program(
    "gluetune evaluate",
    "Score trained models on the official labelled rows of their tasks: those of a run, of a job file's latest run, or "
    "one model by itself (then --tasks and --data name its rows).",
    "the job file of a run; its latest run is taken",
    _FLAGS,
    (RUN, CHECKPOINT),
    positionals=(MODEL,),
    usage="%(prog)s (MODEL | --run NAME | --config FILE | --checkpoint FOLDER --tasks NAME) [flags]",
    check=_issues,
    resumes=False,
)
PREDICT = Program(
    "gluetune predict",
    "Write label and probabilities for each row of a file, or of the test rows, by trained models.",
    "the job file of a run; its latest run is taken",
    _FLAGS,
    (RUN, CHECKPOINT, INPUT, OUTPUT),
    positionals=(MODEL,),
    usage="%(prog)s MODEL --input FILE --output FILE [flags]\n"
    "       %(prog)s (--run NAME | --config FILE | --checkpoint FOLDER --tasks NAME) [--input FILE] [flags]",
    check=_issues,
    resumes=False,
)


def evaluate_main(argv: Sequence[str]) -> int:
    """Run ``gluetune evaluate``; return the exit code."""
    return run(EVALUATE, _with_job(run_evaluate), argv)


def predict_main(argv: Sequence[str]) -> int:
    """Run ``gluetune predict``; return the exit code."""
    return run(PREDICT, _with_job(run_predict), argv)


def one_configuration(arguments: ParsedArguments, command: str) -> ParsedArguments:
    """Return the arguments, and on top what makes a job file one configuration instead of a search.

    Figures published for the job's own task are left out where another task is chosen.

    Args:
        arguments: as given.
        command: the command that needs it, for messages.
    """
    return replace(arguments, overrides=(*arguments.overrides, *single_run(arguments.overrides, command)))


def run_evaluate(arguments: ParsedArguments, terminal: Terminal) -> int:
    """Score the trained models that the arguments name, and print the scores; return the exit code.

    Raises:
        UserError: there is no such model, or its rows cannot be read.
    """
    from gluetune.api.trained import evaluate_trained, open_trained
    from gluetune.cli.process import temporary_log

    trained = open_trained(arguments.config, arguments.overrides, checkpoint=arguments.options.get("--checkpoint"))
    with temporary_log(terminal) as log, terminal.logging_to(log):
        for evaluation in evaluate_trained(trained, arguments.address, ProcessFrontend(terminal)):
            _print_evaluation(evaluation, terminal)
    return OK


def run_predict(arguments: ParsedArguments, terminal: Terminal) -> int:
    """Write predictions of the trained models that the arguments name; return the exit code.

    Raises:
        UserError: there is no such model, or rows or output file cannot be used.
    """
    from gluetune.api.trained import open_trained, predict_trained
    from gluetune.cli.process import temporary_log

    checkpoint, rows, output = (arguments.options.get(name) for name in ("--checkpoint", "--input", "--output"))
    terminal.keep_out_of(output)
    trained = open_trained(
        arguments.config, arguments.overrides, checkpoint=checkpoint, reads_data=checkpoint is None or rows is None
    )
    with temporary_log(terminal) as log, terminal.logging_to(log):
        answers = predict_trained(
            trained,
            arguments.address,
            ProcessFrontend(terminal),
            rows_file=rows,
            output=output,
            is_stream=lambda target: terminal.data_stream(target) is not None,
        )
        for answer in answers:
            _write_answers(answer, terminal)
    return OK


def _with_job(act: Callable[[ParsedArguments, Terminal], int]) -> Callable[[ParsedArguments, Terminal], int]:
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
    if winner is None or INPUT.name in arguments.options:
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


def _print_evaluation(evaluation: TaskEvaluation, terminal: Terminal) -> None:
    """Print one task's scores with the published ones beside them, and where they are recorded."""
    from gluetune.data import find_identical_splits
    from gluetune.reporting import print_batch_metrics, print_metrics

    splits, task = evaluation.splits, evaluation.task
    print_metrics(
        evaluation.figures,
        evaluation.rows,
        evaluation.published,
        terminal.out,
        source="; ".join(dict.fromkeys(part.source for part in splits.values())),
        synthetic=any(part.synthetic for part in splits.values()),
        same_rows=find_identical_splits(None, splits),
    )
    if task.correlation:
        batches = {split: list(score.batches) for split, score in evaluation.scores.items()}
        print_batch_metrics(task.primary, batches, evaluation.batch_size, terminal.out)
    if evaluation.file is not None:
        _print_line(f"written to {evaluation.file}", terminal)


def _write_answers(answers: TaskPredictions, terminal: Terminal) -> None:
    """Write predictions to their file, or to the process's own stream where the file names one, and say so."""
    from gluetune.inference import write_predictions

    write_predictions(answers.predictions, terminal.data_stream(answers.target) or answers.target)
    _print_line(f"{len(answers.predictions):,} rows of {answers.source} → {answers.target}", terminal)


def _print_line(text: str, terminal: Terminal) -> None:
    terminal.out.print(text, soft_wrap=True, highlight=False, markup=False, emoji=False)
