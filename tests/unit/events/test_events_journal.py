"""The journal: written whole or not at all, and read back after a kill, a full disk or damage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gluetune.errors import StorageError
from gluetune.events import Event, Journal, JournalReader, TrialStarted
from gluetune.events import journal as journal_module
from gluetune.storage import Storage
from limits import files_of_at_most
from sample_search import ended, evaluated


def started(number: int, task: str = "cola") -> TrialStarted:
    return TrialStarted(time=1.0, number=number, task=task, params={"learning_rate": 5e-5}, training={}, seed=1)


def journal_of(folder: Path, *events: Event) -> Journal:
    journal = Journal(Storage(str(folder)))
    for event in events:
        journal.append(event)
    return journal


def test_a_reopened_journal_holds_the_same_events_and_trials(tmp_path: Path) -> None:
    before = journal_of(tmp_path, started(0), evaluated(0, 1, 0.25), ended(0))
    after = Journal(Storage(str(tmp_path)))
    assert after.events == before.events
    assert after.trials == before.trials


def test_a_line_that_does_not_fit_on_the_disk_leaves_the_journal_as_it_was(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, started(0))
    file = tmp_path / "journal" / "000000.jsonl"
    with files_of_at_most(file.stat().st_size + 20), pytest.raises(StorageError, match=r"cannot write .*000000\.jsonl"):
        journal.append(evaluated(0, 1, 0.5))
    assert not journal.trials[0].evaluations
    journal.append(ended(0))
    assert [event.event for event in JournalReader(Storage(str(tmp_path))).events] == ["started", "ended"]


def test_events_written_together_are_read_back_together_or_not_at_all(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, started(0))
    file = tmp_path / "journal" / "000000.jsonl"
    limit = file.stat().st_size + len(evaluated(0, 1, 0.5).model_dump_json()) + 20  # enough for one of the two
    with files_of_at_most(limit), pytest.raises(StorageError):
        journal.append(evaluated(0, 1, 0.5), ended(0))
    assert not journal.trials[0].evaluations
    assert [event.event for event in JournalReader(Storage(str(tmp_path))).events] == ["started"]
    assert journal.append(evaluated(0, 1, 0.5), ended(0)).status == "finished"
    again = Journal(Storage(str(tmp_path)))
    assert [event.event for event in again.events] == ["started", "evaluated", "ended"]
    assert again.trials == journal.trials


def test_a_line_that_was_cut_short_is_dropped_and_the_journal_goes_on(tmp_path: Path) -> None:
    journal_of(tmp_path, started(0))
    file = tmp_path / "journal" / "000000.jsonl"
    file.write_bytes(file.read_bytes() + b'{"time":2.0,"event":"eval')
    journal = Journal(Storage(str(tmp_path)))
    journal.append(evaluated(0, 1, 0.5))
    assert [event.event for event in JournalReader(Storage(str(tmp_path))).events] == ["started", "evaluated"]


def test_reading_a_running_searchs_journal_never_writes(tmp_path: Path) -> None:
    running = journal_of(tmp_path, started(0))
    file = tmp_path / "journal" / "000000.jsonl"
    whole, line = file.read_bytes(), evaluated(0, 1, 0.5).model_dump_json().encode() + b"\n"
    file.write_bytes(whole + line[:20])  # the driver is in the middle of a line
    assert [event.event for event in JournalReader(Storage(str(tmp_path))).events] == ["started"]
    assert file.read_bytes() == whole + line[:20]
    file.write_bytes(whole + line)
    running.append(ended(0))
    assert [event.event for event in JournalReader(Storage(str(tmp_path))).events] == ["started", "evaluated", "ended"]


def test_a_cut_line_at_the_end_of_a_full_segment_is_removed_before_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "SEGMENT", 1)
    journal_of(tmp_path, started(0))
    with open(tmp_path / "journal" / "000000.jsonl", "ab") as file:
        file.write(b'{"time":2.0')
    journal_of(tmp_path, started(1), started(2))
    assert [event.number for event in JournalReader(Storage(str(tmp_path))).events] == [0, 1, 2]


@pytest.mark.parametrize("damage", [lambda file: file.write_bytes(b""), Path.unlink], ids=["empty", "missing"])
def test_a_lost_segment_before_others_is_an_error_that_names_it(
    damage: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "SEGMENT", 1)
    journal_of(tmp_path, started(0), started(1))
    damage(tmp_path / "journal" / "000000.jsonl")
    with pytest.raises(StorageError, match=r"000000\.jsonl is (empty|missing)"):
        Journal(Storage(str(tmp_path)))


def test_an_event_of_a_trial_that_was_never_started_is_an_error_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "000000.jsonl").write_text(ended(7).model_dump_json() + "\n")
    with pytest.raises(StorageError, match=r"000000\.jsonl:1: .*trial 7"):
        Journal(Storage(str(tmp_path)))


def test_a_line_that_is_no_event_is_an_error_with_file_and_line(tmp_path: Path) -> None:
    journal_of(tmp_path, started(0))
    file = tmp_path / "journal" / "000000.jsonl"
    file.write_bytes(file.read_bytes() + b'{"event": "unknown"}\n')
    with pytest.raises(StorageError, match=r"000000\.jsonl:3: not a journal event"):
        Journal(Storage(str(tmp_path)))


def test_segments_are_read_back_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "SEGMENT", 2)
    journal_of(tmp_path, *(started(number) for number in range(5)))
    assert len(list((tmp_path / "journal").iterdir())) == 3
    again = Journal(Storage(str(tmp_path)))
    again.append(started(5))
    assert [event.number for event in JournalReader(Storage(str(tmp_path))).events] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("segments", [1, 2])
def test_an_empty_last_segment_is_damage(segments: int, tmp_path: Path) -> None:
    journal_of(tmp_path, started(0))
    for segment in range(segments - 1, segments):
        (tmp_path / "journal" / f"{segment:06d}.jsonl").write_bytes(b"")
    with pytest.raises(StorageError, match=rf"{segments - 1:06d}\.jsonl is empty"):
        Journal(Storage(str(tmp_path)))
