"""Fingerprints of rows: what changes them, and what does not."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from transformers import PreTrainedTokenizerBase

from gluetune.config import DataConfig
from gluetune.data import Examples, prepare_task
from gluetune.data.examples import fingerprint
from gluetune.data.synthetic_source import SyntheticSource
from gluetune.tasks import get_task

ROWS = Examples(
    "rte", "train", {"sentence1": ["a", "bc", ""], "sentence2": ["d", "", "ef"]}, np.array([0, 1, 1]), "somewhere"
)


@pytest.mark.parametrize(
    "other",
    [
        ROWS.take(np.array([0, 1])),
        ROWS.take(np.array([1, 0, 2])),
        replace(ROWS, labels=np.array([0, 1, 0])),
        replace(ROWS, labels=None),
        replace(ROWS, labels=np.array([0, 1, 1], np.float32)),
        replace(ROWS, columns={"sentence1": ["a", "bc", "d"], "sentence2": ["", "", "ef"]}),
        replace(ROWS, columns={"sentence1": ["ab", "c", ""], "sentence2": ["d", "", "ef"]}),
        replace(ROWS, columns={"question": ["a", "bc", ""], "sentence": ["d", "", "ef"]}),
    ],
    ids=["fewer", "order", "label", "no_labels", "numbers", "moved_column", "moved_row", "names"],
)
def test_other_rows_have_another_fingerprint(other: Examples) -> None:
    assert fingerprint(other) != fingerprint(ROWS)


def test_the_same_rows_of_another_place_have_the_same_fingerprint() -> None:
    assert fingerprint(replace(ROWS, split="validation", source="elsewhere")) == fingerprint(ROWS)


def test_only_equal_texts_have_equal_fingerprints() -> None:
    texts = ("", "a", "aa", "\0", "é")
    columns = [list(column) for length in range(4) for column in itertools.product(texts, repeat=length)]
    found = {fingerprint(Examples("cola", "train", {"sentence": column}, None, "")) for column in columns}
    assert len(found) == len(columns)


def test_prepared_data_has_those_of_all_its_rows(bert: PreTrainedTokenizerBase) -> None:
    task, source = get_task("mnli"), SyntheticSource()
    config = DataConfig(max_train_samples=20, max_eval_samples=10)
    data = prepare_task(task, source, bert, config, seed=0)
    assert data.synthetic
    assert list(data.fingerprints) == ["train", "selection", "validation_matched", "validation_mismatched", "ax"]
    assert len(set(data.fingerprints.values())) == 5
    again = prepare_task(task, source, bert, config, seed=0)
    assert again.fingerprints == data.fingerprints
    fewer = prepare_task(task, source, bert, config.model_copy(update={"max_train_samples": 19}), seed=0)
    changed = {name for name, value in fewer.fingerprints.items() if value != data.fingerprints[name]}
    assert changed == {"train"}
