"""Property tests of the readers, the splits and the truncation of pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from gluetune.config import DataConfig
from gluetune.data import Examples, encode_rows, read_file
from gluetune.data.splits import hold_out, stratified_sample
from gluetune.errors import DataError
from gluetune.tasks import get_task

MRPC, COLA, RTE, STSB = (get_task(name) for name in ("mrpc", "cola", "rte", "stsb"))
# Not what separates cells and lines, nor NUL, which makes a file binary; not blank, as no row at a file's end is.
CHARACTERS = st.characters(exclude_characters="\t\r\n\0", exclude_categories=("Cs",))  # type: ignore[arg-type]
CELLS = st.text(CHARACTERS, min_size=1, max_size=12).filter(lambda cell: cell.strip() and not cell.startswith("\ufeff"))
PAIRS = st.tuples(CELLS, CELLS, st.sampled_from(["0", "1"]))
LINE_ENDS = st.sampled_from(["\n", "\r\n", "\r"])
HEADER = "sentence1\tsentence2\tlabel"


def write(folder: Path, lines: list[str], end: str = "\n") -> Path:
    file = folder / "rows.tsv"
    file.write_bytes((end.join(lines) + end).encode())
    return file


@given(rows=st.lists(PAIRS, min_size=1, max_size=8), end=LINE_ENDS)
def test_a_written_file_is_read_back_cell_by_cell(
    rows: list[tuple[str, str, str]], end: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = write(tmp_path_factory.getbasetemp(), [HEADER, *map("\t".join, rows)], end)
    examples = read_file(file, MRPC, labels=True)
    assert list(zip(*(examples.columns[name] for name in MRPC.columns), strict=True)) == [row[:2] for row in rows]
    assert examples.labels is not None
    assert examples.labels.tolist() == [int(label) for *_, label in rows]


@given(rows=st.lists(PAIRS, min_size=1, max_size=8), end=LINE_ENDS, data=st.data())
def test_a_row_that_breaks_the_layout_is_named_by_file_and_line(
    rows: list[tuple[str, str, str]], end: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lines = [HEADER, *map("\t".join, rows)]
    broken = data.draw(st.integers(1, len(lines) - 1))
    lines[broken] = data.draw(st.sampled_from([lines[broken] + "\tmore", rows[0][0], f"{rows[0][0]}\t{rows[0][1]}"]))
    file = write(tmp_path_factory.getbasetemp(), lines, end)
    with pytest.raises(DataError) as caught:
        read_file(file, MRPC, labels=True)
    assert f"{file}:{broken + 1}" in str(caught.value)


@given(label=CELLS.filter(lambda cell: cell not in COLA.labels and cell.strip() not in ("0", "1", "-", "-1")))
def test_an_unknown_label_is_named_by_file_and_line(label: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = write(tmp_path_factory.getbasetemp(), [HEADER, "a\tb\t1", f"a\tb\t{label}", "a\tb\t0"])
    with pytest.raises(DataError) as caught:
        read_file(file, MRPC, labels=True)
    assert f"{file}:3" in str(caught.value)


@st.composite
def labels_of_classes(draw: st.DrawFn) -> np.ndarray:
    """Labels of 2 classes, from balanced to lopsided."""
    counts = draw(st.tuples(st.integers(1, 300), st.integers(1, 300)).filter(lambda pair: sum(pair) >= 8))
    labels = np.repeat([0, 1], counts)
    return np.random.default_rng(draw(st.integers(0, 99))).permutation(labels)


SEEDS = st.integers(0, 2**31 - 1)


@given(
    labels=labels_of_classes(),
    seed=SEEDS,
    selection=st.sampled_from(["holdout", "train_test_split"]),
    fraction=st.floats(0.05, 0.5),
)
def test_train_and_selection_rows_part_all_rows_the_same_way_each_time(
    labels: np.ndarray, seed: int, selection: Literal["holdout", "train_test_split"], fraction: float
) -> None:
    config = DataConfig(selection=selection, selection_fraction=fraction)
    train, selected = hold_out(labels, COLA, config, seed)
    assert sorted([*train, *selected]) == list(range(len(labels)))
    assert list(train) == sorted(train)
    assert list(selected) == sorted(selected)
    again = hold_out(labels, COLA, config, seed)
    assert [part.tolist() for part in again] == [train.tolist(), selected.tolist()]


@given(labels=labels_of_classes(), seed=SEEDS, fraction=st.floats(0.05, 0.5))
def test_held_out_rows_keep_the_classes_proportions(labels: np.ndarray, seed: int, fraction: float) -> None:
    _, selected = hold_out(labels, COLA, DataConfig(selection_fraction=fraction), seed)
    for label in (0, 1):
        share = len(selected) * np.mean(labels == label)
        assert abs(np.sum(labels[selected] == label) - share) <= 1.5  # rounded, and at least one row of a class


@given(labels=labels_of_classes(), seed=SEEDS, size=st.integers(1, 700))
def test_a_sample_has_the_size_asked_for_and_the_classes_proportions(labels: np.ndarray, seed: int, size: int) -> None:
    rows = stratified_sample(labels, COLA, size, seed)
    assert len(set(rows.tolist())) == len(rows) == min(size, len(labels))
    share = len(rows) * np.mean(labels)
    assert abs(np.sum(labels[rows]) - share) <= 1.5


@given(scores=st.lists(st.floats(0, 5, width=32), min_size=20, max_size=200), seed=SEEDS, fraction=st.floats(0.05, 0.5))
def test_regression_rows_are_parted_whatever_their_scores(scores: list[float], seed: int, fraction: float) -> None:
    labels = np.array(scores, np.float32)
    train, selected = hold_out(labels, STSB, DataConfig(selection_fraction=fraction), seed)
    assert sorted([*train, *selected]) == list(range(len(labels)))


def letters(number: int, letter: str) -> str:
    return " ".join([letter] * number)


@given(
    lengths=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=6),
    max_seq_length=st.integers(8, 64),
    truncation=st.sampled_from(["longest_first", "proportional"]),
)
@hypothesis_settings(max_examples=60)
def test_a_cut_pair_fits_keeps_its_beginnings_and_loses_no_more_than_it_must(
    bert: PreTrainedTokenizerBase,
    lengths: list[tuple[int, int]],
    max_seq_length: int,
    truncation: Literal["longest_first", "proportional"],
) -> None:
    columns = {
        "sentence1": [letters(first, "a") for first, _ in lengths],
        "sentence2": [letters(second, "b") for _, second in lengths],
    }
    encoded = encode_rows(Examples("rte", "train", columns, None, "test"), RTE, bert, max_seq_length, truncation)
    special = bert.num_special_tokens_to_add(pair=True)
    for row, (first, second) in enumerate(lengths):
        ids = encoded.input_ids[encoded.offsets[row] : encoded.offsets[row + 1]].tolist()
        tokens = bert.convert_ids_to_tokens(ids)
        kept = tokens.count("a"), tokens.count("b")
        assert tokens == ["[CLS]", *["a"] * kept[0], "[SEP]", *["b"] * kept[1], "[SEP]"]
        assert len(tokens) == min(first + second + special, max_seq_length)
        assert kept[0] <= first
        assert kept[1] <= second
        if truncation == "longest_first" and sum(kept) < first + second:
            assert abs(kept[0] - kept[1]) <= 1 or min(kept) == min(first, second)
        if truncation == "proportional":  # a text that has tokens keeps one
            assert all(bool(count) == bool(length) for count, length in zip(kept, (first, second), strict=True))
