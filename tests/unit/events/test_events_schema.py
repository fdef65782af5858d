"""What a journal's lines are: strict JSON of a known schema; older schemas are read, newer ones are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gluetune.config import TrainingConfig
from gluetune.errors import StorageError
from gluetune.events import SCHEMA_VERSION, Event, Journal, JournalReader, TrialEnded, TrialStatus
from gluetune.storage import Storage
from sample_search import BEGIN, ended, evaluated, events, folded, pretraining_evaluated, pretraining_events, started


def journal_of(folder: Path, journal: list[Event]) -> Journal:
    written = Journal(Storage(str(folder)))
    for event in journal:
        written.append(event)
    return written


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def write_schema_0(folder: Path, lines: list[dict[str, Any]]) -> Path:
    """A journal of the first version: no header, no step plan, NaN as a constant."""
    file = folder / "journal" / "000000.jsonl"
    file.parent.mkdir(exist_ok=True)
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def as_schema_0(event: Event) -> dict[str, Any]:
    return event.model_dump(mode="python", exclude={"total_steps", "steps_per_epoch"})


def test_every_line_is_strict_json_and_the_first_one_says_the_schema(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, [*events(), evaluated(3, 2, float("-inf"))])  # scores and losses that are not finite
    header, *lines = (tmp_path / "journal" / "000000.jsonl").read_text().splitlines()
    assert json.loads(header) == {"schema_version": SCHEMA_VERSION}
    values = [json.loads(line, parse_constant=refuse) for line in lines]
    assert [value["score"] for value in values if value.get("number") == 3 and "score" in value] == ["NaN", "-Infinity"]
    again = JournalReader(Storage(str(tmp_path)))
    assert [event.model_dump_json() for event in again.events] == [event.model_dump_json() for event in journal.events]


@pytest.mark.parametrize("field", ["time", "epoch", "learning_rate", "train_seconds", "idle_seconds_before"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_must_be_finite_is_refused(field: str, value: float) -> None:
    changes: dict[str, Any] = {field: value}
    with pytest.raises(ValidationError, match=rf"{field}\s+Input should be a finite number"):
        evaluated(0, 1, 0.5, **changes)


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_a_constant_that_is_not_json_is_damage(tmp_path: Path, constant: str) -> None:
    journal_of(tmp_path, [started(0, "cola"), evaluated(0, 1, float("nan"))])
    file = tmp_path / "journal" / "000000.jsonl"
    file.write_text(file.read_text().replace('"score":"NaN"', f'"score":{constant}'))
    with pytest.raises(StorageError, match=r"000000\.jsonl:3: not a journal event"):
        JournalReader(Storage(str(tmp_path)))


def test_a_newer_schema_is_refused_and_nothing_is_changed(tmp_path: Path) -> None:
    journal_of(tmp_path, events())
    file = tmp_path / "journal" / "000000.jsonl"
    _, *lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(['{"schema_version":2,"more":"fields"}\n', *lines, '{"event":"of the fut']))
    content = file.read_bytes()
    for journal in (JournalReader, Journal):
        with pytest.raises(StorageError) as refused:
            journal(Storage(str(tmp_path)))
        assert str(refused.value).startswith(f"{file}:1: ")
        assert all(word in str(refused.value) for word in ("schema 2", f"up to {SCHEMA_VERSION}", "newer version"))
    assert file.read_bytes() == content
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize("version", ["0", "-1", '"1"', "null", "1.5", "[]"])
def test_a_schema_that_is_no_version_is_damage(tmp_path: Path, version: str) -> None:
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "000000.jsonl").write_text(f'{{"schema_version":{version}}}\n')
    with pytest.raises(StorageError, match=r"000000\.jsonl:1: schema_version must be .*damaged"):
        JournalReader(Storage(str(tmp_path)))


@pytest.mark.parametrize(
    ("training", "step", "epoch", "steps_per_epoch", "total_steps"),
    [
        ({"num_train_epochs": 3}, 50, 1.0, 50, 150),
        ({"num_train_epochs": 2.2}, 56, 2.24, 25, 56),  # 2.2 × 25 steps are 55.00000000000001: 56
        ({"num_train_epochs": 0.5}, 10, 0.4, 25, 13),
        ({"num_train_epochs": 3, "max_steps": 30}, 25, 1.0, 25, 30),
        ({}, 7, 0.07, 100, 100 * TrainingConfig().num_train_epochs),
    ],
)
def test_evaluations_of_schema_0_get_the_steps_that_were_planned(
    tmp_path: Path, training: dict[str, Any], step: int, epoch: float, steps_per_epoch: int, total_steps: int
) -> None:
    start = started(0, "cola").model_copy(update={"training": training})
    write_schema_0(tmp_path, [as_schema_0(start), as_schema_0(evaluated(0, 1, 0.5, step=step, epoch=epoch))])
    (evaluation,) = JournalReader(Storage(str(tmp_path))).trials[0].evaluations
    assert (evaluation.steps_per_epoch, evaluation.total_steps) == (steps_per_epoch, total_steps)


def test_a_search_of_schema_0_is_read_and_goes_on_in_a_new_segment(tmp_path: Path) -> None:
    file = write_schema_0(tmp_path, [as_schema_0(event) for event in events()])
    before = file.read_bytes()
    journal = Journal(Storage(str(tmp_path)))
    expected = folded(events())
    assert {number: (t.status, t.best, t.winner) for number, t in journal.trials.items()} == {
        number: (t.status, t.best, t.winner) for number, t in expected.items()
    }
    journal.append(started(4, "cola"))
    assert file.read_bytes() == before
    added = (tmp_path / "journal" / "000001.jsonl").read_text().splitlines()
    assert json.loads(added[0]) == {"schema_version": SCHEMA_VERSION}
    assert len(JournalReader(Storage(str(tmp_path))).events) == len(events()) + 1


@pytest.mark.parametrize("whole_lines", [0, 1, 3])
def test_a_journal_of_schema_0_with_a_line_that_was_cut_short_goes_on(tmp_path: Path, whole_lines: int) -> None:
    file = write_schema_0(tmp_path, [as_schema_0(event) for event in events()[:whole_lines]])
    kept = file.read_bytes()
    file.write_bytes(kept + b'{"event": "eval')
    Journal(Storage(str(tmp_path))).append(started(7, "cola"))
    assert [event.number for event in JournalReader(Storage(str(tmp_path))).events] == [
        *(event.number for event in events()[:whole_lines]),
        7,
    ]
    assert not whole_lines or file.read_bytes() == kept


def test_a_pretraining_run_is_folded_into_evaluations_of_its_own() -> None:
    trial = folded(pretraining_events())[0]
    assert trial.status is TrialStatus.FINISHED
    assert [evaluation.step for evaluation in trial.pretraining] == [10, 20, 30]
    assert (trial.reported, trial.evaluations, trial.best) == (3, [], None)
    assert trial.encoder == "runs/bert/encoder"
    again = folded([*pretraining_events(), pretraining_evaluated(3, masked_lm_loss=9.0)])[0]
    assert [evaluation.masked_lm_loss for evaluation in again.pretraining] == [5.25, 4.25, 9.0]
    assert (again.status, again.encoder) == (TrialStatus.RUNNING, None)


def test_a_pretraining_run_of_schema_0_becomes_one_of_the_current_schema(tmp_path: Path) -> None:
    def in_the_old_form(event: Event) -> dict[str, Any]:
        if event.event == "encoder_saved":
            scores = {"validation": pretraining_evaluated(3).validation}
            values = {"time": event.time, "number": 0, "task": "pretraining", "scores": scores, "folder": event.folder}
            return {"event": "winner"} | values
        if event.event != "pretraining_evaluated":
            return as_schema_0(event)
        names = ("time", "number", "index", "step", "epoch", "learning_rate", "train_seconds", "eval_seconds", "lane")
        loss = event.masked_lm_loss + event.next_sentence_loss
        return {name: getattr(event, name) for name in names} | {
            "event": "evaluated",
            "score": -loss,
            "metrics": event.metrics,
            "eval_loss": loss,
            "train_loss": event.train_masked_lm_loss + event.train_next_sentence_loss,
            "train_accuracy": None,
            "train_examples": event.pairs,
            "train_tokens": event.tokens,
            "idle_seconds_before": None,
            "precision": event.precision,
        }

    write_schema_0(tmp_path, [in_the_old_form(event) for event in pretraining_events()])
    assert JournalReader(Storage(str(tmp_path))).trials == folded(pretraining_events())


@pytest.mark.parametrize("damage", [{"epoch": 0}, {"step": "many"}, {"epoch": None}])
def test_an_evaluation_of_schema_0_without_a_place_in_training_is_damage(
    tmp_path: Path, damage: dict[str, Any]
) -> None:
    write_schema_0(tmp_path, [as_schema_0(started(0, "cola")), as_schema_0(evaluated(0, 1, 0.5)) | damage])
    with pytest.raises(StorageError, match=r"000000\.jsonl:2: not a journal event"):
        JournalReader(Storage(str(tmp_path)))


def test_an_event_of_a_trial_without_a_start_is_damage_in_schema_0_too(tmp_path: Path) -> None:
    write_schema_0(tmp_path, [as_schema_0(evaluated(7, 1, 0.5))])
    with pytest.raises(StorageError, match=r"000000\.jsonl:1: .*trial 7"):
        JournalReader(Storage(str(tmp_path)))


def test_the_end_of_a_trial_is_the_same_in_both_schemas(tmp_path: Path) -> None:
    write_schema_0(tmp_path, [as_schema_0(started(0, "cola")), as_schema_0(ended(0, "stopped", "interrupted"))])
    journal = JournalReader(Storage(str(tmp_path)))
    assert journal.events[1] == TrialEnded(time=BEGIN + 60, number=0, status="stopped", message="interrupted")
