"""``Classifier.evaluate``: labelled rows as Python programs hold them, and the scores that they get."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

import gluetune
from gluetune.config import TaskFiles
from gluetune.data import open_own_task
from gluetune.errors import DataError
from gluetune.inference import Classifier, TextSettings
from gluetune.tasks import Task, get_task
from tiny_classifiers import write_classifier

TEXTS = [f"{one} {two} {three}" for one in "abcx" for two in "ghz" for three in "mno"]
Own = Callable[..., Classifier]


@pytest.fixture
def own(tmp_path: Path) -> Own:
    """Make a tiny classifier of a task that is read from a table of labels."""

    def make(labels: dict[str, Any], thresholds: dict[str, float] | None = None, **settings: Any) -> Classifier:
        train = tmp_path / "train.jsonl"
        frame = pd.DataFrame({"title": [text[:2] for text in TEXTS], "body": TEXTS, **labels})
        frame.to_json(train, orient="records", lines=True)
        files = TaskFiles(train=str(train), text="{title}{body}", label=list(labels), **settings)
        task = open_own_task("mine", files).task
        folder = write_classifier(tmp_path / "model", task)
        text = TextSettings(max_seq_length=16, truncation="longest_first").of_task(task)
        text.model_copy(update={"thresholds": thresholds}).write(folder)
        return gluetune.load(str(folder), device="cpu")

    return make


def test_a_file_a_frame_and_texts_beside_labels_get_the_same_scores(tmp_path: Path) -> None:
    classifier = gluetune.load(write_classifier(tmp_path / "cola", get_task("cola")), device="cpu")
    labels = [classifier.task.labels[number % 2] for number in range(len(TEXTS))]
    frame = pd.DataFrame({"number": 7, "sentence": TEXTS, "label": labels})
    files = {name: tmp_path / f"rows.{name}" for name in ("csv", "tsv", "jsonl", "parquet")}
    frame.to_csv(files["csv"], index=False)
    frame.to_csv(files["tsv"], index=False, sep="\t")
    frame.to_json(files["jsonl"], orient="records", lines=True)
    frame.to_parquet(files["parquet"])
    expected = classifier.evaluate(TEXTS, labels)
    predicted = classifier.predict(TEXTS)
    assert expected.rows == len(TEXTS)
    assert expected.metrics["accuracy"] == accuracy_score(labels, predicted)
    assert expected.classes is not None
    assert list(expected.classes.f1.values()) == pytest.approx(
        f1_score(labels, predicted, labels=classifier.task.labels, average=None)
    )
    for rows in (frame, *files.values(), str(files["csv"])):
        found = classifier.evaluate(rows, batch_size=5)
        assert (found.metrics, found.classes) == (expected.metrics, expected.classes)


def test_class_ids_in_a_table_of_a_known_task_are_its_classes(tmp_path: Path) -> None:
    classifier = gluetune.load(write_classifier(tmp_path / "cola", get_task("cola")), device="cpu")
    names = [classifier.task.labels[number % 2] for number in range(len(TEXTS))]
    ids = pd.DataFrame({"sentence": TEXTS, "label": [number % 2 for number in range(len(TEXTS))]})
    assert classifier.evaluate(ids).metrics == classifier.evaluate(TEXTS, names).metrics


def test_thresholds_decide_and_stand_beside_one_half(own: Own) -> None:
    labels = ["yes" if number % 3 else "no" for number in range(len(TEXTS))]
    classifier = own({"answer": labels}, {"no": 0.9, "yes": 0.1})
    frame = pd.DataFrame({"title": [text[:2] for text in TEXTS], "body": TEXTS, "answer": labels})
    scores, shares = classifier.evaluate(frame), classifier.predict_proba(frame)
    assert scores.thresholds == {"no": 0.9, "yes": 0.1}
    tuned, plain = (np.where(shares[:, 1] > cut, "yes", "no") for cut in (0.1, 0.5))
    assert scores.metrics["f1_macro"] == pytest.approx(f1_score(labels, tuned, average="macro"))
    assert scores.untuned is not None
    assert scores.untuned["f1_macro"] == pytest.approx(f1_score(labels, plain, average="macro"))
    assert scores.metrics["f1_macro"] != scores.untuned["f1_macro"]
    assert scores.classes is not None
    _, recall, _, support = precision_recall_fscore_support(labels, tuned, labels=["no", "yes"])
    assert list(scores.classes.recall.values()) == pytest.approx(recall)
    assert list(scores.classes.support.values()) == support.tolist()


def test_several_labels_per_row(own: Own) -> None:
    joy, fear = ([str(number % each == 0) for number in range(len(TEXTS))] for each in (2, 3))
    classifier = own({"joy": joy, "fear": fear})
    rows = [{"title": text[:2], "body": text} for text in TEXTS]
    sets = [
        [name for name, found in (("joy", one), ("fear", two)) if found == "True"]
        for one, two in zip(joy, fear, strict=True)
    ]
    scores = classifier.evaluate(pd.DataFrame(rows).assign(joy=joy, fear=fear))
    assert scores.metrics == classifier.evaluate(rows, sets).metrics
    assert scores.metrics["accuracy"] == np.mean(
        [one == two for one, two in zip(sets, classifier.predict(rows), strict=True)]
    )


def test_rows_without_a_label_are_left_out_and_a_regression_has_no_classes(own: Own) -> None:
    numbers = [number / 7 for number in range(len(TEXTS))]
    classifier = own({"stars": numbers})
    frame = pd.DataFrame({"title": [text[:2] for text in TEXTS], "body": TEXTS, "stars": [None, *numbers[1:]]})
    scores = classifier.evaluate(frame)
    assert (scores.rows, scores.classes, scores.thresholds) == (len(TEXTS) - 1, None, None)
    predicted = np.array(classifier.predict(frame)[1:])
    assert scores.metrics["mae"] == pytest.approx(np.abs(predicted - numbers[1:]).mean(), rel=1e-5)


@pytest.mark.parametrize(
    ("column", "rows"),
    [
        ({"answer": ["yes", "no"] * 30}, {"answer": ["yes"]}),  # one class, one row
        ({"answer": [1, 2, 3] * 20}, {"answer": [2.0, None]}),  # as pandas reads whole numbers beside an empty cell
        ({"tags": [["a", "b"], ["b"], ["a"]] * 20}, {"tags": [["b"]]}),
        ({"tags": ["a;b", "b", "a"] * 20}, {"tags": ["b"]}),
        ({"stars": [0.5, 1.5, 2.25] * 20}, {"stars": [1.5, 1.5]}),
    ],
)
def test_new_rows_need_not_have_all_classes(column: dict[str, Any], rows: dict[str, Any], own: Own) -> None:
    problem = "multi_label" if "tags" in column else "auto"
    classifier = own({name: cells[: len(TEXTS)] for name, cells in column.items()}, problem=problem)
    frame = pd.DataFrame({"title": "a", "body": "b", **rows})
    scores = classifier.evaluate(frame)
    assert scores.rows == frame[next(iter(rows))].notna().sum()
    assert (scores.classes is None) == ("stars" in column)


COLA: Task = get_task("cola")


@pytest.mark.parametrize(
    ("rows", "labels", "named"),
    [
        (["a"], None, ["labels", "DataFrame"]),
        (["a", "b"], ["acceptable"], ["2 rows", "1"]),
        (["a"], "acceptable", ["one text"]),
        (["a", "b"], ["acceptable", "aceptable"], ["row 1", "'aceptable'", "'acceptable'"]),
        ([], [], ["none"]),
        ("rows.csv", ["acceptable"], ["rows.csv", "in the file"]),
        ("none.csv", None, ["none.csv"]),
        (pd.DataFrame({"sentence": ["a"], "lable": ["acceptable"]}), None, ["'label'", "'lable'"]),
        (pd.DataFrame({"sentence": ["a"], "label": ["aceptable"]}), None, ["DataFrame", "'acceptable'"]),
    ],
)
def test_mistakes(rows: Any, labels: Any, named: list[str], tmp_path: Path) -> None:
    classifier = gluetune.load(write_classifier(tmp_path / "cola", COLA), device="cpu")
    with pytest.raises(DataError) as refused:
        classifier.evaluate(rows, labels)
    assert [part for part in named if part not in str(refused.value)] == []


def test_a_label_of_several_and_a_number_are_checked(own: Own, tmp_path: Path) -> None:
    classifier = own(
        {"joy": [str(number % 2) for number in range(len(TEXTS))], "fear": ["0"] + ["1"] * (len(TEXTS) - 1)}
    )
    rows = [{"title": "a", "body": "b"}]
    for label, part in (("joy", "list"), (["joi"], "'joy'"), (3, "list")):
        with pytest.raises(DataError, match=part):
            classifier.evaluate(rows, [label])
    scored = gluetune.load(write_classifier(tmp_path / "stsb", get_task("stsb")), device="cpu")
    with pytest.raises(DataError, match="row 1 has 'high'"):
        scored.evaluate([("a", "b"), ("c", "d")], [1, "high"])
