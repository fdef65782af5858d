"""The journal: a search's events in order, one JSON line each, in the search's folder.

A line is on disk before anything acts on it, so that the driver can be killed, or lose power, at any moment. Object
stores cannot append: on them, the journal's last segment of at most `SEGMENT` events is written anew with each event.

Reading changes nothing, so that the journal of a running search can be read. A last line that was cut short is ignored,
and removed by the next `Journal.append`, which only the driver with the search's lock may call.
"""

from __future__ import annotations

import os
from typing import Protocol

from pydantic import ValidationError

from gluetune.errors import StorageError
from gluetune.events.run_folder import JOURNAL_FOLDER, NEW_RUN_HINT
from gluetune.events.schema import EVENT_ADAPTER, Event
from gluetune.events.trials import TrialRecord, apply_event
from gluetune.storage import Storage

SEGMENT = 500  # events


class Listener(Protocol):
    """Receives the events of a search as they happen, in the driver."""

    def on_event(self, event: Event, trial: TrialRecord) -> None:
        """Handle an event after it was written.

        Args:
            event: the event.
            trial: its trial; of events that were written together, after the last of them.
        """


class Journal:
    """Events of one search, and the trials replayed from them.

    Args:
        storage: the search's folder.

    Attributes:
        events: all events, in order.
        trials: trials by number.

    Raises:
        StorageError: a line is not an event, or a segment is missing or empty.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.events: list[Event] = []
        self.trials: dict[int, TrialRecord] = {}
        self._lines: list[bytes] = []  # of the last segment
        self._segment = 0
        self._torn = False  # whether the last segment ends in a line that was cut short
        segments = [name for name in storage.list(JOURNAL_FOLDER) if name.endswith(".jsonl")]  # not temporary files
        for self._segment, name in enumerate(segments):
            if name != _file(self._segment):
                missing = storage.uri(f"{JOURNAL_FOLDER}/{_file(self._segment)}")
                raise StorageError(
                    f"{missing} is missing, but there is {name}: the journal is incomplete; {NEW_RUN_HINT}"
                )
            self._lines = self._read(f"{JOURNAL_FOLDER}/{name}", last=name == segments[-1])

    def append(self, *events: Event) -> TrialRecord:
        """Write events of one trial in a single write, and apply them.

        Returns:
            The trial.

        Raises:
            StorageError: the events cannot be written; the journal is unchanged.
        """
        if self._lines and not self._torn and len(self._lines) + len(events) > SEGMENT:
            self._segment, self._lines = self._segment + 1, []
        lines = [event.model_dump_json().encode() + b"\n" for event in events]
        self._write(lines)
        self._lines += lines
        self.events += events
        return [apply_event(self.trials, event) for event in events][-1]

    def _write(self, lines: list[bytes]) -> None:
        path = f"{JOURNAL_FOLDER}/{_file(self._segment)}"
        if not self._storage.local or not self._lines or self._torn:
            self._storage.write(path, b"".join([*self._lines, *lines]))
            self._torn = False
            return
        try:
            _append(self._storage.uri(path), b"".join(lines))
        except OSError as error:
            raise StorageError(f"cannot write {self._storage.uri(path)}: {error}") from error

    def _read(self, path: str, *, last: bool) -> list[bytes]:
        lines = (self._storage.read(path) or b"").splitlines(keepends=True)
        if not lines:  # a segment is created with its first event
            raise StorageError(f"{self._storage.uri(path)} is empty: the journal is incomplete; {NEW_RUN_HINT}")
        if last and lines and not lines[-1].endswith(b"\n"):  # still being written, or cut short: nothing acted on it
            lines.pop()
            self._torn = True
        for number, line in enumerate(lines, 1):
            try:
                event = EVENT_ADAPTER.validate_json(line)
                apply_event(self.trials, event)
            except ValueError as error:
                raise StorageError(
                    f"{self._storage.uri(path)}:{number}: not a journal event ({_reason(error)}): the "
                    f"journal is damaged; {NEW_RUN_HINT}"
                ) from error
            except KeyError as error:
                raise StorageError(
                    f"{self._storage.uri(path)}:{number}: an event of trial {error}, which was never "
                    f"started: the journal is incomplete; {NEW_RUN_HINT}"
                ) from error
            self.events.append(event)
        return lines


def _reason(error: ValueError) -> str:
    return str(error.errors()[0]["msg"]) if isinstance(error, ValidationError) else str(error)


def _file(segment: int) -> str:
    return f"{segment:06d}.jsonl"


def _append(path: str, lines: bytes) -> None:
    """Append lines to a file, or leave it unchanged: part of a line, as a full disk leaves it, would spoil the next."""
    with open(path, "ab", buffering=0) as file:
        end = file.tell()
        try:
            while lines:
                lines = lines[file.write(lines) :]
            os.fsync(file.fileno())
        except OSError:
            file.truncate(end)
            raise
