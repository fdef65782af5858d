"""The journal: a search's events in order, one JSON line each, on the search's storage.

A line is on disk before anything acts on it, so a driver may be killed at any moment. Object stores cannot append:
there the journal is cut into segments of at most `SEGMENT` events, of which only the last is written again.
"""

from __future__ import annotations

import os
from typing import Protocol

from gluetune.errors import StorageError
from gluetune.records.events import EVENT, Event
from gluetune.records.trials import TrialRecord, apply
from gluetune.storage import Storage

FOLDER = "journal"
SEGMENT = 500


class Listener(Protocol):
    """Whoever wants to hear of events as they happen, in the driver."""

    def on_event(self, event: Event, trial: TrialRecord) -> None:
        """Called after each event has been written, with the trial as it stands; of two written at once, after both."""


class Journal:
    """Events of one search, written and folded.

    Args:
        storage: the search's folder.

    Raises:
        StorageError: a line is no event.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.events: list[Event] = []
        self.trials: dict[int, TrialRecord] = {}
        self._lines: list[bytes] = []
        self._segment = 0
        segments = [name for name in storage.list(FOLDER) if name.endswith(".jsonl")]  # others are cut-off drafts
        for self._segment, name in enumerate(segments):
            self._lines = self._read(f"{FOLDER}/{name}")

    def append(self, *events: Event) -> TrialRecord:
        """Writes events of one trial in one go, applies them, and returns the trial.

        Raises:
            StorageError: they cannot be written; the journal is as it was.
        """
        if self._lines and len(self._lines) + len(events) > SEGMENT:
            self._segment, self._lines = self._segment + 1, []
        lines = [event.model_dump_json().encode() + b"\n" for event in events]
        self._write(lines)
        self._lines += lines
        self.events += events
        return [apply(self.trials, event) for event in events][-1]

    def _write(self, lines: list[bytes]) -> None:
        path = f"{FOLDER}/{self._segment:06d}.jsonl"
        if not self._storage.local or not self._lines:
            self._storage.write(path, b"".join([*self._lines, *lines]))
            return
        try:
            _append(self._storage.uri(path), b"".join(lines))
        except OSError as error:
            raise StorageError(f"cannot write {self._storage.uri(path)}: {error}") from error

    def _read(self, path: str) -> list[bytes]:
        data = self._storage.read(path) or b""
        lines = data.splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):  # the driver died while writing it: nobody acted on it
            lines.pop()
            self._storage.write(path, b"".join(lines))
        for number, line in enumerate(lines, 1):
            try:
                event = EVENT.validate_json(line)
            except ValueError as error:
                raise StorageError(f"{self._storage.uri(path)}:{number}: not a journal event: {error}") from error
            self.events.append(event)
            apply(self.trials, event)
        return lines


def _append(path: str, lines: bytes) -> None:
    """Appends lines whole or not at all: half of one, as a full disk leaves it, would spoil the next."""
    with open(path, "ab", buffering=0) as file:
        end = file.tell()
        try:
            while lines:
                lines = lines[file.write(lines):]
            os.fsync(file.fileno())
        except OSError:
            file.truncate(end)
            raise
