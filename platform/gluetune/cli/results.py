"""What the command line prints of trained models' scores and predictions."""

from __future__ import annotations

from gluetune.api.trained import TaskEvaluation, TaskPredictions
from gluetune.cli.terminal import Terminal
from gluetune.data import find_identical_splits
from gluetune.inference import write_predictions
from gluetune.reporting import print_batch_metrics, print_metrics
from gluetune.tasks import get_task


def print_evaluation(evaluation: TaskEvaluation, terminal: Terminal) -> None:
    """Prints one task's figures with the published ones beside them, and where they are recorded."""
    splits, task = evaluation.splits, get_task(evaluation.task)
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


def write_answers(answers: TaskPredictions, terminal: Terminal) -> None:
    """Writes predictions to their file, or to the process's own stream where the file names one, and says so."""
    write_predictions(answers.predictions, terminal.data_stream(answers.target) or answers.target)
    _print_line(f"{len(answers.predictions):,} rows of {answers.source} → {answers.target}", terminal)


def _print_line(text: str, terminal: Terminal) -> None:
    terminal.out.print(text, soft_wrap=True, highlight=False, markup=False, emoji=False)
