"""The learning curve of a trial as a PNG picture."""

from __future__ import annotations

import io

from gluetune.events import TrialRecord
from gluetune.reporting import formatting

FILE_NAME = "learning_curve.png"


def curve_file(task: str) -> str:
    """Path of the learning curve of a task's winner, relative to the search's folder."""
    return f"report/{task}_{FILE_NAME}"


def learning_curve(trial: TrialRecord) -> bytes:
    """Draws the losses and scores of training and validation over the epochs.

    Args:
        trial: a trial with at least one evaluation.

    Returns:
        The bytes of a PNG file.
    """
    from matplotlib.figure import Figure  # slow to import

    figure = Figure(figsize=(9, 4), layout="constrained")
    losses, scores = figure.subplots(1, 2)
    epochs = [evaluation.epoch for evaluation in trial.evaluations]
    if trial.logs:
        losses.plot(
            [log.epoch for log in trial.logs], [log.loss for log in trial.logs], color="0.8", label="training, running"
        )
    losses.plot(epochs, [e.train_loss for e in trial.evaluations], "C0-o", label="training")
    losses.plot(epochs, [e.eval_loss for e in trial.evaluations], "C1-o", label="validation")
    losses.set(xlabel="epoch", ylabel="loss", title=f"{trial.name}: loss")
    losses.legend()
    if trial.evaluations[0].train_accuracy is not None:
        accuracies = [e.train_accuracy for e in trial.evaluations]
        scores.plot(epochs, accuracies, "C0-o", label="training accuracy")
    for color, (name, values) in enumerate(_series(trial).items(), 1):
        scores.plot(epochs, values, f"C{color}-o", label=f"validation {formatting.metric(name)}")
    scores.set(xlabel="epoch", title=f"{trial.name}: scores")
    scores.legend()
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=120)
    return file.getvalue()


def _series(trial: TrialRecord) -> dict[str, list[float]]:
    return {name: [e.metrics[name] for e in trial.evaluations] for name in trial.evaluations[0].metrics}
