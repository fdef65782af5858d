"""What the Python API returns: a search's best trials and all others, a single run's metrics, an encoder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from gluetune.config import Value
from gluetune.errors import ConfigError, ConfigIssue, StorageError, did_you_mean
from gluetune.reporting import Summary
from gluetune.storage import Storage
from gluetune.tasks.metrics import value_of_score

if TYPE_CHECKING:
    import pandas as pd

    from gluetune.inference import Classifier
    from gluetune.reporting.confirmation_schema import ConfirmationSummary
    from gluetune.reporting.schema import TaskSummary, TrialSummary

_SUMMARY = "summary.json"


@dataclass(frozen=True)
class BestTrial:
    """The best trial of one task.

    Attributes:
        task: the task's name.
        name: the trial's name, such as ``cola-0007``.
        params: the searched fields and their values.
        metric: the name of the task's primary metric.
        score: the primary metric on the selection rows, by which the trial won, with its sign changed where less of
            it is better: a higher score is always better.
        scores: all metrics by split, such as ``scores["validation"]["accuracy"]``: those of the official development
            splits, and of ``selection``.
        folder: the ``save_pretrained`` folder of the model, by path or URI; ``None`` where the search was stopped
            before it was saved.
        model_uri: the model's MLflow URI; ``None`` where it is not in MLflow.

    Example:
        >>> best = gluetune.SearchResult.open("runs/first").best("cola")
        >>> best.metric, sorted(best.scores)
        ('matthews_correlation', ['selection', 'validation'])
    """

    task: str
    name: str
    params: dict[str, Value]
    metric: str
    score: float | None
    scores: dict[str, dict[str, float | None]]
    folder: str | None
    model_uri: str | None

    def load(self, *, device: str | None = None, batch_size: int = 32) -> Classifier:
        """Load the trained model.

        Args:
            device: what it computes on, such as ``cuda:0`` or ``cpu``; ``None`` for a GPU if there is one.
            batch_size: rows per batch.

        Raises:
            StorageError: the model was not saved, for the search was stopped before.
            ModelError: its folder is gone, or broken.

        Example:
            >>> classifier = gluetune.SearchResult.open("runs/first").best("cola").load(device="cpu")
            >>> len(classifier.predict(["The cat sat on the mat."]))
            1
        """
        if self.folder is None:
            raise StorageError(
                f"the model of {self.name} was not saved, for the search was stopped before that; resume it by "
                "gluetune.resume()"
            )
        from gluetune.api.calls import load

        return load(self.folder, self.task, device=device, batch_size=batch_size)


class SearchResult:
    """A search that has ended, or was stopped.

    Args:
        summary: what the search's ``summary.json`` holds.

    Example:
        >>> result = gluetune.SearchResult.open("runs/first")
        >>> result.status, result.tasks
        ('complete', ['cola'])
        >>> result.to_pandas()[["name", "status"]]
                name    status
        0  cola-0000  finished
        1  cola-0001  finished
    """

    def __init__(self, summary: Summary) -> None:
        self._summary = summary

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Self:
        """Read the result of an earlier run.

        Args:
            folder: the run's folder, by path or URI; also one that was moved or copied.

        Raises:
            StorageError: there is no result in it.

        Example:
            >>> gluetune.SearchResult.open("runs/first").status
            'complete'
        """
        storage = Storage(os.fspath(folder))
        text = storage.read(_SUMMARY)
        if text is None:
            raise StorageError(f"a run's folder must hold {_SUMMARY}, but {storage.uri()} does not")
        return cls(_rebased(Summary.model_validate_json(text), storage.uri()))

    @property
    def summary(self) -> Summary:
        """All of it, as ``summary.json`` holds it; every field is described in the reference of that file."""
        return self._summary

    @property
    def confirmation(self) -> ConfirmationSummary | None:
        """What fresh seeds say of the best configurations, as `gluetune.confirm` leaves it; ``None`` without one."""
        return self._summary.confirmation

    @property
    def name(self) -> str:
        """The run's name, by which `gluetune.resume` resumes it."""
        return self._summary.name

    @property
    def status(self) -> str:
        """How the search ended, or that it has not.

        ``complete``: all trials are done. ``out_of_time``: its time budget ended it. ``out_of_budget``: its budget of
        hours or seconds is spent. ``interrupted``: it was stopped, or an error ended it. ``failed``: no trial could be
        evaluated. ``running``: it had not ended when its ``summary.json`` was written. `gluetune.resume` resumes all
        but the complete and the failed.
        """
        return self._summary.status

    @property
    def folder(self) -> str:
        """The run's folder, by path or URI."""
        return self._summary.folder

    @property
    def tracking_uri(self) -> str:
        """The MLflow store, without a password."""
        return self._summary.tracking_uri

    @property
    def tasks(self) -> list[str]:
        """The names of the tasks, in the job's order."""
        return [task.task for task in self._summary.tasks]

    @property
    def trials(self) -> list[TrialSummary]:
        """All trials in the order of their numbers, each with its params, status, score and evaluations."""
        return list(self._summary.trials)

    def best(self, task: str | None = None) -> BestTrial:
        """Return the best trial of a task.

        Args:
            task: the task's name; may be left out where the run has one task.

        Raises:
            ConfigError: the run has no such task, or several and none is named.
            StorageError: no trial of the task has been evaluated.

        Example:
            >>> gluetune.SearchResult.open("runs/first").best("cola").task
            'cola'
        """
        found = self._task(task)
        winner = found.winner
        if winner is None:
            raise StorageError(f"the run {self.name!r} has no evaluated trial of {found.task}")
        scores = dict(winner.dev_scores)
        if winner.selection_scores:
            scores["selection"] = winner.selection_scores
        return BestTrial(
            found.task,
            winner.name,
            dict(winner.params),
            found.metric,
            winner.score,
            scores,
            winner.folder,
            winner.model_uri,
        )

    def to_pandas(self) -> pd.DataFrame:
        """One row for each trial.

        Returns:
            A DataFrame with the columns ``number``, ``name``, ``task``, ``status``, ``best_score``, ``best_epoch``,
            ``seconds`` (in training and evaluation), ``started`` and ``ended`` (timestamps, UTC), ``message``, and
            ``params_<field>`` for each searched field.

        Example:
            >>> trials = gluetune.SearchResult.open("runs/first").to_pandas()
            >>> bool(trials["best_score"].max() == gluetune.SearchResult.open("runs/first").best().score)
            True
        """
        import pandas as pd

        fields = ("number", "name", "task", "status", "best_score", "best_epoch", "seconds", "started", "ended")
        rows = [
            {field: getattr(trial, field) for field in (*fields, "message")}
            | {f"params_{name}": value for name, value in trial.params.items()}
            for trial in self._summary.trials
        ]
        names = [*fields, "message", *(f"params_{name}" for name in self._summary.fields)]
        frame = pd.DataFrame(rows, columns=names)
        for column in ("started", "ended"):
            frame[column] = pd.to_datetime(frame[column], unit="s", utc=True)
        return frame

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__}(name={self.name!r}, status={self.status!r}, folder={self.folder!r})"]
        for task in self._summary.tasks:
            trials, winner = sum(task.trials.values()), task.winner
            best = "no evaluated trial"
            if winner is not None and winner.score is not None:
                params = ", ".join(f"{name}={value}" for name, value in winner.params.items())
                value = value_of_score(task.metric, winner.score)
                best = f"best {task.metric} {value:.4f} ({winner.name}{': ' if params else ''}{params})"
            lines.append(f"  {task.task}: {trials} trial{'' if trials == 1 else 's'}, {best}")
        return "\n".join(lines)

    def _task(self, name: str | None) -> TaskSummary:
        known = {task.task: task for task in self._summary.tasks}
        if name is None and len(known) == 1:
            return next(iter(known.values()))
        if name is None:
            raise ConfigError([ConfigIssue("task", f"must be given, for the run has {', '.join(known)}")])
        if name not in known:
            message = f"must be one of {', '.join(known)}, but got {name!r}{did_you_mean(name, known)}"
            raise ConfigError([ConfigIssue("task", message)])
        return known[name]


