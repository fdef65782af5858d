"""Thresholds and scores of classes, from the winner's selection rows to its folder, predictions and MLflow."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from gluetune.config import TrainingConfig
from gluetune.data import EncodedTask
from gluetune.events import ClassScores, WinnerEvaluated
from gluetune.inference import TextSettings, load_classifier, read_text_settings
from gluetune.models import build_model
from gluetune.reporting import print_results
from gluetune.reporting.summary import summarise
from gluetune.storage import Storage
from gluetune.tasks import Task
from gluetune.tasks.metrics import compute_metrics
from gluetune.tasks.thresholds import tune_thresholds
from gluetune.tracking.display import class_tables
from gluetune.training import DistributedContext, predict_logits
from gluetune.workloads.winner_scoring import score_saved, tune_saved
from sample_search import BEGIN, events, folded, plan
from tiny_classifiers import write_classifier
from training_setup import own_task, rows, task_data, tiny_encoder

CPU = DistributedContext()
TRAINING = TrainingConfig()


def setting(task: Task) -> tuple[Any, EncodedTask]:
    """A model of random weights, which is never right by more than chance, and rows."""
    model = build_model(tiny_encoder(), task, TRAINING, seed=1).eval()
    return model, replace(task_data(task), dev={"validation": rows(task, 40, 5)})


@pytest.mark.parametrize("problem", ["single_label", "multi_label"])
def test_development_rows_are_scored_with_the_thresholds_of_the_selection_rows(problem: Any) -> None:
    task = replace(own_task(problem, 2), tuned_thresholds=True)
    model, data = setting(task)
    logits, labels = predict_logits(model, data.selection, 128), data.selection.labels
    assert labels is not None
    tuning = tune_saved(model, task, data, TRAINING, CPU, score_selection=False)
    expected = tune_thresholds(task, logits, labels)
    np.testing.assert_array_equal(tuning.thresholds, expected)
    assert tuning.scores == compute_metrics(task, logits, labels, expected)
    assert list(tuning.by_label(task)) == ["class0", "class1"]
    scores, selection = score_saved(model, task, data, TRAINING, CPU, score_selection=True, tuning=tuning)
    found, dev = scores["validation"], data.dev["validation"]
    assert dev.labels is not None
    dev_logits = predict_logits(model, dev, 128)
    assert found.metrics == compute_metrics(task, dev_logits, dev.labels, expected)
    assert found.untuned == compute_metrics(task, dev_logits, dev.labels)
    assert selection is not None
    assert selection.metrics == compute_metrics(task, logits, labels)  # comparable with the trials'
    assert found.classes is not None
    assert np.mean(list(found.classes.f1.values())) == pytest.approx(found.metrics["f1_macro"])


def test_a_task_that_does_not_ask_has_no_thresholds() -> None:
    task = own_task("multi_label", 2)
    model, data = setting(task)
    assert tune_saved(model, task, data, TRAINING, CPU, score_selection=False).logits is None
    alone = tune_saved(model, task, replace(data, dev={}), TRAINING, CPU, score_selection=False)
    assert alone.thresholds is None
    assert alone.classes is not None  # where no rows are scored, those of the selection rows are shown


@pytest.mark.parametrize("problem", ["single_label", "multi_label"])
def test_a_folder_keeps_its_thresholds(problem: Any, tmp_path: Path) -> None:
    task = own_task(problem, 2)
    folder, texts = write_classifier(tmp_path / "own", task), ["a b c", "z y x", "b", "q w e r t"]
    shares = load_classifier(str(folder), task).predict_proba(texts)
    cut = {"class0": 1 - 0.9 * float(shares[0, 1]), "class1": 0.9 * float(shares[0, 1])}
    TextSettings(max_seq_length=20, truncation="longest_first", thresholds=cut).write(folder)
    classifier = load_classifier(str(folder), task)
    expected = shares > [cut["class0"], cut["class1"]]
    if problem == "multi_label":
        assert classifier.predict(texts) == [[f"class{k}" for k in range(2) if row[k]] for row in expected]
    else:
        assert classifier.predict(texts) == [f"class{int(row[1])}" for row in expected]
    np.testing.assert_array_equal(classifier.predict_proba(texts), shares)
    settings = read_text_settings(Storage(str(folder)))
    assert settings is not None
    assert settings.cut == {"max_seq_length": 20, "truncation": "longest_first"}


def test_a_folder_without_thresholds_is_written_as_before(tmp_path: Path) -> None:
    TextSettings(max_seq_length=20, truncation="longest_first", task="cola").write(tmp_path)
    assert "thresholds" not in (tmp_path / "gluetune.json").read_text()


SINGLE = ClassScores(
    precision={"a, b": 0.5, "c": 1.0}, recall={"a, b": 1.0, "c": 0.5}, f1={"a, b": 0.66, "c": 0.66},
    support={"a, b": 1, "c": 2}, confusion=[[1, 0], [1, 1]],
)  # fmt: skip


def test_mlflow_gets_tables_of_the_classes() -> None:
    files = class_tables({"validation": SINGLE})
    assert (
        files["classes_validation.csv"] == 'label,precision,recall,f1,rows\n"a, b",0.5,1.0,0.66,1\nc,1.0,0.5,0.66,2\n'
    )
    assert files["confusion_validation.csv"] == 'label,"a, b",c\n"a, b",1,0\nc,1,1\n'
    several = SINGLE.model_copy(update={"confusion": [], "outcomes": [[1, 2, 3, 4], [5, 6, 7, 8]]})
    table = class_tables({"test": several})["confusion_test.csv"]
    assert str(table).splitlines()[1:] == ['"a, b",1,2,3,4', "c,5,6,7,8"]


@pytest.mark.parametrize("classes", [2, 3])
def test_the_end_of_a_search_shows_what_thresholds_do(classes: int) -> None:
    cuts = {"unacceptable": 0.75, "acceptable": 0.25} if classes == 2 else {"a": 0.125, "b": 0.5, "c": 0.625}
    event = WinnerEvaluated(
        time=BEGIN + 500,
        number=0,
        task="cola",
        scores={"validation": {"matthews_correlation": 0.5125}},
        untuned_scores={"validation": {"matthews_correlation": 0.4375}},
        tuned_selection_scores={"matthews_correlation": 0.5},
        thresholds=cuts,
        folder="runs/small/winners/cola",
    )
    trials = folded([*events(), event]).values()
    summary = summarise(plan(), trials, status="complete", session_started=BEGIN, now=BEGIN + 600, models={})
    console = Console(file=io.StringIO(), width=200)
    print_results(summary, console)
    (line,) = [line for line in console.file.getvalue().splitlines() if "tuned on the selection rows" in line]
    shown = ("acceptable", "0.250") if classes == 2 else ("3 labels", "0.125 to 0.625")
    assert all(
        part in line for part in ("CoLA", *shown, "0.5000 on selection", "0.5125 on validation (with 0.5: 0.4375)")
    ), line


def test_an_event_keeps_thresholds_and_classes() -> None:
    event = WinnerEvaluated(
        time=1.0, number=2, task="own", scores={}, folder="f", thresholds={"c": 0.25}, classes={"test": SINGLE}
    )
    assert WinnerEvaluated.model_validate_json(event.model_dump_json()) == event
