"""What is predicted, how it is scored, and what stands in the file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss, matthews_corrcoef

from gluetune.data import Examples
from gluetune.data.synthetic_source import SyntheticSource
from gluetune.errors import DataError, ModelError, StorageError
from gluetune.inference import Classifier, Predictions, evaluate_examples, predict_examples, write_predictions
from gluetune.tasks import get_task
from tiny_classifiers import Tiny

COLA, STSB, RTE = get_task("cola"), get_task("stsb"), get_task("rte")


def rows(name: str, count: int = 70) -> Examples:
    task = get_task(name)
    return SyntheticSource().load(task, task.dev[0]).take(np.arange(count))


def row_by_row(classifier: Classifier, examples: Examples) -> np.ndarray:
    """Logits as a user of transformers would get them, one unpadded row at a time."""
    texts = zip(*examples.columns.values(), strict=True)
    length = classifier.config.max_seq_length
    with torch.inference_mode():
        return np.concatenate(
            [
                classifier.model(
                    **classifier.tokenizer(*row, truncation=True, max_length=length, return_tensors="pt")
                ).logits.numpy()
                for row in texts
            ]
        )


@pytest.mark.parametrize("name", ["cola", "rte", "stsb", "mnli"])
def test_predictions_are_those_of_plain_transformers_in_row_order(name: str, tiny: Tiny) -> None:
    classifier, examples = tiny(name), rows(name, 20)
    predictions = predict_examples(classifier, examples, batch_size=8)
    np.testing.assert_allclose(predictions.logits, row_by_row(classifier, examples), atol=1e-5)


def test_labels_do_not_matter_to_predictions(tiny: Tiny) -> None:
    classifier, examples = tiny("cola"), rows("cola")
    bare = predict_examples(classifier, replace(examples, labels=None), 32)
    np.testing.assert_array_equal(bare.logits, predict_examples(classifier, examples, 32).logits)


def test_broken_weights_are_no_prediction(tiny: Tiny) -> None:
    classifier = tiny("cola")
    with torch.no_grad():
        classifier.model.classifier.bias[0] = float("nan")
    with pytest.raises(ModelError, match=r"must be finite, but those for 70 of 70 rows of generated \(seed 0\)"):
        predict_examples(classifier, rows("cola"), 32)


def test_a_token_without_an_embedding_is_named(tiny: Tiny) -> None:
    classifier = tiny("cola")
    classifier.tokenizer.add_tokens(["zebra"])
    zebra = Examples("cola", "test", {"sentence": ["a zebra"]}, None, "written here")
    with pytest.raises(ModelError, match="'zebra' the id"):
        predict_examples(classifier, zebra, 4)


def test_scores_are_whole_and_per_batch_of_rows_in_order(tiny: Tiny) -> None:
    classifier, examples = tiny("cola"), rows("cola")
    predictions, scores = evaluate_examples(classifier, examples, batch_size=32)
    labels, ids = examples.labels, predictions.label_ids
    assert 0 < ids.mean() < 1
    assert scores.rows == 70
    assert scores.metrics["matthews_correlation"] == pytest.approx(matthews_corrcoef(labels, ids))
    assert scores.batches == pytest.approx(
        [matthews_corrcoef(labels[part], ids[part]) for part in (slice(0, 32), slice(32, 64), slice(64, 70))]
    )
    assert scores.loss == pytest.approx(log_loss(labels, predictions.probabilities), rel=1e-4)


def test_regression_is_scored_by_squared_error(tiny: Tiny) -> None:
    examples = rows("stsb")
    predictions, scores = evaluate_examples(tiny("stsb"), examples, batch_size=32)
    assert scores.loss == pytest.approx(np.mean((predictions.scores - examples.labels) ** 2), rel=1e-4)
    assert list(scores.metrics) == ["pearson", "spearman", "pearson_and_spearman"]
    assert len(scores.batches) == 3


def test_a_batch_of_one_class_has_no_correlation(tiny: Tiny) -> None:
    examples = rows("cola")
    alike = examples.take(np.flatnonzero(examples.labels == 1)[:20])
    assert evaluate_examples(tiny("cola"), alike, batch_size=10)[1].batches == (0.0, 0.0)


def test_rows_without_labels_have_no_score(tiny: Tiny) -> None:
    test = SyntheticSource().load(COLA, "test")
    with pytest.raises(DataError, match="rows must have labels to be scored"):
        evaluate_examples(tiny("cola"), test, 32)


def test_the_file_names_label_and_probabilities(tmp_path: Path) -> None:
    logits = np.log(np.array([[0.25, 0.75], [0.9, 0.1]], np.float32))
    write_predictions(Predictions(RTE, logits), tmp_path / "new" / "rte.tsv")
    assert (tmp_path / "new" / "rte.tsv").read_text() == (
        "index\tlabel\tprobability\tprobability_entailment\tprobability_not_entailment\n"
        "0\tnot_entailment\t0.750000\t0.250000\t0.750000\n"
        "1\tentailment\t0.900000\t0.900000\t0.100000\n"
    )


def test_the_file_of_a_regression_holds_scores_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_predictions(Predictions(STSB, np.array([[5.25], [-0.5]], np.float32)), "stsb.tsv")
    assert Path("stsb.tsv").read_text() == "index\tscore\n0\t5.250000\n1\t-0.500000\n"
    assert [path.name for path in tmp_path.iterdir()] == ["stsb.tsv"]


def test_a_file_that_cannot_be_written_is_the_users_mistake(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        write_predictions(Predictions(STSB, np.zeros((1, 1), np.float32)), tmp_path / "taken" / "stsb.tsv")
