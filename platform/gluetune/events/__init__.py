"""What a search remembers: one event per line in a journal, and the trials folded from it.

The journal is the only truth of a search. The searcher and the schedulers are rebuilt from it on ``--resume``, and the
terminal table, ``summary.json`` and MLflow are written from it.
"""

from gluetune.events.configurations import FIELDS, configuration
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
from gluetune.events.recorded import START_ANEW, read_recorded
from gluetune.events.schema import (
    LANE_EVENT,
    Evaluated,
    Event,
    LaneEvent,
    Precision,
    StepLogged,
    TrialEnded,
    TrialStarted,
    WinnerScored,
)
from gluetune.events.trials import TrialRecord, TrialStatus, epoch_text, fold, ranking, winners

__all__ = [
    "FIELDS",
    "INPUTS_FILE",
    "JOB_FILE",
    "LANE_EVENT",
    "LANE_FILES",
    "PRETRAINING_FILE",
    "SPACE_FILE",
    "START_ANEW",
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
    "WinnerScored",
    "configuration",
    "epoch_text",
    "fold",
    "has_events",
    "load_inputs",
    "ranking",
    "read_recorded",
    "set_aside",
    "trial_folder",
    "winner_folder",
    "winners",
]
