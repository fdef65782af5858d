"""The learning curve as a picture."""

from __future__ import annotations

import io

from gluetune.records import TrialRecord
from gluetune.report import words

FILE = "learning_curve.png"


def learning_curve(trial: TrialRecord, metric: str) -> bytes:
    """Draws training and validation loss, and the validation score, over the epochs.

    Args:
        trial: at least one evaluation.
        metric: name of the score.

    Returns:
        A PNG file.
    """
    from matplotlib.figure import Figure  # slow to import, and only this needs it

    figure = Figure(figsize=(9, 4), layout="constrained")
    losses, scores = figure.subplots(1, 2)
    epochs = [evaluation.epoch for evaluation in trial.evaluations]
    if trial.logs:
        losses.plot([log.epoch for log in trial.logs], [log.loss for log in trial.logs], color="0.8",
                    label="training, running")
    losses.plot(epochs, [e.train_loss for e in trial.evaluations], "b-o", label="training")
    losses.plot(epochs, [e.eval_loss for e in trial.evaluations], "g-o", label="validation")
    losses.set(xlabel="epoch", ylabel="loss", title=f"{trial.name}: loss")
    losses.legend()
    if trial.evaluations[0].train_accuracy is not None:
        accuracies = [e.train_accuracy for e in trial.evaluations]
        scores.plot(epochs, accuracies, "b-o", label="training accuracy")
    for name, values in _series(trial).items():
        scores.plot(epochs, values, "-o", label=f"validation {words.metric(name)}")
    scores.set(xlabel="epoch", title=f"{trial.name}: {words.metric(metric)}")
    scores.legend()
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=120)
    return file.getvalue()


def _series(trial: TrialRecord) -> dict[str, list[float]]:
    return {name: [e.metrics[name] for e in trial.evaluations] for name in trial.evaluations[0].metrics}
