"""A bag of words must not solve the pair tasks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from scipy.stats import pearsonr
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge

from gluetune.data.synthetic_source import SyntheticSource
from gluetune.tasks import TASKS, Task

CEILINGS = {"mrpc": 0.75, "qqp": 0.72, "mnli": 0.68, "snli": 0.60, "qnli": 0.62, "rte": 0.62, "wnli": 0.68}
"""Accuracies; the labels are noiseless, so 1.0 could be reached."""


def features(task: Task, split: str, vectorizer: CountVectorizer) -> sparse.csr_matrix:
    """Both bags, their absolute difference and their product."""
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
