"""Training, evaluation and prediction of multi-label tasks, and of tasks whose metric is to be small."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertForSequenceClassification

from gluetune.config import TrainingConfig
from gluetune.data import Examples
from gluetune.inference import Classifier, Predictions, evaluate_examples, load_classifier, write_predictions
from gluetune.models import build_model
from gluetune.models.heads import EncoderWithHead
from gluetune.training.evaluate import count_correct, loss_sum
from tiny_classifiers import write_classifier
from training_setup import own_task, rows, run_trial, tiny_encoder

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [-0.3, 0.1, 4.0]])
LABELS = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])


@pytest.mark.parametrize("head", ["default", "mlp"])
def test_the_loss_of_a_multi_label_task_is_transformers(head: Any) -> None:
    task = own_task("multi_label")
    training = TrainingConfig(head=head)
    model = build_model(tiny_encoder(), task, training, seed=0).eval()
    assert isinstance(model, BertForSequenceClassification if head == "default" else EncoderWithHead)
    batch = rows(task, 5, seed=4).collate(np.arange(5))
    outputs = model(**batch)
    assert outputs.logits.shape == batch["labels"].shape == (5, 3)
    torch.testing.assert_close(loss_sum(outputs.logits, batch["labels"], task) / 5, outputs.loss)


def test_rows_are_correct_in_every_class() -> None:
    assert count_correct(LOGITS, LABELS).item() == 1  # the first row has a class that is not its own
    assert count_correct(LOGITS, (LOGITS > 0).float()).item() == 2
    assert count_correct(LOGITS, torch.tensor([0, 2])).item() == 2


@pytest.mark.parametrize("head", ["default", "linear"])
def test_a_multi_label_trial_learns(head: Any, tmp_path: Path) -> None:
    training = TrainingConfig(learning_rate=5e-3, num_train_epochs=6, batch_size=8, head=head)
    evaluations, _ = run_trial(own_task("multi_label"), training, tmp_path)
    first, last = evaluations[0], evaluations[-1]
    assert last.score == last.metrics["f1_macro"] > 0.6
    assert last.eval_loss < first.eval_loss
    assert {"f1_micro", "roc_auc", "average_precision", "accuracy"} < set(last.metrics)
    assert last.train_accuracy is not None


def test_the_best_evaluation_has_the_least_error(tmp_path: Path) -> None:
    training = TrainingConfig(learning_rate=5e-3, num_train_epochs=4, batch_size=8)
    evaluations, checkpoints = run_trial(own_task("regression", primary="mse"), training, tmp_path)
    assert [e.score for e in evaluations] == [-e.metrics["mse"] for e in evaluations]
    assert min(e.metrics["mse"] for e in evaluations) < evaluations[0].metrics["mse"]
    assert evaluations[-1].metrics["mse"] == pytest.approx(evaluations[-1].eval_loss, rel=1e-5)
    assert checkpoints.load_best() is not None


@pytest.fixture
def several(tmp_path: Path) -> Classifier:
    task = own_task("multi_label")
    return load_classifier(str(write_classifier(tmp_path / "own", task)), task)


def test_a_multi_label_classifier_answers_sets_of_labels(several: Classifier) -> None:
    texts = ["a b c", "z y x", "b", "q w e r t"]
    answers, shares = several.predict(texts), several.predict_proba(texts)
    assert answers == [[f"class{k}" for k in range(3) if row[k] > 0.5] for row in shares]
    assert len({len(answer) for answer in answers}) > 1  # type: ignore[arg-type]
    assert several.predict([]) == []


def test_a_multi_label_classifier_is_scored(several: Classifier) -> None:
    labels = np.array([[1, 0, 1], [0, 0, 0]], np.float32)
    examples = Examples("own", "validation", {"text": ["a b c", "z y x"]}, labels, "a test")
    predictions, scores = evaluate_examples(several, examples, 1)
    assert scores.metrics["accuracy"] == np.mean((predictions.logits > 0) == labels, axis=1).astype(int).mean()
    assert scores.loss == pytest.approx(scores.metrics["log_loss"])


def test_label_sets_are_written_as_lists(tmp_path: Path) -> None:
    predictions = Predictions(own_task("multi_label"), LOGITS.numpy())
    write_predictions(predictions, tmp_path / "found.tsv")
    lines = (tmp_path / "found.tsv").read_text().splitlines()
    assert lines[0].split("\t") == ["index", "labels", *(f"probability_class{k}" for k in range(3))]
    assert [line.split("\t")[1] for line in lines[1:]] == ['["class0", "class2"]', '["class1", "class2"]']
