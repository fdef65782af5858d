"""Which checkpoints are worth keeping: those of a task's best trials so far."""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Iterable

from gluetune.events import TrialRecord, trial_folder
from gluetune.storage import Storage


class CheckpointRetention:
    """Keeps at most so many ended trials' checkpoints per task; running trials keep theirs.

    Args:
        storage: the search's folder.
        keep: checkpoints per task.
        trials: trials recorded so far.
    """

    def __init__(self, storage: Storage, keep: int, trials: Iterable[TrialRecord] = ()) -> None:
        self._storage, self._keep = storage, keep
        self._best: dict[str, list[tuple[float, int, str]]] = defaultdict(list)  # score, number, folder; best first
        for trial in trials:
            if trial.status.final:
                self.ended(trial)

    def ended(self, trial: TrialRecord) -> None:
        """Deletes what a newly ended trial makes superfluous: another trial's checkpoints, or its own."""
        if trial.best_score is None:
            self._storage.delete(trial_folder(trial))
            return
        best = self._best[trial.task]
        bisect.insort(best, (-trial.best_score, trial.number, trial_folder(trial)))
        while len(best) > self._keep:
            self._storage.delete(best.pop()[2])
