"""The journal: a search's events in order, one JSON line each, in the search's folder.

A line is on disk before anything acts on it, so that the driver can be killed, or lose power, at any moment. Object
stores cannot append: on them, the journal's last segment of at most `SEGMENT` events is written anew with each event;
the bucket keeps an object once the store has confirmed it.

Each segment is a file whose first line is a header with the version of its schema, ``{"schema_version": 1}``. A segment
without a header has schema 0. A journal is read whole or refused: one of a newer schema changes nothing and is left as
it is. Events are always written in the current schema, in a new segment where the last one has an older schema.

Reading changes nothing, so that the journal of a running search can be read. A last line that was cut short is ignored,
and removed by the next `Journal.append`, which only the driver with the run's lock may call.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, Protocol

from pydantic import ValidationError
from pydantic_core import from_json

from gluetune import __version__
from gluetune.errors import StorageError
from gluetune.events.run_folder import JOURNAL_FOLDER, NEW_RUN_HINT
from gluetune.events.schema import SCHEMA_VERSION, Event
from gluetune.events.search_events import JOURNAL_EVENT_ADAPTER, JournalEvent, SearchEvent
from gluetune.events.trials import TrialRecord, apply_event
from gluetune.events.upgrade import upgrade_event
from gluetune.storage import Storage

SEGMENT = 500  # events
_KEY = "schema_version"
_HEADER = f'{{"{_KEY}":{SCHEMA_VERSION}}}\n'.encode()


class Listener(Protocol):
    """Receives the events of a search as they happen, in the driver."""

    def on_event(self, event: Event, trial: TrialRecord) -> None:
        """Handle an event after it was written.

        Args:
            event: the event.
            trial: its trial; of events that were written together, after the last of them.
        """


def check_journal_schema(storage: Storage) -> None:
    """Check that this version of gluetune can read a run's journal; nothing else of it is read.

    Raises:
        StorageError: a newer version of gluetune wrote a part of the journal.
    """
    for name in _segments(storage):
        lines = (storage.read(f"{JOURNAL_FOLDER}/{name}") or b"").splitlines(keepends=True)
        _schema_of(lines[:1], storage.uri(f"{JOURNAL_FOLDER}/{name}"))


class JournalReader:
    """Events of one run, and the trials replayed from them. It never writes.

    Args:
        storage: the run's folder.

    Attributes:
        events: all events of trials, in order, in the current schema.
        history: all events, those of the whole search included, in order.
        trials: trials by number.

    Raises:
        StorageError: the journal was written by a newer version of gluetune, a line is not an event, or a segment is
            missing or empty.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.events: list[Event] = []
        self.history: list[JournalEvent] = []
        self.trials: dict[int, TrialRecord] = {}
        self._segment = 0
        self._schema = SCHEMA_VERSION  # of the last segment
        self._lines: list[bytes] = []  # its events
        self._torn = False  # whether it ends in a line that was cut short
        segments = _segments(storage)
        for self._segment, name in enumerate(segments):
            if name != _file(self._segment):
                missing = storage.uri(f"{JOURNAL_FOLDER}/{_file(self._segment)}")
                raise StorageError(
                    f"{missing} is missing, but there is {name}: the journal is incomplete; {NEW_RUN_HINT}"
                )
            self._read(f"{JOURNAL_FOLDER}/{name}", last=name == segments[-1])

    def _read(self, path: str, *, last: bool) -> None:
        lines = (self._storage.read(path) or b"").splitlines(keepends=True)
        if not lines:  # a segment is created with its first event
            raise StorageError(f"{self._storage.uri(path)} is empty: the journal is incomplete; {NEW_RUN_HINT}")
        if last and not lines[-1].endswith(b"\n"):  # still being written, or cut short: nothing acted on it
            lines.pop()
            self._torn = True
        self._schema = _schema_of(lines, self._storage.uri(path))
        header = 1 if self._schema else 0
        self._lines = lines[header:]
        for number, line in enumerate(self._lines, 1 + header):
            self._apply(line, f"{self._storage.uri(path)}:{number}")

    def _apply(self, line: bytes, place: str) -> None:
        try:
            values: Any = from_json(line, allow_inf_nan=self._schema == 0)
            if isinstance(values, dict):
                values = upgrade_event(values, self._schema, self.trials)
            self._take(JOURNAL_EVENT_ADAPTER.validate_python(values))
        except ValueError as error:
            raise StorageError(
                f"{place}: not a journal event ({_reason(error)}): the journal is damaged; {NEW_RUN_HINT}"
            ) from error
        except KeyError as error:
            raise StorageError(
                f"{place}: an event of trial {error}, which was never started: the journal is incomplete; "
                f"{NEW_RUN_HINT}"
            ) from error

    def _take(self, event: JournalEvent) -> None:
        """Add an event that is in the journal, and apply it to its trial."""
        if not isinstance(event, SearchEvent):
            apply_event(self.trials, event)
            self.events.append(event)
        self.history.append(event)


