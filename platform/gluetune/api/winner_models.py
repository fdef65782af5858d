"""The models of a search's winners, logged to MLflow and registered there."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator

from gluetune.api.session import Session
from gluetune.events import TrialRecord, winner_folder, winners
from gluetune.search.prepare import SearchInputs
from gluetune.storage import Storage
from gluetune.tracking import Champion, Registration, Tracker


def register_winners(
    session: Session, prepared: SearchInputs, trials: Iterable[TrialRecord], tracker: Tracker
) -> dict[str, Registration]:
    """Log the winners' models to MLflow, and register them where the job says so.

    Args:
        session: the search.
        prepared: encoders and data.
        trials: all trials of the search.
        tracker: records the search in MLflow.

    Returns:
        What became of each model that MLflow took, by task.
    """
    register = session.job.tracking.register_models
    scored = [trial for trial in winners(trials, session.job.tasks) if trial.winner]
    found = {
        trial.task: tracker.log_winner(trial, _champion(prepared, trial, local), register=register)
        for trial, local in _local_folders(session.storage, scored)
    }
    return {task: model for task, model in found.items() if model is not None}


def _champion(prepared: SearchInputs, trial: TrialRecord, folder: str) -> Champion:
    text, task = prepared.of(trial).text, prepared.tasks[trial.task]
    return Champion(
        task,
        trial.name,
        folder,
        trial.selection_scores.get(task.primary, 0.0),
        trial.winner.scores if trial.winner else {},
        prepared.samples[trial.task],
        text.max_seq_length,
        text.truncation,
        trial.winner.thresholds if trial.winner else {},
    )


def _local_folders(storage: Storage, scored: list[TrialRecord]) -> Iterator[tuple[TrialRecord, str]]:
    """Winners with their ``save_pretrained`` folders on this machine."""
    for trial in scored:
        path = winner_folder(trial.task)
        if storage.local:
            yield trial, storage.uri(path)
            continue
        with tempfile.TemporaryDirectory() as local:
            storage.download(path, local)
            yield trial, local
