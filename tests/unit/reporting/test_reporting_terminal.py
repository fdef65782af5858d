"""What the user reads: the plan, live lines and table, the summary."""

from __future__ import annotations

import dataclasses
import io
import re
from collections.abc import Callable

import pytest
from rich.console import Console

from gluetune.events import EncoderPlan, Evaluated, SearchPlan, TrialRecord, WinnerEvaluated, format_epochs
from gluetune.reporting import (
    LiveTable,
    ProgressLog,
    print_locations,
    print_models,
    print_plan,
    print_results,
    summarise,
)
from gluetune.reporting.schema import SearchStatus
from gluetune.tracking import Registration
from sample_search import BEGIN, COLA, ended, evaluated, events, folded, plan, send_events, started


def console(width: int = 120, terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None)


def text(of: Console) -> str:
    return of.file.getvalue()


def row(output: str, first: str) -> list[str]:
    """The cells of the first table row that begins with a word."""
    line = next(line for line in output.splitlines() if line.strip().startswith(first + " "))
    return re.split(r"\s{2,}", line.strip())


def final_summary(
    to: Console,
    of: SearchPlan,
    trials: dict[int, TrialRecord],
    status: SearchStatus = "complete",
    *,
    session_started: float = BEGIN,
) -> str:
    summary = summarise(
        of,
        trials.values(),
        status=status,
        session_started=session_started,
        now=session_started + 54,
        models={"cola": Registration("models:/gluetune-cola@champion", True, "version 1, champion")},
    )
    print_results(summary, to)
    print_models(summary, to)
    print_locations(summary, to, ui="gluetune ui --storage-path /runs", summary_file="runs/summary.json")
    return text(to)


@pytest.mark.parametrize(
    ("planned", "configurations", "shown"), [(8, 18, "8 of 18"), (18, 18, "18"), (8, None, "8"), (None, None, "–")]
)
def test_opening_says_how_much_of_the_space_is_searched(
    planned: int | None, configurations: int | None, shown: str
) -> None:
    out, task = console(), dataclasses.replace(COLA, planned=planned, configurations=configurations)
    print_plan(plan(tasks=(task,)), out)
    assert row(text(out), "CoLA")[1] == shown


def test_opening_says_what_runs_on_what_data() -> None:
    out = console()
    print_plan(plan(time_budget_s=600), out)
    said = text(out)
    assert "compact_bert: learning_rate, batch_size (Turc et al. 2019)" in said
    assert "grid, scheduler asha, at most 10 min 00 s" in said
    assert "2, each 1 worker (1 CPU)" in said
    assert row(said, "CoLA") == ["CoLA", "2", "1,800", "200", "400", "MCC", "0.0000"]
    assert row(said, "MNLI") == ["MNLI", "2", "2,400", "240", "300 + 310", "accuracy", "0.3450"]
    assert "CoLA, MNLI: generated (seed 0)" in said


def test_opening_names_the_parts_of_the_checkpoint_that_are_not_used() -> None:
    to = console()
    print_plan(plan(left_out={"cls": 5, "classifier": 1}), to)
    (line,) = (line for line in text(to).splitlines() if line.startswith("left out"))
    assert "cls (5 tensors), classifier (1 tensor)" in line
    to = console(width=200)
    print_plan(plan(left_out={f"bert.encoder.layer.{number}": 16 for number in range(12)}), to)
    assert "bert.encoder.layer.3 (16 tensors), 8 more parts" in text(to)
    to = console()
    print_plan(plan(), to)
    assert "left out" not in text(to)


def test_opening_names_the_unused_parts_of_each_of_several_checkpoints() -> None:
    to = console(width=200)
    encoders = (EncoderPlan("a", 1, "s", "", (), left_out={"cls": 5}), EncoderPlan("b", 1, "s", "", ()))
    print_plan(plan(encoders=encoders), to)
    (line,) = (line for line in text(to).splitlines() if line.startswith("left out"))
    assert "a, of the checkpoint: cls (5 tensors)" in line


