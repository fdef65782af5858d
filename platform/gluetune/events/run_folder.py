"""The folder of a run, ``<storage.path>/<name>``: its files, fingerprints of its inputs, and setting it aside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import from_json

from gluetune import __version__
from gluetune.errors import DataError, StorageError
from gluetune.events.trials import TrialRecord
from gluetune.storage import Storage

JOB_FILE, SPACE_FILE = "job.yaml", "space.yaml"
INPUTS_FILE = "inputs.json"  # fingerprints of the rows and the encoder
PRETRAINING_FILE = "pretraining.yaml"  # the job file of a pre-training run
INPUTS_VERSION: Final = 1
JOURNAL_FOLDER = "journal"
LANE_FILES = "lanes"  # files that Ray Train writes for worker groups, deleted when the run ends
SET_ASIDE_FOLDER = "set-aside"
ROWS_FOLDER = "rows"  # of own tasks that a Python program gave as DataFrames
NEW_RUN_HINT = "start a new run under another name, or delete the run's folder"
_MAX_CLASSES = 10  # in a message
_STAYS = ("logs", JOB_FILE, SPACE_FILE, PRETRAINING_FILE, ROWS_FOLDER, SET_ASIDE_FOLDER)


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


class SplitInput(BaseModel):
    """One split as trials use it: after limits on rows, and after selection rows were taken out of train.

    Attributes:
        rows: number of rows.
        sha256: fingerprint of texts and labels, as `gluetune.data.examples.examples_fingerprint` computes it.
        tokens: fingerprint of the token ids.
    """

    model_config = ConfigDict(frozen=True)

    rows: int
    sha256: str
    tokens: str = ""


class RunInputs(BaseModel):
    """Everything outside the job file that decides what the trials of a run train on.

    Attributes:
        version: version of the file's format.
        encoder: fingerprint of the initial weights and settings; empty where weights are drawn from the job's seed, and
            where there are several encoders.
        encoders: such fingerprints by encoder, where the search chooses among several.
        tasks: splits by task and name.
        classes: the classes in the order of their ids of each task of the user's own files.
    """

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = INPUTS_VERSION
    encoder: str = ""
    encoders: dict[str, str] = Field(default_factory=dict)
    tasks: dict[str, dict[str, SplitInput]] = Field(default_factory=dict)
    classes: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    def save(self, folder: Storage) -> None:
        """Write ``inputs.json`` into the run's folder."""
        folder.write(INPUTS_FILE, (self.model_dump_json(indent=1) + "\n").encode())

    def changes(self, now: RunInputs) -> list[str]:
        """Describe how other inputs differ from these.

        Args:
            now: the inputs to compare with.

        Returns:
            One line per task whose classes differ, per split and per encoder that differs; empty where all are equal.
        """
        lines = [
            f"{task}: classes {_listed(self.classes[task])} then, {_listed(now.classes[task])} now"
            for task in self.classes
            if task in now.classes and now.classes[task] != self.classes[task]
        ]
        lines += [
            line
            for task in (self.tasks | now.tasks)
            for line in _changed_splits(task, self.tasks.get(task, {}), now.tasks.get(task, {}))
        ]
        lines += ["the encoder: other weights or settings"] * (self.encoder != now.encoder)
        names = self.encoders | now.encoders
        differs = (name for name in names if self.encoders.get(name) != now.encoders.get(name))
        return lines + [f"the encoder {name}: other weights or settings" for name in differs]


def load_inputs(folder: Storage) -> RunInputs | None:
    """Read ``inputs.json`` from a run's folder.

    Returns:
        The inputs; ``None`` for runs of versions that did not write them.

    Raises:
        DataError: the file is broken, or a newer version of gluetune wrote it.
    """
    data = folder.read(INPUTS_FILE)
    if data is None:
        return None
    try:
        values = from_json(data)
        if isinstance(values, dict) and isinstance(version := values.get("version"), int) and version > INPUTS_VERSION:
            raise DataError(
                f"the file must have a version that gluetune {__version__} reads (up to {INPUTS_VERSION}), but has "
                f"version {version}: a newer version of gluetune wrote it; use that version",
                folder.uri(INPUTS_FILE),
            )
        return RunInputs.model_validate(values)
    except ValueError as error:
        raise DataError(
            "the file must hold the fingerprints of the run's rows, but is broken; if the rows are still "
            "those that the run began with, delete it: the next resume writes it again",
            folder.uri(INPUTS_FILE),
        ) from error


def _listed(names: tuple[str, ...]) -> str:
    more = f", … {len(names) - _MAX_CLASSES} more" if len(names) > _MAX_CLASSES else ""
    return f"({', '.join(names[:_MAX_CLASSES])}{more})"


def _changed_splits(task: str, before: dict[str, SplitInput], now: dict[str, SplitInput]) -> Iterator[str]:
    for name in before | now:
        old, new = before.get(name), now.get(name)
        if old is None or new is None:
            yield f"{task}, {name}: {'not used' if old is None else 'used'} then, {'missing' if old else 'present'} now"
        elif old.sha256 != new.sha256:
            yield f"{task}, {name}: {_changed_rows(old.rows, new.rows)}"
        elif old.tokens != new.tokens:
            yield f"{task}, {name}: the same rows, but the tokenizer makes other tokens of them"


def _changed_rows(before: int, now: int) -> str:
    return f"{before:,} rows then, {now:,} now" if before != now else f"{now:,} rows, but other texts, labels or order"
