"""``gluetune evaluate``: trained models scored on the labelled rows of their tasks, or on those of a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gluetune.cli.flags import ParsedArguments
from gluetune.cli.options import Option, Program
from gluetune.cli.process import OK, ProcessFrontend, run
from gluetune.cli.terminal import Terminal
from gluetune.cli.trained_models import CHECKPOINT, INPUT_NAME, MODEL, MODEL_FLAGS, RUN, model_issues, with_job

if TYPE_CHECKING:
    from gluetune.api.trained_evaluation import TaskEvaluation

INPUT = Option(
    INPUT_NAME,
    "FILE",
    "rows with the task's text and label columns, in the formats of gluetune predict (default: the labelled "
    "validation and test rows of the task)",
)
OUTPUT = Option("--output", "FILE", "a file .json for all figures (default: they are printed alone)")
EVALUATE = Program(
    "gluetune evaluate",
    "Score trained models on a labelled file (--input), or on the labelled validation and test rows of their tasks: "
    "the models of a run, of a job file's latest run, or one by itself (then --tasks and --data name its rows).",
    "the job file of a run; its latest run is taken",
    MODEL_FLAGS,
    (RUN, CHECKPOINT, INPUT, OUTPUT),
    positionals=(MODEL,),
    usage="%(prog)s MODEL --input FILE [--output FILE] [flags]\n"
    "       %(prog)s (MODEL | --run NAME | --config FILE | --checkpoint FOLDER --tasks NAME) [flags]",
    check=model_issues,
    resumes=False,
)


def evaluate_main(argv: Sequence[str]) -> int:
    """Run ``gluetune evaluate``; return the exit code."""
    return run(EVALUATE, with_job(run_evaluate), argv)


def run_evaluate(arguments: ParsedArguments, terminal: Terminal) -> int:
    """Score the trained models that the arguments name, and print the scores; return the exit code.

    Raises:
        UserError: there is no such model, its rows cannot be read, or the output file cannot be used.
    """
    from gluetune.api.trained import open_trained
    from gluetune.api.trained_evaluation import evaluate_trained
    from gluetune.cli.process import temporary_log

    checkpoint, rows, output = (arguments.options.get(name) for name in ("--checkpoint", "--input", "--output"))
    terminal.keep_out_of(output)
    trained = open_trained(
        arguments.config, arguments.overrides, checkpoint=checkpoint, reads_data=checkpoint is None or rows is None
    )
    with temporary_log() as log, terminal.logging_to(log):
        evaluations = evaluate_trained(
            trained,
            arguments.address,
            ProcessFrontend(terminal),
            rows_file=rows,
            output=output,
            is_stream=lambda target: terminal.data_stream(target) is not None,
        )
        for evaluation in evaluations:
            _print_evaluation(evaluation, terminal)
            if output is not None:
                _write(evaluation.to_json(), output, terminal)
    return OK


def _print_evaluation(evaluation: TaskEvaluation, terminal: Terminal) -> None:
    """Print one task's scores, with those for thresholds of 0.5 and the published ones beside them."""
    from gluetune.data import find_identical_splits
    from gluetune.reporting import print_batch_metrics, print_class_report, print_metrics

    splits, task, out = evaluation.splits, evaluation.task, terminal.out
    print_metrics(
        evaluation.figures,
        evaluation.rows,
        evaluation.published,
        out,
        source="; ".join(dict.fromkeys(part.source for part in splits.values())),
        synthetic=any(part.synthetic for part in splits.values()),
        same_rows=find_identical_splits(None, splits),
        untuned=evaluation.untuned,
    )
    for split, score in evaluation.scores.items():
        if score.classes is not None:
            print_class_report(split, score.classes, score.thresholds, out)
    if task.correlation:
        batches = {split: list(score.batches) for split, score in evaluation.scores.items()}
        print_batch_metrics(task.primary, batches, evaluation.batch_size, out)
    if evaluation.file is not None:
        _print_line(f"written to {evaluation.file}", terminal)


def _write(content: bytes, output: str, terminal: Terminal) -> None:
    """Write the figures to their file, or to the process's own stream where the file names one."""
    from gluetune.storage.output_file import write_output

    stream = terminal.data_stream(output)
    if stream is None:
        write_output(output, content)
    else:
        stream.write(content)
        stream.flush()
    _print_line(f"written to {output}", terminal)


def _print_line(text: str, terminal: Terminal) -> None:
    terminal.out.print(text, soft_wrap=True, highlight=False, markup=False, emoji=False)