class Journal(JournalReader):
    """The journal of a run that this process continues. Only the process that holds the run's lock may make one."""

    def append(self, *events: Event) -> TrialRecord:
        """Write events of one trial in a single write, and apply them.

        Returns:
            The trial.

        Raises:
            StorageError: the events cannot be written; the journal is unchanged.
        """
        self._write(events)
        return self.trials[events[-1].number]

    def append_search_event(self, event: SearchEvent) -> None:
        """Write an event of the whole search.

        Raises:
            StorageError: the event cannot be written; the journal is unchanged.
        """
        self._write([event])

    def _write(self, events: Iterable[JournalEvent]) -> None:
        lines = [event.model_dump_json().encode() + b"\n" for event in events]
        full = len(self._lines) + len(lines) > SEGMENT or self._schema != SCHEMA_VERSION
        if self._lines and full:
            if self._torn:
                self._replace(self._lines)  # without the line that was cut short
            self._segment, self._lines, self._schema = self._segment + 1, [], SCHEMA_VERSION
        if self._storage.local and self._lines and not self._torn:
            self._extend(lines)
        else:
            self._schema = SCHEMA_VERSION
            self._replace([*self._lines, *lines])
        self._lines += lines
        for event in events:
            self._take(event)

    @property
    def _path(self) -> str:
        return f"{JOURNAL_FOLDER}/{_file(self._segment)}"

    def _replace(self, lines: Iterable[bytes]) -> None:
        """Write the last segment anew, whole or not at all."""
        header = _HEADER if self._schema else b""
        self._storage.write(self._path, header + b"".join(lines))
        self._torn = False

    def _extend(self, lines: Iterable[bytes]) -> None:
        """Append to the last segment, or leave it unchanged."""
        try:
            _append(self._storage.uri(self._path), b"".join(lines))
        except OSError as error:
            self._torn = True  # after an error, what the disk holds of the new lines is not known
            raise StorageError(f"cannot write {self._storage.uri(self._path)}: {error}") from error


def _segments(storage: Storage) -> list[str]:
    """Return the names of a journal's files, in order, without temporary ones."""
    return [name for name in storage.list(JOURNAL_FOLDER) if name.endswith(".jsonl")]


def _schema_of(lines: list[bytes], file: str) -> int:
    """Return the schema version of a segment; it is the current one where there is no whole line yet.

    Raises:
        StorageError: the version is unknown.
    """
    if not lines:
        return SCHEMA_VERSION
    try:
        first = from_json(lines[0], allow_inf_nan=True)
    except ValueError:
        return 0  # the line is refused as an event
    if not isinstance(first, dict) or _KEY not in first:
        return 0
    version = first[_KEY]
    if not isinstance(version, int) or version < 1:
        raise StorageError(
            f"{file}:1: {_KEY} must be a version, but got {version!r}: the journal is damaged; {NEW_RUN_HINT}"
        )
    if version > SCHEMA_VERSION:
        raise StorageError(
            f"{file}:1: the journal must have a schema that gluetune {__version__} reads (up to {SCHEMA_VERSION}), "
            f"but has schema {version}: a newer version of gluetune wrote it; use that version. Nothing was changed"
        )
    return version


def _reason(error: ValueError) -> str:
    return str(error.errors()[0]["msg"]) if isinstance(error, ValidationError) else str(error)


def _file(segment: int) -> str:
    return f"{segment:06d}.jsonl"


def _append(path: str, lines: bytes) -> None:
    """Append lines to a file and sync it, or leave it unchanged: part of a line would spoil the next one."""
    with open(path, "ab", buffering=0) as file:
        end = file.tell()
        try:
            while lines:
                lines = lines[file.write(lines) :]
            os.fsync(file.fileno())
        except OSError:
            file.truncate(end)
            raise
