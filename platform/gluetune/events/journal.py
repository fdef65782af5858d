"""The journal: a search's events in order, one JSON line each, on the search's storage.

A line is on disk before anything acts on it, so a driver may be killed, or its machine lose power, at any moment.
Object stores cannot append: there the journal is cut into segments of at most `SEGMENT` events, of which only the last
is written again.

Reading changes nothing, so that the journal of a running search can be read. A last line that was cut short is left
out, and removed by the next `Journal.append`, which only the driver that holds the search's lock calls.
"""

from __future__ import annotations

import os
from typing import Protocol

from pydantic import ValidationError

from gluetune.errors import StorageError
from gluetune.events.recorded import NEW_RUN_HINT
from gluetune.events.schema import EVENT_ADAPTER, Event
from gluetune.events.trials import TrialRecord, apply_event
from gluetune.storage import Storage

FOLDER = "journal"
SEGMENT = 500


def has_events(folder: Storage) -> bool:
    """Whether a run has begun: its journal is there. Reads no event."""
    return any(name.endswith(".jsonl") for name in folder.list(FOLDER))


class Listener(Protocol):
    """Whoever wants to hear of events as they happen, in the driver."""

    def on_event(self, event: Event, trial: TrialRecord) -> None:
        """Called after each event has been written, with the trial as it stands; of two written at once, after both."""


class Journal:
    """Events of one search, written and folded.

    Args:
        storage: the search's folder.

    Raises:
        StorageError: a line is no event, or a segment is missing or empty.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.events: list[Event] = []
        self.trials: dict[int, TrialRecord] = {}
        self._lines: list[bytes] = []
        self._segment = 0
        self._torn = False  # whether the last segment ends in a line that was cut short
        segments = [name for name in storage.list(FOLDER) if name.endswith(".jsonl")]  # others are cut-off drafts
        for self._segment, name in enumerate(segments):
            if name != _file(self._segment):
                missing = storage.uri(f"{FOLDER}/{_file(self._segment)}")
                raise StorageError(
                    f"{missing} is missing, but there is {name}: the journal is incomplete; {NEW_RUN_HINT}"
                )
            self._lines = self._read(f"{FOLDER}/{name}", last=name == segments[-1])

    def append(self, *events: Event) -> TrialRecord:
        """Writes events of one trial in one go, applies them, and returns the trial.

        Raises:
            StorageError: they cannot be written; the journal is as it was.
        """
        if self._lines and not self._torn and len(self._lines) + len(events) > SEGMENT:
            self._segment, self._lines = self._segment + 1, []
        lines = [event.model_dump_json().encode() + b"\n" for event in events]
        self._write(lines)
        self._lines += lines
        self.events += events
        return [apply_event(self.trials, event) for event in events][-1]

    def _write(self, lines: list[bytes]) -> None:
        path = f"{FOLDER}/{_file(self._segment)}"
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
        if not lines:  # a segment is made with its first event in it
            raise StorageError(f"{self._storage.uri(path)} is empty: the journal is incomplete; {NEW_RUN_HINT}")
        if last and lines and not lines[-1].endswith(b"\n"):  # being written, or cut short: nothing has acted on it
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
    """Appends lines whole or not at all: half of one, as a full disk leaves it, would spoil the next."""
    with open(path, "ab", buffering=0) as file:
        end = file.tell()
        try:
            while lines:
                lines = lines[file.write(lines) :]
            os.fsync(file.fileno())
        except OSError:
            file.truncate(end)
            raise
