"""What each event adds to which MLflow run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gluetune.events import Event, TaskPlan, TrialRecord, WinnerEvaluated, apply_event
from gluetune.tracking.display import MAX_NAME_CHARS, MAX_NOTE_CHARS, run_name, search_note
from gluetune.tracking.run_updates import RunUpdate
from gluetune.tracking.updates import EventMapper
from sample_search import BEGIN, COLA, MNLI, ended, evaluated, events, folded, plan, pretraining_events, started


def replay(journal: list[Event]) -> list[RunUpdate]:
    mapper, trials = EventMapper(plan(), started=0.0), {}  # type: ignore[var-annotated]
    updates = []
    for event in journal:
        updates += mapper.updates(event, apply_event(trials, event))
    return updates


def merged(updates: list[RunUpdate], key: str) -> tuple[dict[str, list[Any]], dict[str, str], str | None]:
    """Points by metric, tags and last status of one run."""
    points: dict[str, list[Any]] = {}
    tags: dict[str, str] = {}
    status = None
    for entry in (entry for entry in updates if entry.run.key == key):
        for point in entry.points:
            points.setdefault(point.key, []).append((point.step, point.value))
        tags |= entry.tags
        status = entry.status or status
    return points, tags, status


def test_a_trial_shows_every_evaluation_and_its_best_score() -> None:
    points, tags, status = merged(replay(events()), "trial:0")
    assert points["eval_matthews_correlation"] == points["eval_score"] == [(50, 0.30), (100, 0.50), (150, 0.40)]
    assert points["epoch"] == [(50, 1.0), (100, 2.0), (150, 3.0)]
    assert points["best_score"] == [(50, 0.30), (100, 0.50)]
    assert points["best_score_epoch"] == [(50, 1.0), (100, 2.0)]
    assert next(iter(points)) == "best_score", "the first metric is the one that MLflow's comparison opens on"
    assert not {"score", "matthews_correlation"} & points.keys(), "a value of one evaluation is named as such"
    assert points["validation.matthews_correlation"] == [(0, 0.45)]
    assert {"eval_loss", "train_loss", "learning_rate", "train_seconds", "train_tokens"} <= points.keys()
    assert tags["gluetune.winner"] == "true"
    assert tags["gluetune.folder"] == "runs/small/winners/cola"
    assert status == "FINISHED"


def test_a_trial_carries_its_whole_configuration_and_tags() -> None:
    first = replay(events())[0]
    assert first.params["learning_rate"] == "0.0001"
    assert first.params["batch_size"] == "16"
    assert first.params["warmup_ratio"] == "0.1"
    assert first.params["seed"] == "100"
    assert first.tags["gluetune.trial"] == "0"
    assert (first.tags["gluetune.task"], first.tags["gluetune.model"]) == ("cola", "synthetic")
    assert first.tags["gluetune.seed"] == "100"
    assert (first.tags["gluetune.search"], first.tags["gluetune.data"]) == ("small", "generated (seed 0)")
    assert first.run.name == "cola-0000 lr 1e-4 bs 16"
    assert (first.run.parent.name, first.run.parent.parent.name) == ("CoLA", "small")


def test_a_trial_carries_its_own_encoder_where_the_search_has_several() -> None:
    event = started(0, "cola")
    event = event.model_copy(update={"params": {"model": "org/b", **event.params}})
    (first,) = EventMapper(plan(model="org/a, org/b"), started=0.0).updates(event, apply_event({}, event))
    assert first.params["model"] == first.tags["gluetune.model"] == "org/b"


def test_descriptions_tell_the_result() -> None:
    notes = {
        key: merged(replay(events()), key)[1].get("mlflow.note.content", "")
        for key in ("search", "task:cola", "trial:0", "trial:2", "trial:3")
    }
    assert "matthews_correlation 0.5000" in notes["trial:0"]
    assert "after epoch 2 of 3; finished" in notes["trial:0"]
    assert "- validation: matthews_correlation 0.4500" in notes["trial:0"]
    assert "epoch 1 of 1; pruned" in notes["trial:2"]
    assert notes["trial:3"] == "diverged; never evaluated"
    assert "0.5000** by cola-0000 lr 1e-4 bs 16" in notes["task:cola"]
    assert "| MNLI | accuracy | 0.7000 | 0.3450 | mnli-0001 lr 1e-4 bs 16 |" in notes["search"]


def test_the_description_of_a_search_that_has_ended_says_how_its_trials_ended() -> None:
    mapper, trials = EventMapper(plan(), started=0.0), {}  # type: ignore[var-annotated]
    for event in events():
        mapper.updates(event, apply_event(trials, event))
    mapper.result = ("It used 62 CPU-seconds.",)
    _, tags, status = merged(mapper.finish_updates(BEGIN + 600, "FINISHED"), "search")
    assert tags["mlflow.note.content"].endswith("\n\nIt used 62 CPU-seconds.")
    assert "4 trials: 2 finished, 1 pruned, 1 diverged" in tags["mlflow.note.content"]
    assert "| CoLA | matthews_correlation | 0.5000 |" in tags["mlflow.note.content"]
    assert status == "FINISHED"


PRETRAINING = TaskPlan("pretraining", "Pre-training", "generated text", 900, 100, {}, "loss", 7.5, 1)


def test_a_pretraining_run_shows_its_losses_and_its_encoder() -> None:
    mapper, trials = EventMapper(plan(tasks=(PRETRAINING,)), started=0.0), {}  # type: ignore[var-annotated]
    updates = [update for event in pretraining_events() for update in mapper.updates(event, apply_event(trials, event))]
    points, tags, status = merged(updates, "trial:0")
    assert points["masked_lm_loss"] == [(10, 5.25), (20, 4.25), (30, 3.25)]
    assert points["train_next_sentence_loss"] == [(10, 0.7), (20, 0.7), (30, 0.7)]
    assert points["validation.masked_lm_loss"] == [(0, 3.25)]
    assert {"learning_rate", "epoch", "train_seconds", "train_tokens", "next_sentence_accuracy"} <= points.keys()
    assert not [name for name in points if name.endswith("score")], "losses are no scores"
    assert (tags["gluetune.folder"], status) == ("runs/bert/encoder", "FINISHED")
    for part in ("3.2500", "0.6250", "step 30 of 30", "finished", "runs/bert/encoder"):
        assert part in tags["mlflow.note.content"]
    assert merged(updates, "task:pretraining")[1]["gluetune.folder"] == "runs/bert/encoder"


def test_a_name_with_many_fields_is_cut() -> None:
    record = TrialRecord(7, "cola", {f"field_{number}": 0.5 for number in range(20)}, {}, 0, 0.0)
    assert run_name(record).startswith("cola-0007 field_0 0.5 field_1 0.5")
    assert len(run_name(record)) == MAX_NAME_CHARS


def test_runs_name_the_rows_that_they_read() -> None:
    prints = {"train": "a" * 64, "selection": "b" * 64, "validation": "c" * 64}
    mapper, trials = EventMapper(plan(tasks=(replace(COLA, fingerprints=prints), MNLI)), started=0.0), {}  # type: ignore[var-annotated]
    updates = [entry for event in events() for entry in mapper.updates(event, apply_event(trials, event))]
    read = {
        key: {rows for entry in updates if entry.run.key == key for rows in entry.datasets}
        for key in ("trial:0", "trial:2", "trial:1", "task:cola")
    }
    both = {("cola-train", "a" * 16, 1800, "training"), ("cola-selection", "b" * 16, 200, "selection")}
    assert {(r.name, r.digest, r.rows, r.context) for r in read["trial:2"]} == both
    assert {(r.name, r.digest, r.rows, r.context) for r in read["trial:0"]} == {
        *both,
        ("cola-validation", "c" * 16, 400, "evaluation"),
    }
    assert {rows.name for rows in read["task:cola"]} >= {"cola-validation"}
    assert not read["trial:1"], "rows without a fingerprint have no digest to be known by"


def test_a_pruned_trial_is_finished_and_says_where_it_was_cut() -> None:
    _, tags, status = merged(replay(events()), "trial:2")
    assert (status, tags["gluetune.status"], tags["gluetune.pruned_at"]) == ("FINISHED", "pruned", "1")


def test_a_diverged_trial_is_failed_and_says_why() -> None:
    points, tags, status = merged(replay(events()), "trial:3")
    assert (status, tags["gluetune.status"]) == ("FAILED", "diverged")
    assert tags["gluetune.message"] == "loss is not a finite number"
    assert "best_score" not in points


@pytest.mark.parametrize(
    ("status", "expected"),
    [("stopped", "KILLED"), ("failed", "FAILED"), ("out_of_memory", "FAILED"), ("finished", "FINISHED")],
)
def test_run_status_follows_trial_status(status: str, expected: str) -> None:
    updates = replay([started(0, "cola"), evaluated(0, 1, 0.3), ended(0, status)])
    assert merged(updates, "trial:0")[2] == expected


def test_search_and_task_show_each_improvement_once() -> None:
    updates = replay(events())
    search, task = merged(updates, "search")[0], merged(updates, "task:cola")
    assert search["best_score/cola"] == task[0]["best_score"] == [(1, 0.30), (2, 0.50)]
    assert search["best_score/mnli"] == [(1, 0.60), (2, 0.70)]
    assert task[0]["trial_score"] == [(0, 0.50), (2, 0.10)]
    assert task[1]["gluetune.best_trial"] == task[1]["gluetune.winner"] == "cola-0000"
    assert search["dev_score/mnli"] == [(0, 0.68)]  # the first development split ranks


def test_a_stopped_trial_that_goes_on_runs_again() -> None:
    journal = [started(0, "cola"), evaluated(0, 1, 0.3), ended(0, "stopped"), evaluated(0, 2, 0.4)]
    assert merged(replay(journal), "trial:0")[2] == "RUNNING"  # type: ignore[arg-type]


def test_replaying_gives_the_same_entries() -> None:
    assert repr(replay(events())) == repr(replay(events()))


def test_opening_names_the_plan_and_keeps_the_job_file() -> None:
    search, cola, mnli = EventMapper(plan(), started=5.0).start_updates("name: small\n")
    assert search.files == {"job.yaml": "name: small\n"}
    assert search.params["space_source"] == "Turc et al. 2019"
    assert search.params["tasks"] == "cola, mnli"
    assert search.params["objective"] == "score"
    assert (cola.params["metric"], cola.params["train_rows"]) == ("matthews_correlation", "1800")
    assert [(point.key, point.value) for point in mnli.points] == [("baseline", 0.345)]
    assert {entry.tags["gluetune.search"] for entry in (search, cola, mnli)} == {"small"}
    assert cola.tags["gluetune.data"] == "generated (seed 0)"


@pytest.mark.parametrize("scored", [False, True])
def test_a_long_message_is_cut_in_the_tag_and_whole_in_a_file(scored: bool) -> None:
    trace = "Traceback\n" + "line\n" * 2000
    updates = replay([started(0, "cola"), *([evaluated(0, 1, 0.3)] if scored else []), ended(0, "failed", trace)])
    end = next(entry for entry in updates if entry.status == "FAILED")
    assert end.tags["gluetune.message"] == trace[:4000]
    assert end.files == {"message.txt": trace}


def test_a_short_message_needs_no_file() -> None:
    assert not any(entry.files for entry in replay(events()))


def test_an_earlier_winner_is_one_no_more() -> None:
    scored = WinnerEvaluated(time=BEGIN + 900, number=4, task="cola", scores={}, folder="runs/small/winners/cola")
    updates = replay([*events(), started(4, "cola"), evaluated(4, 1, 0.9), ended(4), scored])
    old, new, other = (merged(updates, f"trial:{number}")[1] for number in (0, 4, 1))
    assert (old["gluetune.winner"], new["gluetune.winner"], other["gluetune.winner"]) == ("false", "true", "true")
    assert (old["gluetune.folder"], new["gluetune.folder"]) == ("", "runs/small/winners/cola")


def test_a_winner_scored_again_stays_one() -> None:
    again = WinnerEvaluated(time=BEGIN + 900, number=0, task="cola", scores={}, folder="runs/small/winners/cola")
    assert merged(replay([*events(), again]), "trial:0")[1]["gluetune.winner"] == "true"


def test_an_unknown_event_is_refused() -> None:
    with pytest.raises(TypeError, match="event must be one of the journal's, but got str"):
        EventMapper(plan(), started=0.0).updates("evaluated", TrialRecord(0, "cola", {}, {}, 0, 0.0))  # type: ignore[arg-type]


def test_of_many_tasks_a_description_leaves_out_winners_before_the_result() -> None:
    """Stores refuse a tag that is too long; a title may hold what Markdown takes for the end of a cell."""
    tasks = tuple(replace(COLA, task=f"task{number}", title=f"a|b {number}") for number in range(100))
    (winner,) = [trial for trial in folded(events()).values() if trial.number == 0]
    note = search_note(plan(tasks=tasks), {task.task: winner for task in tasks}, {"finished": 100}, ["It is so."])
    assert len(note) <= MAX_NOTE_CHARS
    assert note.endswith("100 trials: 100 finished.\n\nIt is so.")
    rows = [line for line in note.splitlines() if line.startswith("| a")]
    assert 10 < len(rows) < 100
    assert {row.count("|") for row in rows} == {6}
