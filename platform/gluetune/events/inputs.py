"""What a run was started on: fingerprints of its rows, of their tokens and of its encoder, kept in ``inputs.json``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from gluetune.errors import DataError
from gluetune.events.journal import FOLDER as JOURNAL_FOLDER
from gluetune.events.paths import INPUTS_FILE, JOB_FILE, PRETRAINING_FILE, SPACE_FILE

if TYPE_CHECKING:
    from gluetune.storage import Storage

SET_ASIDE = "set-aside"
_STAYS = ("logs", JOB_FILE, SPACE_FILE, PRETRAINING_FILE, SET_ASIDE)


class SplitInput(BaseModel):
    """One split as it is used: after limits, with the selection rows parted from train.

    Attributes:
        rows: how many.
        sha256: fingerprint of texts and labels, see `gluetune.data.examples.fingerprint`.
        tokens: fingerprint of the token ids that a trial sees.
    """

    model_config = ConfigDict(frozen=True)

    rows: int
    sha256: str
    tokens: str = ""


class RunInputs(BaseModel):
    """Everything outside the job file that decides what the trials of a run train on.

    Attributes:
        version: of this file's format.
        encoder: fingerprint of the initial weights and settings; empty where all is drawn from the job's seed.
        tasks: splits by task and name.
    """

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    encoder: str = ""
    tasks: dict[str, dict[str, SplitInput]] = Field(default_factory=dict)

    def save(self, folder: Storage) -> None:
        """Writes ``inputs.json``."""
        folder.write(INPUTS_FILE, (self.model_dump_json(indent=1) + "\n").encode())

    def changes(self, now: RunInputs) -> list[str]:
        """What is different now, one line for each split and one for the encoder; empty where nothing is."""
        lines = [
            line
            for task in (self.tasks | now.tasks)
            for line in _changed_splits(task, self.tasks.get(task, {}), now.tasks.get(task, {}))
        ]
        return lines + ["the encoder: other weights or settings"] * (self.encoder != now.encoder)


def load_inputs(folder: Storage) -> RunInputs | None:
    """The record of a run's inputs; ``None`` for runs of versions that did not write one.

    Raises:
        DataError: the file is broken.
    """
    data = folder.read(INPUTS_FILE)
    if data is None:
        return None
    try:
        return RunInputs.model_validate_json(data)
    except ValueError as error:
        raise DataError(
            "the file must hold the fingerprints of the run's rows, but is broken; if the rows are still "
            "those that the run began with, delete it: the next resume writes it again",
            folder.uri(INPUTS_FILE),
        ) from error


def set_aside(folder: Storage) -> str:
    """Moves all that a run has recorded into a folder of its own, so that the run can start again in its place.

    Job file, space, log and lock stay. What was recorded is complete there: journal, checkpoints, winners, summary.

    Returns:
        The folder, by path or URI.

    Raises:
        StorageError: something cannot be moved; calling it again moves the rest.
    """
    target = f"{SET_ASIDE}/{len(folder.list(SET_ASIDE)) + 1}"
    entries = [name for name in folder.list() if name not in _STAYS and not name.startswith(".")]  # a lock's begin so
    last = (JOURNAL_FOLDER, INPUTS_FILE)  # until these are moved, the run is one that was begun on other inputs
    for name in sorted(entries, key=lambda name: last.index(name) if name in last else -1):
        folder.move(name, f"{target}/{name}")
    return folder.uri(target)


def _changed_splits(task: str, before: dict[str, SplitInput], now: dict[str, SplitInput]) -> Iterator[str]:
    for name in before | now:
        old, new = before.get(name), now.get(name)
        if old is None or new is None:
            yield f"{task}, {name}: {'not used' if old is None else 'used'} then, {'missing' if old else 'there'} now"
        elif old.sha256 != new.sha256:
            yield f"{task}, {name}: {_other_rows(old.rows, new.rows)}"
        elif old.tokens != new.tokens:
            yield f"{task}, {name}: the same rows, but the tokenizer makes other tokens of them"


def _other_rows(before: int, now: int) -> str:
    return f"{before:,} rows then, {now:,} now" if before != now else f"{now:,} rows, but other texts, labels or order"
