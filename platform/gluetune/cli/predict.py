"""``gluetune predict``: answers of trained models for rows without labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gluetune.cli.flags import ParsedArguments
from gluetune.cli.options import Option, Program
from gluetune.cli.process import OK, ProcessFrontend, run
from gluetune.cli.terminal import Terminal
from gluetune.cli.trained_models import CHECKPOINT, INPUT_NAME, MODEL, MODEL_FLAGS, RUN, model_issues, with_job

if TYPE_CHECKING:
    from gluetune.api.trained_predictions import TaskPredictions

INPUT = Option(
    INPUT_NAME, "FILE", "rows with the task's text columns: csv, tsv, json lines or parquet (default: the test rows)"
)
OUTPUT = Option(
    "--output",
    "FILE",
    "a file .csv, .tsv, .jsonl or .parquet (default: a .tsv in predictions/ of the run's folder; of the working folder "
    "for MODEL and --checkpoint)",
)
PREDICT = Program(
    "gluetune predict",
    "Write label and probabilities for each row of a file, or of the test rows, by trained models.",
    "the job file of a run; its latest run is taken",
    MODEL_FLAGS,
    (RUN, CHECKPOINT, INPUT, OUTPUT),
    positionals=(MODEL,),
    usage="%(prog)s MODEL --input FILE --output FILE [flags]\n"
    "       %(prog)s (--run NAME | --config FILE | --checkpoint FOLDER --tasks NAME) [--input FILE] [flags]",
    check=model_issues,
    resumes=False,
)


def predict_main(argv: Sequence[str]) -> int:
    """Run ``gluetune predict``; return the exit code."""
    return run(PREDICT, with_job(run_predict), argv)


def run_predict(arguments: ParsedArguments, terminal: Terminal) -> int:
    """Write predictions of the trained models that the arguments name; return the exit code.

    Raises:
        UserError: there is no such model, or rows or output file cannot be used.
    """
    from gluetune.api.trained import open_trained
    from gluetune.api.trained_predictions import predict_trained
    from gluetune.cli.process import temporary_log

    checkpoint, rows, output = (arguments.options.get(name) for name in ("--checkpoint", "--input", "--output"))
    terminal.keep_out_of(output)
    trained = open_trained(
        arguments.config, arguments.overrides, checkpoint=checkpoint, reads_data=checkpoint is None or rows is None
    )
    with temporary_log() as log, terminal.logging_to(log):
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


def _write_answers(answers: TaskPredictions, terminal: Terminal) -> None:
    """Write predictions to their file, or to the process's own stream where the file names one, and say so."""
    from gluetune.inference import write_predictions

    write_predictions(answers.predictions, terminal.data_stream(answers.target) or answers.target)
    line = f"{len(answers.predictions):,} rows of {answers.source} → {answers.target}"
    terminal.out.print(line, soft_wrap=True, highlight=False, markup=False, emoji=False)
