"""What a search remembers: one event per line in a journal, and the trials and search folded from it.

The journal is the only truth of a search. The searcher and scheduler are rebuilt from it on ``--resume``, and the
terminal table, ``summary.json`` and MLflow are written from it.
"""

from gluetune.records.events import Evaluated, Event, TrialEnded, TrialStarted, WinnerScored
from gluetune.records.trials import TrialRecord, TrialStatus, fold, ranking

__all__ = [
    "Evaluated", "Event", "TrialEnded", "TrialRecord", "TrialStarted", "TrialStatus", "WinnerScored", "fold", "ranking",
]
