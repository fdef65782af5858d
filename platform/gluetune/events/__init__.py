"""What a search remembers: one event per line in a journal, and the trials folded from it.

The journal is the only truth of a search. The searcher and the schedulers are rebuilt from it on ``--resume``, and the
terminal table, ``summary.json`` and MLflow are written from it.
"""

from gluetune.events.configurations import FIELD_LABELS, format_params
from gluetune.events.inputs import RunInputs, SplitInput, load_inputs, set_aside
from gluetune.events.journal import Journal, Listener, has_events
from gluetune.events.paths import (
    INPUTS_FILE,
    JOB_FILE,
    LANE_FILES,
    PRETRAINING_FILE,
    SPACE_FILE,
    trial_folder,
    winner_folder,
)
from gluetune.events.plan import SearchPlan, TaskPlan
from gluetune.events.recorded import NEW_RUN_HINT, read_run_file
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
from gluetune.events.trials import TrialRecord, TrialStatus, format_epochs, ranking, replay_events, winners

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
