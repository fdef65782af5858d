"""The folder of a run, ``<storage.path>/<name>``: names of its files, reading them, and setting a whole run aside."""

from __future__ import annotations

from gluetune.errors import StorageError
from gluetune.events.trials import TrialRecord
from gluetune.storage import Storage

JOB_FILE, SPACE_FILE = "job.yaml", "space.yaml"
INPUTS_FILE = "inputs.json"  # fingerprints of the rows and the encoder
PRETRAINING_FILE = "pretraining.yaml"  # the job file of a pre-training run
JOURNAL_FOLDER = "journal"
LANE_FILES = "lanes"  # files that Ray Train writes for worker groups, deleted when the run ends
SET_ASIDE_FOLDER = "set-aside"
NEW_RUN_HINT = "start a new run under another name, or delete the run's folder"
_STAYS = ("logs", JOB_FILE, SPACE_FILE, PRETRAINING_FILE, SET_ASIDE_FOLDER)


def trial_folder(trial: TrialRecord) -> str:
    """Return the folder of a trial's checkpoints, relative to the run's folder."""
    return f"trials/{trial.name}"


def winner_folder(task: str) -> str:
    """Return the ``save_pretrained`` folder of a task's winner, relative to the run's folder."""
    return f"winners/{task}"


def has_events(folder: Storage) -> bool:
    """Return whether a run has a journal, without reading it."""
    return any(name.endswith(".jsonl") for name in folder.list(JOURNAL_FOLDER))


def read_run_file(storage: Storage, file: str) -> bytes | None:
    """Read a file that a run wrote in one piece, such as ``job.yaml``.

    Args:
        storage: the folder that holds the file.
        file: its path in the folder.

    Returns:
        The content; ``None`` where there is no such file.

    Raises:
        StorageError: the file is empty or holds only zeros, as a power cut may leave a file that was not synced.
    """
    data = storage.read(file)
    if data is not None and not data.strip(b"\0 \t\r\n"):
        raise StorageError(
            f"{storage.uri(file)} is empty ({len(data)} bytes), as a power cut may leave it: the run "
            f"cannot be resumed; put the file back (MLflow keeps a copy of a search's job.yaml among its "
            f"artifacts), or {NEW_RUN_HINT}"
        )
    return data


def set_aside(folder: Storage) -> str:
    """Move all that a run has recorded into a sub-folder, so that the run can start again in its place.

    Job file, search space, log and lock stay. Journal, checkpoints, winners and summary are moved.

    Args:
        folder: the run's folder.

    Returns:
        The sub-folder, as a path or URI.

    Raises:
        StorageError: something cannot be moved; calling the function again moves the rest.
    """
    target = f"{SET_ASIDE_FOLDER}/{len(folder.list(SET_ASIDE_FOLDER)) + 1}"
    entries = [name for name in folder.list() if name not in _STAYS and not name.startswith(".")]  # the lock is hidden
    last = (JOURNAL_FOLDER, INPUTS_FILE)  # while these are in place, the run counts as one with other inputs
    for name in sorted(entries, key=lambda name: last.index(name) if name in last else -1):
        folder.move(name, f"{target}/{name}")
    return folder.uri(target)
