"""Truncation of pairs that are too long: how many tokens each text keeps."""

from __future__ import annotations

import numpy as np
import pytest
from transformers import PreTrainedTokenizerBase

from gluetune.config import DataConfig
from gluetune.data import DataSource, Examples, encode_rows, prepare_task
from gluetune.data.truncation import split_token_budget
from gluetune.tasks import Task, get_task

TASK = get_task("rte")


@pytest.fixture(params=["bert", "roberta"])
def tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizerBase:
    found: PreTrainedTokenizerBase = request.getfixturevalue(request.param)
    return found


def letters(number: int, letter: str) -> str:
    return " ".join([letter] * number)


def pairs(*lengths: tuple[int, int]) -> Examples:
    columns = {
        "sentence1": [letters(first, "a") for first, _ in lengths],
        "sentence2": [letters(second, "b") for _, second in lengths],
    }
    return Examples("rte", "train", columns, None, "test")


def kept(examples: Examples, tokenizer: PreTrainedTokenizerBase, max_seq_length: int, truncation: str) -> list[str]:
    """Return the rows as text, special tokens included."""
    encoded = encode_rows(examples, TASK, tokenizer, max_seq_length, truncation)  # type: ignore[arg-type]
    parts = np.split(encoded.input_ids, encoded.offsets[1:-1])
    return [" ".join(tokenizer.convert_ids_to_tokens(part.tolist())) for part in parts]


def test_both_texts_keep_the_same_share(bert: PreTrainedTokenizerBase) -> None:
    rows = pairs((40, 20), (20, 40), (100, 10))
    for row, (first, second) in zip(kept(rows, bert, 33, "proportional"), [(20, 10), (10, 20), (27, 3)], strict=True):
        assert row == f"[CLS] {letters(first, 'a')} [SEP] {letters(second, 'b')} [SEP]"


def test_longest_first_takes_from_the_longer_only(bert: PreTrainedTokenizerBase) -> None:
    assert kept(pairs((100, 10)), bert, 33, "longest_first") == [
        f"[CLS] {letters(20, 'a')} [SEP] {letters(10, 'b')} [SEP]"
    ]


@pytest.mark.parametrize("lengths", [(40, 20), (20, 40), (300, 1), (1, 300), (0, 50), (50, 0), (19, 19), (24, 25)])
@pytest.mark.parametrize("max_seq_length", [8, 16, 24])
def test_a_cut_row_is_the_tokenizers_own_of_shorter_texts(
    bert: PreTrainedTokenizerBase, lengths: tuple[int, int], max_seq_length: int
) -> None:
    encoded = encode_rows(pairs(lengths), TASK, bert, max_seq_length, "proportional")
    first, second = (bert.decode(encoded.input_ids).count(letter) for letter in "ab")
    shorter = bert([letters(first, "a")], [letters(second, "b")])
    assert encoded.input_ids.tolist() == shorter["input_ids"][0]
    assert encoded.boundaries.tolist() == [shorter["token_type_ids"][0].index(1)]
    assert len(encoded.input_ids) == max_seq_length


def test_another_familys_template_is_kept(roberta: PreTrainedTokenizerBase) -> None:
    examples = Examples("rte", "train", {"sentence1": ["a" * 40], "sentence2": ["b" * 20]}, None, "test")
    assert kept(examples, roberta, 19, "proportional") == [f"<s> {letters(10, 'a')} </s> </s> {letters(5, 'b')} </s>"]


@pytest.mark.parametrize("truncation", ["longest_first", "proportional"])
def test_rows_that_fit_are_left_alone(tokenizer: PreTrainedTokenizerBase, truncation: str) -> None:
    texts = (["the cat", "a", "", letters(60, "a")], ["a mat", "", "is", letters(60, "b")])
    examples = Examples("rte", "train", dict(zip(TASK.columns, texts, strict=True)), None, "test")
    encoded = encode_rows(examples, TASK, tokenizer, 20, truncation)  # type: ignore[arg-type]
    expected = tokenizer(*texts)["input_ids"]
    for row in range(3):
        assert encoded.collate(np.array([row]))["input_ids"][0].tolist() == expected[row]
    assert encoded.lengths[3] == 20


def test_special_tokens_that_a_text_spells_out_are_text(bert: PreTrainedTokenizerBase) -> None:
    columns = {"sentence1": ["a [SEP] " * 10], "sentence2": ["b " * 20]}
    examples = Examples("rte", "train", columns, None, "test")
    assert kept(examples, bert, 13, "proportional") == ["[CLS] a [SEP] a [SEP] a [SEP] b b b b b [SEP]"]


def test_a_single_text_loses_its_end_either_way(tokenizer: PreTrainedTokenizerBase) -> None:
    examples = Examples("cola", "train", {"sentence": [letters(50, "a"), "the cat"]}, None, "test")
    ways = [
        encode_rows(examples, get_task("cola"), tokenizer, 12, way).input_ids.tolist()
        for way in ("longest_first", "proportional")
    ]
    assert ways[0] == ways[1]


def test_shares_fill_the_budget_and_leave_no_text_empty() -> None:
    first, second = (side.ravel() for side in np.meshgrid(np.arange(120), np.arange(120)))
    for budget in (4, 5, 61):
        long = first + second > budget
        of_first, of_second = split_token_budget(first[long], second[long], budget)
        assert np.array_equal(of_first + of_second, np.full(long.sum(), budget))
        assert (of_first <= first[long]).all()
        assert (of_second <= second[long]).all()
        assert np.array_equal(of_first > 0, first[long] > 0)
        assert np.array_equal(of_second > 0, second[long] > 0)
        exact = budget * first[long] / (first[long] + second[long])
        assert np.abs(of_first - exact).max() < 1


class Long(DataSource):
    """Pairs that are too long."""

    def load(self, task: Task, split: str) -> Examples:  # type: ignore[override]
        rows = pairs(*[(40, 20)] * 40)
        return Examples(task.name, split, rows.columns, np.arange(40) % 2, "long")

    def describe(self, task: Task) -> str:
        return "long"


@pytest.mark.parametrize(("truncation", "boundary"), [("longest_first", 17), ("proportional", 22)])
def test_the_job_selects_the_truncation(bert: PreTrainedTokenizerBase, truncation: str, boundary: int) -> None:
    config = DataConfig.model_validate({"max_seq_length": 33, "truncation": truncation})
    data = prepare_task(TASK, Long(), bert, config, seed=0)
    for part in (data.train, data.selection, data.dev["validation"]):
        assert set(part.boundaries.tolist()) == {boundary}