def test_lines_when_it_is_no_terminal() -> None:
    out = console(80)
    with LiveTable(plan(), out) as live:
        live.note("lanes start")
        send_events(live, events())
    lines = [line.split(" ", 1)[1] for line in text(out).splitlines()]
    assert lines == [
        "lanes start",
        "CoLA: best MCC is now 0.3000 (cola-0000, epoch 1: lr 1e-4 · batch 16)",
        "MNLI: best accuracy is now 0.6000 (mnli-0001, epoch 1: lr 1e-4 · batch 16)",
        "CoLA: best MCC is now 0.5000 (cola-0000, epoch 2: lr 1e-4 · batch 16)",
        "cola-0000 finished: best 0.5000; CoLA 1/2 done, about 22 s left",
        "MNLI: best accuracy is now 0.7000 (mnli-0001, epoch 2: lr 1e-4 · batch 16)",
        "mnli-0001 finished: best 0.7000; MNLI 1/2 done, about 22 s left",
        "cola-0002 pruned: best 0.1000; CoLA 2/2 done",
        "mnli-0003 diverged (loss is not a finite number): best –; MNLI 2/2 done",
        "CoLA: the winner cola-0000 has been saved and scored on the validation rows",
        "MNLI: the winner mnli-0001 has been saved and scored on the validation_matched and validation_mismatched rows",
    ]


def test_a_winner_without_further_rows_is_saved_and_not_scored() -> None:
    out = console()
    with LiveTable(plan(), out) as live:
        send_events(
            live, [started(0, "cola"), WinnerEvaluated(time=BEGIN, number=0, task="cola", folder="x", scores={})]
        )
    assert "the winner cola-0000 has been saved" in text(out)
    assert "scored" not in text(out)


@pytest.mark.parametrize("follow", [LiveTable, lambda _, to: ProgressLog(to)])
def test_a_failed_trials_line_shows_its_error(follow: Callable[[SearchPlan, Console], LiveTable | ProgressLog]) -> None:
    out = console()
    trace = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    x[1]\nIndexError: index out of range'
    with follow(plan(), out) as live:
        send_events(live, [started(0, "cola"), ended(0, "failed", trace)])
    assert "cola-0000 failed (IndexError: index out of range)" in text(out)
    assert "Traceback" not in text(out)


def test_a_resumed_search_speaks_of_what_is_better_than_before() -> None:
    out, journal = console(), events()
    trials = folded(journal[:5])
    with LiveTable(plan(), out, trials) as live:
        send_events(live, journal[5:6], trials)
    assert text(out) == ""


def test_the_live_table_counts_and_shows_the_best() -> None:
    out = console(120)
    live = LiveTable(plan(), out, folded(events()[:11]))
    out.print(live.render())
    said = text(out)
    header = ["task", "planned", "done", "running", "pruned", "failed", "left", "best", "configuration"]
    assert row(said, "task") == header
    assert row(said, "CoLA") == ["CoLA", "2", "1", "1", "0", "0", "18 s", "0.5000", "lr 1e-4 · batch 16"]
    assert row(said, "MNLI") == ["MNLI", "2", "1", "0", "0", "0", "18 s", "0.7000", "lr 1e-4 · batch 16"]


def test_the_live_table_on_a_terminal_shows_notes() -> None:
    out = console(90, terminal=True)
    with LiveTable(plan(), out) as live:
        live.note("lanes start")
        out.print(live.render())
        assert "so far · lanes start" in text(out)
        send_events(live, events())
    assert "best MCC is now" not in text(out)


def test_what_others_print_is_not_shown_above_the_live_table(capsys: pytest.CaptureFixture[str]) -> None:
    out = console(terminal=True)
    with LiveTable(plan(), out):
        print("Failed to fetch metrics")  # as Ray Tune does at the end; the terminal's `logging_to` has the stream
    assert "Failed" not in text(out)
    assert capsys.readouterr().out == "Failed to fetch metrics\n"


