"""The synthetic source: official columns and splits, determinism, class balance, no leaks, no shortcuts."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import sparse
from scipy.stats import pearsonr
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge

from gluetune.data.synthetic_source import SyntheticSource
from gluetune.errors import DataError
from gluetune.tasks import TASKS, Task
from two_workers import TwoWorkers

SOURCE = SyntheticSource()
EVERY_TASK = pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
OFFICIAL_SHARES = {  # of the training rows (AX: of the test rows), from GLUE's papers
    "cola": {"acceptable": 0.70},
    "sst2": {"positive": 0.56},
    "mrpc": {"equivalent": 0.67},
    "qqp": {"duplicate": 0.37},
    "mnli": {"entailment": 0.33, "neutral": 0.33},
    "snli": {"entailment": 0.33, "neutral": 0.33},
    "qnli": {"entailment": 0.50},
    "rte": {"entailment": 0.50},
    "wnli": {"entailment": 0.50},
    "ax": {"entailment": 0.42, "neutral": 0.35},
}


def texts(task: Task, split: str, seed: int = 0) -> list[tuple[str, ...]]:
    return list(zip(*SyntheticSource(seed).load(task, split).columns.values(), strict=True))


@EVERY_TASK
def test_has_every_official_split_and_column(task: Task) -> None:
    for split in task.splits:
        examples = SOURCE.load(task, split)
        assert tuple(examples.columns) == task.columns
        assert {len(column) for column in examples.columns.values()} == {len(examples)}
        assert len(examples) >= 100
        assert all(text.strip() for column in examples.columns.values() for text in column)


@EVERY_TASK
def test_only_snli_and_ax_have_labelled_test_rows(task: Task) -> None:
    for split in task.splits:
        labels = SOURCE.load(task, split).labels
        if split in task.test and task.name not in ("snli", "ax"):
            assert labels is None
            continue
        assert labels is not None
        if task.regression:
            assert labels.dtype == np.float32
            assert labels.min() >= task.minimum
            assert labels.max() <= task.maximum
        else:
            assert labels.dtype == np.int64
            assert set(labels.tolist()) == set(range(task.num_labels))


@pytest.mark.parametrize("name", OFFICIAL_SHARES)
def test_classes_are_about_as_frequent_as_officially(name: str) -> None:
    task = TASKS[name]
    labels = SOURCE.load(task, task.splits[0]).labels
    assert labels is not None
    for label, share in OFFICIAL_SHARES[name].items():
        assert np.mean(labels == task.labels.index(label)) == pytest.approx(share, abs=0.05)


def test_similarities_cover_the_whole_range() -> None:
    labels = SOURCE.load(TASKS["stsb"], "train").labels
    assert labels is not None
    counts, _ = np.histogram(labels, bins=5, range=(0, 5))
    assert counts.min() >= 0.08 * len(labels)


@EVERY_TASK
def test_no_row_stands_twice_in_a_task(task: Task) -> None:
    rows = {split: texts(task, split) for split in task.splits}
    for split, found in rows.items():
        assert len(set(found)) == len(found), split
    for one, other in combinations(rows, 2):
        mirrored = {tuple(reversed(row)) for row in rows[other]}
        assert not set(rows[one]) & (set(rows[other]) | mirrored), (one, other)


def first_rows(*_: object) -> list[str]:
    return list(SyntheticSource().load(TASKS["mnli"], "train").columns["hypothesis"][:20])


def test_same_seed_same_rows_also_in_another_process(two_workers: TwoWorkers) -> None:
    """Each process has another seed of its hashes."""
    assert two_workers.run(first_rows) == [first_rows()] * 2


def test_another_seed_gives_other_rows() -> None:
    one, other = set(texts(TASKS["mrpc"], "train")), set(texts(TASKS["mrpc"], "train", seed=1))
    assert len(one & other) < 0.01 * len(one)


def test_the_rows_of_a_split_do_not_depend_on_what_was_loaded_before() -> None:
    task = TASKS["rte"]
    assert SyntheticSource(3).load(task, "validation").columns == SyntheticSource(3).load(task, "validation").columns


def test_the_source_names_the_rows_generated() -> None:
    assert SOURCE.load(TASKS["cola"], "train").source == "generated (seed 0)"
    assert SyntheticSource(7).describe(TASKS["cola"]) == "generated (seed 7)"


def test_mismatched_rows_have_another_vocabulary() -> None:
    task = TASKS["mnli"]
    words = {split: set(" ".join(sum(texts(task, split), ())).lower().split()) for split in task.dev}
    assert "sailor" in words["validation_mismatched"] - words["validation_matched"]
    assert "doctor" in words["validation_matched"] - words["validation_mismatched"]


def test_an_unknown_split_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(DataError, match="validation"):
        SOURCE.load(TASKS["cola"], "validatoin")


CEILINGS = {"mrpc": 0.75, "qqp": 0.72, "mnli": 0.68, "snli": 0.60, "qnli": 0.62, "rte": 0.62, "wnli": 0.68}
"""Accuracies; the labels are noiseless, so 1.0 could be reached."""


def features(task: Task, split: str, vectorizer: CountVectorizer) -> sparse.csr_matrix:
    """Bags of words of both texts, their absolute difference and their product."""
    columns = SyntheticSource().load(task, split).columns
    first, second = (vectorizer.transform(columns[name]).astype(float) for name in task.columns)
    return sparse.hstack([first, second, abs(first - second), first.multiply(second)]).tocsr()


def bags(task: Task) -> tuple[sparse.csr_matrix, np.ndarray, sparse.csr_matrix, np.ndarray]:
    source = SyntheticSource()
    train, dev = source.load(task, "train"), source.load(task, task.dev[0])
    vectorizer = CountVectorizer(binary=True).fit([text for column in train.columns.values() for text in column])
    assert train.labels is not None
    assert dev.labels is not None
    return features(task, "train", vectorizer), train.labels, features(task, task.dev[0], vectorizer), dev.labels


@pytest.mark.parametrize("name", CEILINGS)
def test_a_bag_of_words_stays_far_from_solving_the_pair_tasks(name: str) -> None:
    train, labels, dev, gold = bags(TASKS[name])
    predicted = LogisticRegression(C=0.1, max_iter=300).fit(train, labels).predict(dev)
    assert np.mean(predicted == gold) < CEILINGS[name]


def test_a_bag_of_words_stays_far_from_solving_similarity() -> None:
    train, scores, dev, gold = bags(TASKS["stsb"])
    predicted = Ridge(alpha=10.0).fit(train, scores).predict(dev)
    assert pearsonr(predicted, gold)[0] < 0.72
