"""The event log of a run: its journal, the state replayed from it, and the files of its folder.

The journal is the only truth of a search. Searcher and schedulers are rebuilt from it on ``--resume``; the terminal
table, ``summary.json`` and MLflow runs are written from its events.
"""

from gluetune.events.inputs import RunInputs, SplitInput, load_inputs
from gluetune.events.journal import Journal, Listener
from gluetune.events.plan import SearchPlan, TaskPlan
from gluetune.events.run_folder import (
    INPUTS_FILE,
    JOB_FILE,
    LANE_FILES,
    NEW_RUN_HINT,
    PRETRAINING_FILE,
    SPACE_FILE,
    has_events,
    read_run_file,
    set_aside,
    trial_folder,
    winner_folder,
)
from gluetune.events.schema import (
    LANE_EVENT_ADAPTER,
    Evaluated,
    Event,
    LaneEvent,
    Precision,
    StepLogged,
    TrialEnded,
    TrialStarted,
    WinnerEvaluated,
)
from gluetune.events.trials import (
    FIELD_LABELS,
    TrialRecord,
    TrialStatus,
    apply_event,
    format_epochs,
    format_params,
    ranking,
    replay_events,
    winners,
)

__all__ = [
    "FIELD_LABELS",
    "INPUTS_FILE",
    "JOB_FILE",
    "LANE_EVENT_ADAPTER",
    "LANE_FILES",
    "NEW_RUN_HINT",
    "PRETRAINING_FILE",
    "SPACE_FILE",
    "Evaluated",
    "Event",
    "Journal",
    "LaneEvent",
    "Listener",
    "Precision",
    "RunInputs",
    "SearchPlan",
    "SplitInput",
    "StepLogged",
    "TaskPlan",
    "TrialEnded",
    "TrialRecord",
    "TrialStarted",
    "TrialStatus",
    "WinnerEvaluated",
    "apply_event",
    "format_epochs",
    "format_params",
    "has_events",
    "load_inputs",
    "ranking",
    "read_run_file",
    "replay_events",
    "set_aside",
    "trial_folder",
    "winner_folder",
    "winners",
]
