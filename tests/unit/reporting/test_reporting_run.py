"""What the user reads of one run: its lines, its figures beside the published ones, its learning curve."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Console

from gluetune.config import PublishedConfig
from gluetune.events import Event, StepLogged, TrialRecord, WinnerEvaluated
from gluetune.reporting import (
    ProgressLog,
    learning_curve,
    print_batch_metrics,
    print_metrics,
    print_plan,
    row_counts,
    trial_metrics,
)
from sample_search import BEGIN, COLA, ended, evaluated, folded, plan, pretraining_events, send_events, started


def logged(step: int, **changes: Any) -> StepLogged:
    fields = {
        "time": BEGIN + step,
        "number": 0,
        "step": step,
        "epoch": step / 50,
        "loss": 0.6931,
        "accuracy": 0.65625,
        "learning_rate": 5e-6,
        "examples_per_second": 1234.5,
    }
    return StepLogged(**(fields | changes))


def run_events() -> list[Event]:
    return [
        started(0, "cola"),
        logged(4),
        logged(8, accuracy=None),
        evaluated(0, 1, 0.3, train_accuracy=0.71),
        evaluated(0, 2, 0.5, train_accuracy=0.82),
        ended(0),
        WinnerEvaluated(
            time=BEGIN + 70,
            number=0,
            task="cola",
            folder="runs/small/winners/cola",
            scores={"validation": {"matthews_correlation": 0.45}},
            rows={"validation": 516},
            batch_scores={"validation": [0.1, -0.25, 1.0]},
        ),
    ]


def console() -> Console:
    return Console(file=io.StringIO(), width=100, color_system=None)


def text(of: Console) -> str:
    return of.file.getvalue()


def test_figures_of_selection_rows_are_the_saved_models_where_trials_had_another_precision() -> None:
    journal = [
        event.model_copy(update={"selection_scores": {"matthews_correlation": 0.48}, "selection_loss": 0.7})
        if isinstance(event, WinnerEvaluated)
        else event
        for event in run_events()
    ]
    figures = trial_metrics(folded(journal)[0])
    assert (figures["selection.matthews_correlation"], figures["selection.loss"]) == (0.48, 0.7)


def trial() -> TrialRecord:
    return folded(run_events())[0]


def test_each_log_and_each_evaluation_is_a_line_with_the_time_gone() -> None:
    out = console()
    with ProgressLog(out) as log:
        send_events(log, run_events())
    lines = text(out).splitlines()
    assert lines[1:4] == [
        "epoch 0.08 · step 4 · loss 0.6931 · accuracy 0.6562 · lr 5.00e-06 · 1,234 examples/s",
        "epoch 0.16 · step 8 · loss 0.6931 · lr 5.00e-06 · 1,234 examples/s",
        "epoch 1: training loss 0.8000, accuracy 0.7100, 225 examples/s; validation loss 0.7000, MCC 0.3000; "
        "0:00:09 elapsed",
    ]
    assert lines[4].endswith("0:00:18 elapsed")
    assert lines[5].endswith("cola-0000 finished")


def test_each_evaluation_of_a_pretraining_run_is_a_line() -> None:
    out = console()
    with ProgressLog(out) as log:
        send_events(log, pretraining_events())
    lines = text(out).splitlines()
    assert lines[1] == (
        "step 10/30 · training MLM 5.500, NSP 0.700 · held-out MLM 5.250 (25.0% right), NSP 0.625 (75.0%) · "
        "40 sentence pairs/s"
    )
    assert lines[-1].endswith("runs/bert/encoder")


def test_what_was_measured_by_name() -> None:
    figures = trial_metrics(trial())
    assert figures == pytest.approx(
        {
            "train.loss": 0.6,
            "train.accuracy": 0.82,
            "train.examples_per_second": 225.0,
            "selection.matthews_correlation": 0.5,
            "selection.loss": 0.5,
            "validation.matthews_correlation": 0.45,
        }
    )
    assert row_counts(COLA, trial()) == {"train": 1800, "selection": 200, "validation": 516}


def test_published_figures_stand_beside_the_measured_ones() -> None:
    out = console()
    published = PublishedConfig(
        source="A page, https://example.org",
        note="bert-base-uncased",
        figures={"validation.matthews_correlation": 0.529, "test.accuracy": 0.594},
    )
    print_metrics(trial_metrics(trial()), row_counts(COLA, trial()), published, out, source="dir:glue/CoLA")
    rows = {cells[0]: cells[1:] for line in text(out).splitlines() if (cells := re.split(r"\s{2,}", line.strip()))}
    assert rows["validation.matthews_correlation"] == ["516", "0.5290", "0.4500"]
    assert rows["test.accuracy"] == ["–", "0.5940", "–"]
    assert rows["train.loss"] == ["1,800", "–", "0.6000"]
    assert "published: A page, https://example.org" in text(out)
    assert "bert-base-uncased" in text(out)


def test_without_published_figures_there_is_no_such_column() -> None:
    out = console()
    print_metrics({"train.loss": 0.25}, {"train": 10}, None, out, source="generated (seed 0)")
    assert "published" not in text(out)


def test_figures_of_generated_rows_are_called_what_they_are() -> None:
    out = console()
    published = PublishedConfig(source="A page, https://example.org", figures={"test.accuracy": 0.594})
    print_metrics({"test.accuracy": 0.9}, {}, published, out, source="generated (seed 0)", synthetic=True)
    assert "measured:  generated (seed 0), not the published data: the values cannot be compared" in text(out)


def test_a_source_that_is_only_named_so_is_not_taken_for_generated_rows() -> None:
    out = console()
    published = PublishedConfig(source="A page, https://example.org", figures={"test.accuracy": 0.594})
    print_metrics({"test.accuracy": 0.9}, {}, published, out, source="generated/dev.tsv")
    assert "cannot be compared" not in text(out)


def test_a_correlation_is_also_printed_batch_by_batch() -> None:
    out = console()
    scored = trial().winner
    assert scored is not None
    print_batch_metrics("MCC", scored.batch_scores, 32, out)
    assert text(out).strip() == "validation: MCC of each 32 rows: 0.10 -0.25 1.00"


def test_a_run_opens_with_its_settings_instead_of_a_search_space() -> None:
    out = console()
    print_plan(plan(fields=(), fixed={"learning_rate": 2e-5, "batch_size": 32}), out)
    assert "lr 2e-5 · batch 32" in text(out)
    assert not re.search("^(space|algorithm|search) ", text(out), re.MULTILINE)


def test_a_log_reported_again_after_a_restart_replaces_the_earlier_one() -> None:
    again = folded([*run_events()[:3], logged(4, loss=0.5), logged(8, loss=0.4)])[0]
    assert [(log.step, log.loss) for log in again.logs] == [(4, 0.5), (8, 0.4)]


def test_the_learning_curve_is_a_picture() -> None:
    picture = learning_curve(trial())
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 10_000
