"""Preparation of the rows that all trials share, and the fingerprints of rows."""

from __future__ import annotations

import itertools
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import train_test_split
from transformers import PreTrainedTokenizerBase

from gluetune.config import DataConfig
from gluetune.data import DataSource, EncodedRows, Examples, FolderSource, HubSource, open_source, prepare_task
from gluetune.data.examples import examples_fingerprint
from gluetune.data.synthetic_source import SyntheticSource
from gluetune.errors import ConfigError, DataError
from gluetune.tasks import Task, get_task

REAL = os.environ.get("GLUETUNE_GLUE_DIR")


class Numbered(DataSource):
    """A source whose texts name their split and the number of their row."""

    def __init__(self, train: int = 100, dev: int = 40, lacks: str = "") -> None:
        self.sizes = {"train": train, "validation": dev}
        self.lacks = lacks

    def has(self, task: Task, split: str) -> bool:
        return split != self.lacks and split.split("_")[0] in self.sizes

    def load(self, task: Task, split: str) -> Examples:  # type: ignore[override]
        if split == self.lacks:
            raise DataError(f"no {split}")
        rows = np.arange(self.sizes[split.split("_")[0]])
        columns = {column: [f"{split} number {row}" for row in rows] for column in task.columns}
        return Examples(task.name, split, columns, rows % task.num_labels, f"numbered {split}")

    def describe(self, task: Task) -> str:
        return "numbered"


