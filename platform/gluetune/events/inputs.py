"""Fingerprints of what a run trains on: its rows, their tokens and the encoder, kept in ``inputs.json``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from gluetune.errors import DataError
from gluetune.events.run_folder import INPUTS_FILE

if TYPE_CHECKING:
    from gluetune.storage import Storage


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
        encoder: fingerprint of the initial weights and settings; empty where weights are drawn from the job's seed.
        tasks: splits by task and name.
    """

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    encoder: str = ""
    tasks: dict[str, dict[str, SplitInput]] = Field(default_factory=dict)

    def save(self, folder: Storage) -> None:
        """Write ``inputs.json`` into the run's folder."""
        folder.write(INPUTS_FILE, (self.model_dump_json(indent=1) + "\n").encode())

    def changes(self, now: RunInputs) -> list[str]:
        """Describe how other inputs differ from these.

        Args:
            now: the inputs to compare with.

        Returns:
            One line per split that differs and one for the encoder; empty where all are equal.
        """
        lines = [
            line
            for task in (self.tasks | now.tasks)
            for line in _changed_splits(task, self.tasks.get(task, {}), now.tasks.get(task, {}))
        ]
        return lines + ["the encoder: other weights or settings"] * (self.encoder != now.encoder)


def load_inputs(folder: Storage) -> RunInputs | None:
    """Read ``inputs.json`` from a run's folder.

    Returns:
        The inputs; ``None`` for runs of versions that did not write them.

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
