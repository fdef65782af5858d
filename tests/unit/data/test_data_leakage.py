"""Rows of a split that train has too, and the data card that reports them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from gluetune.config import DataConfig, TaskFiles
from gluetune.data import Examples, prepare_task
from gluetune.data.card import DataCard
from gluetune.data.leakage import count_duplicates, count_overlap
from gluetune.data.own_tasks import open_frames


def examples(texts: list[str], labels: np.ndarray | None = None) -> Examples:
    return Examples("own", "train", {"text": texts}, labels, "")


def words(text: str) -> frozenset[str]:
    return frozenset(text.lower().split())


def expected(train: list[str], rows: list[str]) -> tuple[int, int]:
    """Identical and near-duplicate rows, by comparing all pairs."""
    normal = [" ".join(text.lower().split()) for text in train]
    identical = [" ".join(text.lower().split()) in normal for text in rows]
    near = [
        any(len(words(text) & words(other)) >= 0.8 * len(words(text) | words(other)) - 1e-9 > 0 for other in train)
        for text in rows
    ]
    return sum(identical), sum(one and not same for one, same in zip(near, identical, strict=True))


TEXT = st.lists(st.sampled_from([f"w{number}" for number in range(9)]), max_size=8).map(" ".join)


@given(train=st.lists(TEXT, min_size=1, max_size=25), rows=st.lists(TEXT, min_size=1, max_size=12))
@hypothesis_settings(max_examples=150)
def test_overlaps_are_those_of_all_pairs(train: list[str], rows: list[str]) -> None:
    found = count_overlap(examples(train), examples(rows))
    assert (found.identical, found.near) == expected(train, rows)
    assert found.complete


def test_case_space_and_punctuation() -> None:
    train = ["The cat sat on the mat, and the dog slept."]
    rows = ["the  CAT sat on\nthe mat, and the dog slept.", "The cat sat on the mat and the dog slept!", "A cat sat."]
    found = count_overlap(examples(train), examples(rows))
    assert (found.identical, found.near) == (1, 1)


def test_all_text_columns_of_a_row_count() -> None:
    train = Examples("own", "train", {"a": ["x y", "p"], "b": ["z", "q"]}, None, "")
    rows = Examples("own", "test", {"a": ["x", "p"], "b": ["y z", "q"]}, None, "")
    found = count_overlap(train, rows)
    assert (found.identical, found.near) == (1, 1)


def test_repeated_rows_and_those_with_another_label_are_counted() -> None:
    rows = examples(["a", "A", "b", "a ", "c"], np.array([0, 0, 1, 1, 0]))
    assert count_duplicates(rows) == (2, 1)


def test_the_card_counts_rows_classes_tokens_and_overlaps(bert: PreTrainedTokenizerBase) -> None:
    texts = [f"the cat number {row} sat on mat" for row in range(40)]
    texts[3] = "the cat " * 30
    train = pd.DataFrame({"text": texts, "label": ["good", "bad", "bad", "bad"] * 10, "user": range(40)})
    test = pd.DataFrame({"text": [texts[5], "a new dog ran"], "label": ["good", "bad"], "user": [5, 99]})
    task, source = open_frames(
        "own", TaskFiles(text="text", label="label", group="user"), {"train": train, "test": test}
    )
    card = prepare_task(task, source, bert, DataConfig(max_seq_length=32, selection_fraction=0.2), 0).card
    assert card is not None
    assert list(card.splits) == ["train", "selection", "test"]
    parts = card.splits["train"], card.splits["selection"]
    assert sum(part.rows for part in parts) == 40
    assert sum(part.classes["good"] for part in parts) == 10
    assert sum(part.cut for part in parts) == 1
    assert max(part.tokens["100"] for part in parts) == 62  # before truncation, with [CLS] and [SEP]
    assert card.leaks["test"].groups <= 1
    assert card.leaks["test"].identical == card.leaks["test"].groups  # row 5 is a train or a selection row
    assert card.leaks["selection"].groups == 0
    assert card.baseline is not None
    assert DataCard.from_dict(json.loads(json.dumps(card.to_dict()))) == card
    shown, page = "\n".join(card.lines()), card.to_markdown()
    for text in (shown, page):
        assert "single_label" in text
        assert "2 different texts" in text
    assert f"{parts[0].rows} rows" in shown
    assert "1 row cut at 32" in shown
    assert f"| train | {parts[0].rows} |" in page
