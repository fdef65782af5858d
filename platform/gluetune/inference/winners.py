"""The winners of finished runs, and which of them answers which task."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gluetune.config import DataConfig, Override, TrainingConfig, parse_job
from gluetune.errors import StorageError, did_you_mean
from gluetune.events import JOB_FILE, JournalReader, RunInputs, TrialRecord, load_inputs, read_run_file, winner_folder
from gluetune.inference.submission_files import MODEL_TASKS
from gluetune.storage import Storage
from gluetune.tasks import get_task


@dataclass(frozen=True)
class Winner:
    """A trained model that won its task in a run.

    Attributes:
        run: the run's name.
        trial: the trial's name.
        task: the task's name.
        score: the primary metric on the run's selection rows, of the saved model in fp32.
        folder: the ``save_pretrained`` folder, by path or URI.
        data: where the run's rows come from and how they become tokens.
        batch_size: rows per batch the run evaluated with.
        selection: fingerprint of the selection rows; empty where the run kept none.
    """

    run: str
    trial: str
    task: str
    score: float
    folder: str
    data: DataConfig
    batch_size: int
    selection: str = ""


def read_winners(root: Storage, run: str, overrides: Sequence[Override] = ()) -> list[Winner]:
    """The winners of a run that a submission can take.

    Args:
        root: the folder of all runs.
        run: the run's name.
        overrides: what replaces values of its job file, such as another data folder.

    Raises:
        ConfigError: the job file, with the overrides on it, breaks its rules.
        StorageError: there is no such run, or it has no winner of a GLUE task.
    """
    text = read_run_file(root, f"{run}/{JOB_FILE}")
    if text is None:
        known = [entry for entry in root.list() if root.exists(f"{entry}/{JOB_FILE}")]
        there = f"there are: {', '.join(known)}" if known else "there are none"
        raise StorageError(f"no run {run!r} in {root.uri()}; {there}{did_you_mean(run, known)}")
    job, storage = parse_job(text, root.uri(f"{run}/{JOB_FILE}"), overrides), root.sub(run)
    trials = [trial for trial in JournalReader(storage).trials.values() if trial.winner is not None]
    inputs = load_inputs(storage) or RunInputs()
    winners = [_winner(run, trial, storage, job.data, inputs) for trial in trials if trial.task in MODEL_TASKS]
    if not winners:
        others = f" (it has winners of {', '.join(trial.task for trial in trials)})" if trials else ""
        raise StorageError(f"a run must have saved a winner of a GLUE task, but {storage.uri()} has none{others}")
    return winners


def _winner(run: str, trial: TrialRecord, storage: Storage, data: DataConfig, inputs: RunInputs) -> Winner:
    folder = winner_folder(trial.task)
    if not storage.exists(folder):
        raise StorageError(
            f"the model of winner {trial.name} must be in {storage.uri(folder)}, but there is no such folder"
        )
    training = TrainingConfig(**trial.training)  # type: ignore[arg-type]
    score = trial.selection_scores.get(get_task(trial.task).primary, 0.0)
    rows = inputs.tasks.get(trial.task, {}).get("selection")
    return Winner(
        run,
        trial.name,
        trial.task,
        score,
        storage.uri(folder),
        data,
        training.eval_batch_size,
        rows.sha256 if rows else "",
    )


def of_different_rows(winners: Iterable[Winner]) -> dict[str, list[str]]:
    """Tasks of several runs whose winners were not all scored on the same selection rows, with the runs' names.

    Their scores can be compared with care only: a harder selection gives a lower score. Rows that are not known count
    as different.
    """
    by_task: dict[str, list[Winner]] = {}
    for winner in winners:
        by_task.setdefault(winner.task, []).append(winner)
    return {
        task: [winner.run for winner in several]
        for task, several in by_task.items()
        if len(several) > 1 and (len({winner.selection for winner in several}) > 1 or not several[0].selection)
    }


def best_winners(winners: Iterable[Winner]) -> dict[str, Winner]:
    """The winner with the highest selection score of every task, by task; of equals the first."""
    best: dict[str, Winner] = {}
    for winner in winners:
        if winner.task not in best or winner.score > best[winner.task].score:
            best[winner.task] = winner
    return best
