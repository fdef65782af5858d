"""Dataset classes of the user: the accepted forms, and which splits there are.

Violations of the contract are among those of `tests/contract/bad_data_classes.py`.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from transformers import PreTrainedTokenizerBase

from gluetune.config import DataConfig
from gluetune.data import CustomSource, open_source, prepare_task
from gluetune.errors import ConfigError, DataError
from gluetune.tasks import get_task
from messages import Line, assert_shows
from two_workers import TwoWorkers

GOOD = '''
import torch

ROWS = {"train": 30, "validation": 10, "test": 4}

class Reviews(torch.utils.data.Dataset):
    """Rows of a folder, as in the PyTorch tutorials."""

    def __init__(self, split, data_dir=None):
        self.split, self.folder = split, data_dir
        self.length = ROWS[split]

    def __len__(self):
        return self.length

    def __getitem__(self, row):
        label = {} if self.split == "test" else {"label": torch.tensor(row % 2)}
        return {"sentence": f"{self.split} {row} of {self.folder}", "extra": row} | label
'''


def write(folder: Path, code: str, name: str = "mine.py") -> str:
    (folder / name).write_text(code)
    return str(folder / name)


def rows_source(folder: Path, rows: str) -> CustomSource:
    """A class whose rows are the items of a list."""
    code = f"class Rows(list):\n    def __init__(self, split):\n        super().__init__({rows})\n"
    return CustomSource(f"{write(folder, code)}:Rows")


def test_a_torch_dataset_in_a_file(tmp_path: Path, bert: PreTrainedTokenizerBase) -> None:
    config = DataConfig(source="custom", dataset=f"{write(tmp_path, GOOD)}:Reviews", dir=str(tmp_path))
    source, cola = open_source(config), get_task("cola")
    train = source.load(cola, "train")
    assert train.columns["sentence"][:2] == [f"train 0 of {tmp_path}", f"train 1 of {tmp_path}"]
    assert train.labels is not None
    assert (train.labels.dtype, train.labels.tolist()) == (np.int64, [0, 1] * 15)
    assert source.load(cola, "test").labels is None
    assert train.source == f"custom:{tmp_path}/mine.py:Reviews/train"
    data = prepare_task(cola, source, bert, config, seed=0)
    assert len(data.train) + len(data.selection) == 30
    assert len(data.dev["validation"]) == 10


def test_a_class_of_an_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "reviews_of_mine").mkdir()
    write(tmp_path, GOOD, "reviews_of_mine/data.py")
    (tmp_path / "reviews_of_mine/__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    source = CustomSource("reviews_of_mine.data:Reviews")
    assert source.load(get_task("cola"), "validation").columns["sentence"][0] == "validation 0 of None"


def test_a_function_that_gives_a_dataset_of_the_datasets_library(tmp_path: Path) -> None:
    source = CustomSource(
        write(
            tmp_path,
            """
import datasets

def pairs(*, split, **others):
    assert others == {"data_dir": None}
    return datasets.Dataset.from_dict({"sentence1": ["a"], "sentence2": ["b"], "label": [2.5]})
""",
        )
        + ":pairs"
    )
    examples = source.load(get_task("stsb"), "train")
    assert examples.columns == {"sentence1": ["a"], "sentence2": ["b"]}
    assert examples.labels is not None
    assert (examples.labels.dtype, examples.labels.tolist()) == (np.float32, [2.5])


def test_it_crosses_to_another_process(tmp_path: Path, two_workers: TwoWorkers) -> None:
    source = CustomSource(f"{write(tmp_path, GOOD)}:Reviews")
    assert two_workers.run(rows_in, source) == [30, 30]


def rows_in(_: object, source: CustomSource) -> int:
    return len(source.load(get_task("cola"), "train"))


@pytest.mark.parametrize(
    ("task", "rows", "labels", "left"),
    [
        ("snli", '["entailment", "neutral", "contradiction", "-", -1, None, 2]', [0, 1, 2, 2], 3),
        ("mnli", '["neutral"]', [1], 0),
        ("rte", '["not_entailment", 0, True]', [1, 0, 1], 0),
        ("stsb", "[0, 5, 2.25]", [0, 5, 2.25], 0),
        ("rte", "[None, -1]", None, 0),
        ("stsb", "[-1, None]", None, 0),
    ],
)
def test_labels_in_all_forms(tmp_path: Path, task: str, rows: str, labels: list[float] | None, left: int) -> None:
    found = get_task(task)
    texts = "".join(f"{name!r}: 'text', " for name in found.columns)
    source = rows_source(tmp_path, f"{{{texts} 'label': label}} for label in {rows}")
    examples = source.load(found, "train")
    assert (None if examples.labels is None else examples.labels.tolist()) == labels
    if labels is not None:
        assert len(examples) == len(labels)
    assert examples.source.endswith(f"/train ({left} rows without a label left out)" if left else "/train")


def test_a_split_that_need_not_be_there_may_be_missing(tmp_path: Path, bert: PreTrainedTokenizerBase) -> None:
    path = write(
        tmp_path,
        """
