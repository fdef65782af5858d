"""Where a run keeps what, inside its folder ``<storage.path>/<name>``."""

from __future__ import annotations

from gluetune.events.trials import TrialRecord

JOB_FILE, SPACE_FILE = "job.yaml", "space.yaml"
INPUTS_FILE = "inputs.json"  # fingerprints of the rows and the encoder
PRETRAINING_FILE = "pretraining.yaml"  # the job file of a pre-training run
LANE_FILES = "lanes"  # what Ray Train leaves of its workers while they live


def trial_folder(trial: TrialRecord) -> str:
    """A trial's folder: its checkpoints."""
    return f"trials/{trial.name}"


def winner_folder(task: str) -> str:
    """A winner's ``save_pretrained`` folder."""
    return f"winners/{task}"