@pytest.mark.parametrize("width", [80, 120])
def test_closing(width: int) -> None:
    said = final_summary(console(width), plan(), folded(events()))
    cells = row(said, "CoLA")
    assert cells[:7] == ["CoLA", "MCC", "0.5000", "0.0000", "0.4500", "2 of 3", "27 s"]
    assert row(said, "MNLI")[:7] == ["MNLI", "accuracy", "0.7000", "0.3450", "m 0.6800", "2", "18 s"]
    assert "mm 0.6600" in said
    assert ("cola-0000: lr 1e-4 · batch 16" in said) == (width == 80)
    assert cells[7:] == ([] if width == 80 else ["cola-0000", "lr 1e-4 · batch 16"])
    assert "4 trials: 2 finished, 1 pruned, 1 diverged" in said
    assert "2 lanes, 54 s, 58% of their time in training and evaluation" in said
    assert "median 0.06 s on a lane from a trial's last evaluation to the next's first step" in " ".join(said.split())
    assert "CoLA checkpoint   runs/small/winners/cola\n" in said
    assert "\ncola = mlflow.pyfunc.load_model('models:/gluetune-cola@champion')  # version 1, champion\n" in said
    assert "\nmnli = " not in said
    assert said.rstrip().endswith("MLflow UI         gluetune ui --storage-path /runs")
    assert max(map(len, said.splitlines()[:12])) <= width


def test_the_use_of_the_lanes_is_left_out_of_a_session_that_trains_no_trials() -> None:
    said = final_summary(console(120), plan(), folded(events()), session_started=BEGIN + 10_000)
    assert "4 trials:" in said
    assert "of their time in training" not in said


def test_closing_compares_selection_and_dev_in_one_precision() -> None:
    journal = [
        event.model_copy(update={"precision": "bf16"}) if isinstance(event, Evaluated) else event for event in events()
    ]
    journal = [
        event.model_copy(update={"selection_scores": {"matthews_correlation": 0.4875}, "selection_loss": 0.5})
        if isinstance(event, WinnerEvaluated) and event.task == "cola"
        else event
        for event in journal
    ]
    said = final_summary(console(), plan(), folded(journal))
    assert row(said, "CoLA")[2:5] == ["0.4875", "0.0000", "0.4500"]
    assert "bfloat16" in said
    assert "bfloat16" not in final_summary(console(), plan(), folded(events()))


def test_closing_of_a_search_that_evaluated_nothing() -> None:
    said = final_summary(console(), plan(), {})
    assert row(said, "CoLA") == ["CoLA", "MCC", "–", "0.0000", "–", "–", "–", "none", "no trial was evaluated"]
    assert "no trials" in said


def test_closing_says_that_the_time_was_up() -> None:
    said = final_summary(console(), plan(), folded(events()), "out_of_time")
    assert "\nout of time; 4 trials: 2 finished, 1 pruned, 1 diverged\n" in said


def test_epochs_have_two_decimals_at_most() -> None:
    """As many as the steps make of them: 143 steps of 57.1 an epoch."""
    live, out = console(), console()
    journal = [started(0, "cola"), evaluated(0, 1, 0.5, epoch=2.504425), evaluated(0, 2, 0.4, epoch=4.285714), ended(0)]
    trials = send_events(LiveTable(plan(), live), journal)
    final_summary(out, plan(), trials)
    assert "epoch 2.5:" in text(live)
    assert "2.5 of 4.29" in text(out)
    assert "2.5044" not in text(live) + text(out)
    assert [format_epochs(number) for number in (3.0, 2.0 / 3, 10, 0.504425, 100.0)] == [
        "3",
        "0.67",
        "10",
        "0.5",
        "100",
    ]


def test_a_test_split_that_is_the_development_split_is_named_in_plan_and_result() -> None:
    of = plan(tasks=(dataclasses.replace(COLA, same_rows={"test": "validation"}),))
    trials = folded(event for event in events() if getattr(event, "number", 0) in (0, 2))
    first, last = console(), console()
    print_plan(of, first)
    final_summary(last, of, trials)
    for said in (text(first), text(last)):
        assert re.search("CoLA: .*test.*validation", said)
    assert summarise(of, trials.values(), status="complete", session_started=BEGIN, now=BEGIN).tasks[0].same_rows == {
        "test": "validation"
    }