class Rows(list):
    def __init__(self, split):
        if split not in ("train", "validation_matched"):
            raise ValueError(f"there are no {split} rows")
        super().__init__({"premise": "a", "hypothesis": "b", "label": row % 3} for row in range(30))
""",
    )
    source = CustomSource(f"{path}:Rows")
    data = prepare_task(get_task("mnli"), source, bert, DataConfig(), seed=0)
    assert set(data.dev) == {"validation_matched"}
    assert not source.has(get_task("ax"), "test")
    assert not source.has(get_task("mnli"), "train_matched")
    with pytest.raises(DataError) as caught:
        source.load(get_task("mnli"), "test_matched")
    value = f"there are no test_matched rows ({path}, line 5)"
    assert_shows(str(caught.value), [Line(f"custom:{path}:Rows/test_matched", value)])


MISSING = """
class Rows(list):
    def __init__(self, split):
        if split not in ("train", "validation"):
            ERROR
        super().__init__({"sentence": "a", "label": row % 2} for row in range(30))
"""


@pytest.mark.parametrize(
    "error",
    [
        "raise FileNotFoundError('/data/rows.txt')",
        "raise NotImplementedError",
        "{'train': 1}[split]",
        "raise ValueError(f'unknown split {split}')",
        "open('/nowhere/' + split)",
    ],
)
def test_exceptions_that_mean_that_a_split_is_missing(tmp_path: Path, error: str) -> None:
    source = CustomSource(f"{write(tmp_path, MISSING.replace('ERROR', error))}:Rows")
    assert source.has(get_task("cola"), "validation")
    assert not source.has(get_task("cola"), "test")


@pytest.mark.parametrize(
    "error",
    [
        "splitt",
        "self.rows = None + 1",
        "{'text': 1}['sentence']",
        "int('seven')",
        "raise RuntimeError(split)",
    ],
)
def test_a_bug_is_no_missing_split(tmp_path: Path, bert: PreTrainedTokenizerBase, error: str) -> None:
    path = write(tmp_path, MISSING.replace("ERROR", error))
    config = DataConfig(source="custom", dataset=f"{path}:Rows")
    with pytest.raises(DataError) as caught:
        prepare_task(get_task("cola"), open_source(config), bert, config, seed=0)
    assert "(split='test') raised " in str(caught.value)
    assert f"({path}, line 5)" in str(caught.value)
    assert "attribute `splits`" in str(caught.value)


def test_a_class_may_list_its_splits(tmp_path: Path) -> None:
    code = MISSING.replace("ERROR", "1 / 0").replace("    def", "    splits = ('train', 'validation')\n\n    def", 1)
    source = CustomSource(f"{write(tmp_path, code)}:Rows")
    assert [source.has(get_task("cola"), split) for split in ("train", "validation", "test")] == [True, True, False]


def test_a_split_that_was_looked_for_is_built_once(tmp_path: Path) -> None:
    built = tmp_path / "built"
    noted = f"        with open({str(built)!r}, 'a') as file: file.write(split + ' ')\n"
    code = MISSING.replace("        if", f"{noted}        if", 1)
    source = CustomSource(f"{write(tmp_path, code)}:Rows")
    assert source.has(get_task("cola"), "validation")
    assert len(pickle.loads(pickle.dumps(source)).load(get_task("cola"), "validation")) == 30
    assert built.read_text() == "validation validation "
    assert len(source.load(get_task("cola"), "validation")) == 30
    assert built.read_text() == "validation validation "


@pytest.mark.parametrize("label", ["5.5", "'2.5'"])
def test_similarities_that_are_none(tmp_path: Path, label: str) -> None:
    source = rows_source(tmp_path, f"[{{'sentence1': 'a', 'sentence2': 'b', 'label': {label}}}]")
    with pytest.raises(DataError) as caught:
        source.load(get_task("stsb"), "train")
    assert_shows(str(caught.value), [Line(f"custom:{tmp_path}/mine.py:Rows/train", f"{label} in row 0")])


def test_a_job_needs_its_class() -> None:
    with pytest.raises(ConfigError) as caught:
        open_source(DataConfig(source="custom"))
    assert [issue.path for issue in caught.value.issues] == ["data.dataset"]