def _rebased(summary: Summary, folder: str) -> Summary:
    """Return the summary with its paths below the folder that it was read from."""
    before = summary.folder.rstrip("/") + "/"
    tasks = []
    for task in summary.tasks:
        winner = task.winner
        if winner is not None and winner.folder is not None and winner.folder.startswith(before):
            moved = f"{folder.rstrip('/')}/{winner.folder.removeprefix(before)}"
            task = task.model_copy(update={"winner": winner.model_copy(update={"folder": moved})})
        tasks.append(task)
    return summary.model_copy(update={"folder": folder, "tasks": type(summary.tasks)(tasks)})


class FineTuneResult(SearchResult):
    """A single fine-tuning run: one trial for each of its tasks.

    Example:
        >>> gluetune.FineTuneResult.open("runs/one").failed
        []
    """

    @property
    def failed(self) -> list[TrialSummary]:
        """The trials that diverged, ran out of memory or failed."""
        return [trial for trial in self.trials if trial.status in ("diverged", "out_of_memory", "failed")]

    def metrics(self, task: str | None = None) -> dict[str, dict[str, float | None]]:
        """Return the metrics of the trained model by split, ``selection`` included.

        Args:
            task: the task's name; may be left out where the run has one task.

        Raises:
            ConfigError: the run has no such task, or several and none is named.
            StorageError: the run was stopped before its first evaluation.

        Example:
            >>> list(gluetune.FineTuneResult.open("runs/one").metrics()["validation"])
            ['matthews_correlation', 'accuracy']
        """
        return self.best(task).scores

    def load(self, task: str | None = None, *, device: str | None = None, batch_size: int = 32) -> Classifier:
        """Load the trained model.

        Args:
            task: the task's name; may be left out where the run has one task.
            device: what it computes on; ``None`` for a GPU if there is one.
            batch_size: rows per batch.

        Raises:
            StorageError: the model was not saved, for the run was stopped before.

        Example:
            >>> gluetune.FineTuneResult.open("runs/one").load().task.labels
            ('unacceptable', 'acceptable')
        """
        return self.best(task).load(device=device, batch_size=batch_size)