def texts(encoded: EncodedRows, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    return [
        tokenizer.decode(encoded.collate(np.array([row]))["input_ids"][0], skip_special_tokens=True)  # type: ignore[misc]
        for row in range(len(encoded))
    ]


def test_held_out_rows_come_from_train_and_dev_stays_whole(bert: PreTrainedTokenizerBase) -> None:
    data = prepare_task(get_task("cola"), Numbered(), bert, DataConfig(), seed=0)
    train, selection = texts(data.train, bert), texts(data.selection, bert)
    assert (len(train), len(selection)) == (90, 10)
    assert not set(train) & set(selection)
    assert set(train) | set(selection) == {f"train number {row}" for row in range(100)}
    assert texts(data.dev["validation"], bert) == [f"validation number {row}" for row in range(40)]


def test_labels_stay_with_their_rows(bert: PreTrainedTokenizerBase) -> None:
    data = prepare_task(get_task("cola"), Numbered(), bert, DataConfig(max_train_samples=30), seed=0)
    for part in (data.train, data.selection, data.dev["validation"]):
        assert part.labels is not None
        assert part.labels.tolist() == [int(text.split()[-1]) % 2 for text in texts(part, bert)]


def test_the_published_protocol_selects_on_dev(bert: PreTrainedTokenizerBase) -> None:
    data = prepare_task(get_task("mnli"), Numbered(), bert, DataConfig(selection="dev"), seed=0)
    assert len(data.train) == 100
    assert set(data.dev) == {"validation_matched", "validation_mismatched"}
    assert texts(data.selection, bert) == texts(data.dev["validation_matched"], bert)


@pytest.mark.parametrize(("limit", "train"), [(20, 20), (90, 90), (95, 90), (1000, 90)])
def test_held_out_rows_come_on_top_of_the_train_limit(bert: PreTrainedTokenizerBase, limit: int, train: int) -> None:
    data = prepare_task(get_task("cola"), Numbered(), bert, DataConfig(max_train_samples=limit), seed=0)
    assert (len(data.train), len(data.selection)) == (train, 10)
    assert not set(texts(data.train, bert)) & set(texts(data.selection, bert))


def test_a_train_limit_leaves_the_selection_rows_alone(bert: PreTrainedTokenizerBase) -> None:
    whole, limited = (
        prepare_task(get_task("cola"), Numbered(), bert, DataConfig(max_train_samples=limit), seed=0)
        for limit in (None, 20)
    )
    assert texts(whole.selection, bert) == texts(limited.selection, bert)
    assert set(texts(limited.train, bert)) < set(texts(whole.train, bert))


@pytest.mark.parametrize("selection", ["holdout", "dev", "train_test_split"])
def test_the_eval_limit_holds_for_selection_and_dev(bert: PreTrainedTokenizerBase, selection: str) -> None:
    config = DataConfig.model_validate({"selection": selection, "max_eval_samples": 5})
    data = prepare_task(get_task("mnli"), Numbered(), bert, config, seed=0)
    assert [len(part) for part in (data.selection, *data.dev.values())] == [5, 5, 5]


def test_rows_drawn_as_by_scikit_learn_are_not_trained_on(bert: PreTrainedTokenizerBase) -> None:
    drawn = sorted(train_test_split(range(100), random_state=7, test_size=0.25)[1])
    for limit in (None, 9):
        config = DataConfig(
            selection="train_test_split", selection_fraction=0.25, selection_seed=7, max_eval_samples=limit
        )
        data = prepare_task(get_task("cola"), Numbered(), bert, config, seed=0)
        chosen = {f"train number {row}" for row in drawn}
        assert set(texts(data.train, bert)) == {f"train number {row}" for row in range(100)} - chosen
        assert set(texts(data.selection, bert)) <= chosen
        assert len(data.selection) == (limit or 25)


@pytest.mark.skipif(REAL is None, reason="GLUETUNE_GLUE_DIR names no GLUE folder")
def test_the_split_of_the_pytorch_tutorial(bert: PreTrainedTokenizerBase) -> None:
    """CoLA's 8,551 rows, 10% held out with seed 2018; the labels of both sides counted with scikit-learn alone."""
    config = DataConfig(source="dir", dir=REAL, selection="train_test_split", selection_seed=2018, max_seq_length=64)
    data = prepare_task(get_task("cola"), open_source(config), bert, config, seed=42)
    lines = Path(str(REAL), "CoLA", "train.tsv").read_text(encoding="utf-8").splitlines()
    labels = [int(line.split("\t")[1]) for line in lines]
    expected = train_test_split(labels, random_state=2018, test_size=0.1)
    assert (len(data.train), len(data.selection)) == (7695, 856)
    assert data.train.labels is not None
    assert data.selection.labels is not None
    assert [data.train.labels.sum(), data.selection.labels.sum()] == [sum(part) for part in expected]


def test_the_same_seed_the_same_rows(bert: PreTrainedTokenizerBase) -> None:
    config = DataConfig(max_train_samples=20, max_eval_samples=7)
    first, again, other = (prepare_task(get_task("cola"), Numbered(), bert, config, seed) for seed in (1, 1, 2))
    for part in ("train", "selection"):
        assert texts(getattr(first, part), bert) == texts(getattr(again, part), bert)
        assert texts(getattr(first, part), bert) != texts(getattr(other, part), bert)


def test_a_second_dev_split_may_be_missing_and_is_named(bert: PreTrainedTokenizerBase) -> None:
    data = prepare_task(get_task("mnli"), Numbered(lacks="validation_mismatched"), bert, DataConfig(), seed=0)
    assert set(data.dev) == {"validation_matched"}
    assert data.source == "numbered train; numbered validation_matched; no validation_mismatched"


def test_the_ranking_dev_split_may_not_be_missing(bert: PreTrainedTokenizerBase) -> None:
    with pytest.raises(DataError, match="no validation_matched"):
        prepare_task(get_task("mnli"), Numbered(lacks="validation_matched"), bert, DataConfig(), seed=0)


def test_a_task_without_training_data(bert: PreTrainedTokenizerBase) -> None:
    with pytest.raises(ConfigError) as caught:
        prepare_task(get_task("ax"), Numbered(), bert, DataConfig(), seed=0)
    (issue,) = caught.value.issues
    assert issue.path == "tasks"
    assert "mnli" in issue.message


def test_unlabelled_training_rows(bert: PreTrainedTokenizerBase) -> None:
    class Unlabelled(Numbered):
        def load(self, task: Task, split: str) -> Examples:  # type: ignore[override]
            return Examples(task.name, split, super().load(task, split).columns, None, "nowhere")

    with pytest.raises(DataError) as caught:
        prepare_task(get_task("cola"), Unlabelled(), bert, DataConfig(), seed=0)
    assert caught.value.file == "nowhere"
    assert "train rows of cola" in caught.value.message


def test_the_job_names_the_source(tmp_path: Path) -> None:
    assert isinstance(open_source(DataConfig()), SyntheticSource)
    assert isinstance(open_source(DataConfig(source="hub")), HubSource)
    folder = open_source(DataConfig(source="dir", dir=str(tmp_path)))
    assert isinstance(folder, FolderSource)
    assert folder.describe(get_task("cola")) == f"dir:{tmp_path}"


def test_a_folder_source_needs_its_folder() -> None:
    with pytest.raises(ConfigError) as caught:
        open_source(DataConfig(source="dir"))
    assert [issue.path for issue in caught.value.issues] == ["data.dir"]


class Careless(Numbered):
    """A source that returns the same rows for every split."""

    def __init__(self, shared: tuple[str, ...]) -> None:
        super().__init__()
        self.sizes, self.shared = dict.fromkeys(("train", "validation", "test"), 60), shared

    def load(self, task: Task, split: str) -> Examples:  # type: ignore[override]
        return super().load(task, self.shared[0] if split in self.shared else split)


@pytest.mark.parametrize(
    ("shared", "found"),
    [
        (("validation", "test"), {"test": "validation"}),
        (("train", "validation", "test"), {"validation": "train", "test": "train"}),
        (("train",), {}),
    ],
)
@pytest.mark.parametrize("selection", ["holdout", "dev"])
def test_splits_of_the_same_rows_are_found(
    shared: tuple[str, ...], found: dict[str, str], selection: str, bert: PreTrainedTokenizerBase
) -> None:
    config = DataConfig.model_validate({"source": "custom", "dataset": "mine:Rows", "selection": selection})
    data = prepare_task(get_task("cola"), Careless(shared), bert, config, 1)
    assert set(data.dev) == {"validation", "test"}
    assert data.same_rows == found


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
    assert examples_fingerprint(other) != examples_fingerprint(ROWS)


def test_the_same_rows_of_another_place_have_the_same_fingerprint() -> None:
    assert examples_fingerprint(replace(ROWS, split="validation", source="elsewhere")) == examples_fingerprint(ROWS)


def test_only_equal_texts_have_equal_fingerprints() -> None:
    texts = ("", "a", "aa", "\0", "é")
    columns = [list(column) for length in range(4) for column in itertools.product(texts, repeat=length)]
    found = {examples_fingerprint(Examples("cola", "train", {"sentence": column}, None, "")) for column in columns}
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
