"""What a classifier answers to rows as Python programs hold them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gluetune
from gluetune.errors import DataError, ModelError, UserError
from gluetune.inference import TextSettings, task_of
from gluetune.tasks import TASKS, Task, get_task
from tiny_classifiers import write_classifier


def test_labels_and_probabilities_agree(tmp_path: Path) -> None:
    classifier = gluetune.load(write_classifier(tmp_path / "cola", get_task("cola")))
    texts = ["a b c", "z y x", "b"]
    labels, shares = classifier.predict(texts, batch_size=2), classifier.predict_proba(texts)
    assert labels == [classifier.task.labels[row.argmax()] for row in shares]
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    assert classifier.predict([]) == []
    assert classifier.predict_proba([]).shape == (0, 2)


def test_pairs_and_data_frames_are_the_same_rows(tmp_path: Path) -> None:
    classifier = gluetune.load(write_classifier(tmp_path / "mrpc", get_task("mrpc")), batch_size=1)
    pairs = [("a b", "c d"), ("x", "y z")]
    frame = pd.DataFrame(pairs, columns=["sentence1", "sentence2"], index=[7, 9]).assign(other=0)
    np.testing.assert_array_equal(classifier.predict_proba(pairs), classifier.predict_proba(frame))
    dicts = [{"sentence2": second, "sentence1": first, "other": 0} for first, second in pairs]
    for rows in (frame, [list(pair) for pair in pairs], dicts, np.array(pairs), list(np.array(pairs, object))):
        assert classifier.predict(rows) == classifier.predict(pairs)
        np.testing.assert_array_equal(classifier.predict_proba(rows), classifier.predict_proba(pairs))
    np.testing.assert_array_equal(classifier.predict_proba(dicts[0]), classifier.predict_proba(pairs[:1]))


def test_an_array_of_texts_and_dicts_of_a_text_are_rows(tmp_path: Path) -> None:
    classifier = gluetune.load(write_classifier(tmp_path / "cola", get_task("cola")))
    texts = ["a b c", "z y x"]
    for rows in (np.array(texts), np.array(texts)[:, None], [{"sentence": text} for text in texts], pd.Series(texts)):
        np.testing.assert_array_equal(classifier.predict_proba(rows), classifier.predict_proba(texts))


def test_a_regression_answers_numbers(tmp_path: Path) -> None:
    classifier = gluetune.load(str(write_classifier(tmp_path / "stsb", get_task("stsb"))))
    (score,) = classifier.predict([("a", "b")])
    assert isinstance(score, float)
    with pytest.raises(ModelError, match="regression"):
        classifier.predict_proba([("a", "b")])


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ("one text", "list of texts"),
        (["a", "b"], "sentence1, sentence2"),
        ([("a", "b"), ("a",)], "row 1"),
        ([("a", None)], "row 0"),
        (pd.DataFrame({"sentence1": ["a"], "sentense2": ["b"]}), "nearest: 'sentense2'"),
        ({"sentence1": ["a"], "sentence2": []}, "one length"),
        ([("a", "b"), {"sentence1": "a", "sentense2": "b"}], "row 1 .*nearest: 'sentense2'"),
        (3, "list of texts"),
    ],
)
def test_rows_that_are_not_the_tasks_are_refused(rows: object, named: str, tmp_path: Path) -> None:
    classifier = gluetune.load(write_classifier(tmp_path / "mrpc", get_task("mrpc")))
    with pytest.raises(DataError, match=named):
        classifier.predict(rows)


def test_the_task_is_known_by_the_settings_the_folder_or_the_classes(tmp_path: Path) -> None:
    anywhere = write_classifier(tmp_path / "model", get_task("mrpc"))
    assert task_of(str(anywhere)).name == "mrpc"
    assert task_of(str(write_classifier(tmp_path / "rte", get_task("rte")))).name == "rte"
    ambiguous = write_classifier(tmp_path / "other", get_task("qnli"))
    with pytest.raises(ModelError, match=r"qnli, rte.*task="):
        gluetune.load(ambiguous)
    assert gluetune.load(ambiguous, "rte").task.name == "rte"
    TextSettings(max_seq_length=24, truncation="longest_first", task="qnli").write(ambiguous)
    loaded = gluetune.load(ambiguous)
    assert (loaded.task.name, loaded.config.max_seq_length) == ("qnli", 24)


def test_a_runs_folder_gives_its_winners(tmp_path: Path) -> None:
    for task in ("cola", "mrpc"):
        write_classifier(tmp_path / "run" / "winners" / task, get_task(task))
    assert gluetune.load(tmp_path / "run", TASKS["mrpc"]).task.name == "mrpc"
    for wrong in (None, "rte"):
        with pytest.raises(UserError, match="cola, mrpc"):
            gluetune.load(tmp_path / "run", wrong)
    with pytest.raises(ModelError, match=r"config\.json"):
        gluetune.load(tmp_path)


def test_a_model_of_an_own_task_knows_its_task_anywhere(tmp_path: Path) -> None:
    task = Task(
        "tickets",
        "tickets",
        ("title", "body"),
        ("billing", "login", "other"),
        ("accuracy",),
        "accuracy",
        layouts={},
        dev=(),
        test=(),
        files={"train": "/home/ann/tickets.csv", "text": ["title", "body"], "label": ["topic"]},
    )
    folder = write_classifier(tmp_path / "run" / "winners" / "tickets", task)
    TextSettings(max_seq_length=24, truncation="longest_first").of_task(task).write(folder)
    assert "/home/ann" not in (folder / "gluetune.json").read_text()
    for loaded in (gluetune.load(folder), gluetune.load(tmp_path / "run"), gluetune.load(tmp_path / "run", "tickets")):
        assert (loaded.task.name, loaded.task.labels) == ("tickets", task.labels)
        assert set(loaded.predict([("a", "b"), {"title": "c", "body": "d"}])) <= set(task.labels)
    with pytest.raises(ModelError, match="tickets"):
        gluetune.load(tmp_path / "run", "tickts")