@dataclass(frozen=True)
class PretrainResult:
    """A pre-training run that has ended, or was stopped.

    Attributes:
        name: the run's name, by which ``gluetune.pretrain(resume=…)`` resumes it.
        status: that of its only trial, unlike that of a search: ``finished``; ``stopped``, by a stop signal,
            to resume; ``diverged``, ``out_of_memory`` or ``failed``, as ``message`` says.
        folder: the run's folder, by path or URI.
        encoder: the ``from_pretrained`` folder of the encoder; ``None`` where the run has not finished.
        metrics: losses and accuracies of the last evaluation on held-out text, by name.
        steps: optimizer steps done.
        message: why the run did not finish; empty where it did.
        tracking_uri: the MLflow store, without a password.

    Example:
        >>> sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 1}
        >>> result = gluetune.pretrain(
        ...     name="small",
        ...     text={"source": "synthetic", "max_documents": 40},
        ...     tokenizer={"vocab_size": 200},
        ...     model=sizes,
        ...     training={"max_steps": 2, "evaluate_every": 2, "batch_size": 8, "max_seq_length": 32},
        ...     progress=False,
        ... )
        >>> result.status, result.steps, result.encoder.endswith("runs/small/encoder")
        ('finished', 2, True)
    """

    name: str
    status: str
    folder: str
    encoder: str | None
    metrics: dict[str, float]
    steps: int
    message: str
    tracking_uri: str
