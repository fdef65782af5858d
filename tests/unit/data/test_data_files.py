"""Files of a task: the layout that each is read in, and the error if no layout fits."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gluetune.config import DataConfig
from gluetune.config.yaml_files import MAX_DEPTH
from gluetune.data import Examples, FolderSource, open_source, read_file
from gluetune.data.records import json_too_deep
from gluetune.errors import DataError
from gluetune.tasks import get_task
from messages import Line, assert_shows

REAL = os.environ.get("GLUETUNE_GLUE_DIR")
MRPC = (
    "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n1\t702876\t702977\tHe said.\tShe said.\r\n0\t1\t2\tA.\tB.\r\n"
)
STANFORD = (
    "gold_label\tsentence1_parse\tsentence1\tsentence2\tlabel1\tlabel2\n"
    "neutral\t(ROOT)\tA man.\tA woman.\tneutral\t\n-\t(ROOT)\tNobody agreed.\tOn this.\tneutral\tentailment\n"
)
JSONL = "".join(
    json.dumps({"gold_label": label, "sentence1": a, "sentence2": b}) + "\n"
    for label, a, b in (("neutral", "A man.", "A woman."), ("-", "Nobody agreed.", "On this."))
)
GLUE_SNLI = (
    "index\tsentence1\tsentence2\tlabel1\tgold_label\n"
    "0\tA man.\tA woman.\tneutral\tneutral\n1\tNobody agreed.\tOn this.\tneutral\tneutral\t-\n"
)
COLA = "gj04\t1\t\tIn.\nclc95\t0\t*\tOut.\n"


def read(folder: Path, name: str, content: str, task: str, labels: bool | None = None) -> Examples:
    (folder / name).write_bytes(content.encode())
    return read_file(folder / name, get_task(task), labels=labels)


def given(examples: Examples) -> list[float] | None:
    return None if examples.labels is None else examples.labels.tolist()


@pytest.mark.parametrize(
    ("task", "name", "content", "rows", "labels"),
    [
        ("mrpc", "mine.txt", MRPC, [("He said.", "She said."), ("A.", "B.")], [1, 0]),
        ("mrpc", "test.tsv", "index\t#1 ID\t#2 ID\t#1 String\t#2 String\n0\t1\t2\tA.\tB.\n", [("A.", "B.")], None),
        ("cola", "out_of_domain_dev.tsv", COLA, [("In.",), ("Out.",)], [1, 0]),
        ("cola", "test.tsv", "index\tsentence\n0\tBill whistled.\n", [("Bill whistled.",)], None),
        ("cola", "four.tsv", "id\tgenre\tnote\tsentence\n0\tfiction\t\tBill whistled.\n", [("Bill whistled.",)], None),
        ("cola", "mine.tsv", "sentence\tlabel\nBill whistled.\t1\n", [("Bill whistled.",)], [1]),
        ("snli", "train.txt", STANFORD, [("A man.", "A woman.")], [1]),
        ("snli", "train.jsonl", JSONL, [("A man.", "A woman.")], [1]),
        ("snli", "train.tsv", GLUE_SNLI, [("A man.", "A woman.")], [1]),
        ("snli", "mine.tsv", "premise\thypothesis\tlabel\nA.\tB.\tentailment\n", [("A.", "B.")], [0]),
        ("snli", "mine.jsonl", '{"hypothesis": "B.", "premise": "A."}\n', [("A.", "B.")], None),
        ("stsb", "mine.tsv", "sentence2\tscore\tsentence1\nB.\t2.5\tA.\n", [("A.", "B.")], [2.5]),
        ("ax", "full.tsv", "Domain\tPremise\tHypothesis\tLabel\n\tA.\tB.\tneutral\n", [("A.", "B.")], [1]),
        ("ax", "AX.tsv", "index\tsentence1\tsentence2\n0\tA.\tB.\n", [("A.", "B.")], None),
    ],
)
def test_the_layout_is_the_one_that_fits(
    tmp_path: Path, task: str, name: str, content: str, rows: list[tuple[str, ...]], labels: list[float] | None
) -> None:
    examples = read(tmp_path, name, content, task)
    assert list(zip(*examples.columns.values(), strict=True)) == rows
    assert given(examples) == labels
    assert tuple(examples.columns) == get_task(task).columns
    assert (examples.task, examples.split) == (task, name)


@pytest.mark.parametrize(("name", "content"), [("a.txt", STANFORD), ("a.jsonl", JSONL), ("a.tsv", GLUE_SNLI)])
def test_undecided_rows_are_left_out_where_labels_are_read(tmp_path: Path, name: str, content: str) -> None:
    examples = read(tmp_path, name, content, "snli")
    assert len(examples) == 1
    assert examples.source == f"file:{tmp_path / name} (1 rows without a label left out)"
    unread = read(tmp_path, name, content, "snli", labels=False)
    assert unread.columns == {"premise": ["A man.", "Nobody agreed."], "hypothesis": ["A woman.", "On this."]}
    assert unread.labels is None


def test_only_glues_own_snli_files_may_have_wider_rows(tmp_path: Path) -> None:
    wide = STANFORD.replace("entailment\n", "entailment\tneutral\n")
    with pytest.raises(DataError, match=r"\b6\b"):
        read(tmp_path, "a.txt", wide, "snli")


def test_labels_that_are_not_read_may_be_anything(tmp_path: Path) -> None:
    content = "gj04\tunknown\t\tIn.\n"
    assert read(tmp_path, "a.tsv", content, "cola", labels=False).columns == {"sentence": ["In."]}
    with pytest.raises(DataError, match="'unknown'"):
        read(tmp_path, "a.tsv", content, "cola", labels=True)


@pytest.mark.parametrize(
    ("task", "labels", "content", "known", "got", "near"),
    [
        (
            "mrpc",
            None,
            "Quality\t#1 Strng\t#2 String\n1\ta\tb\n",
            ["(#1 String, #2 String)", "(sentence1, sentence2)"],
            "(Quality, #1 Strng, #2 String)",
            "#1 Strng",
        ),
        (
            "mrpc",
            True,
            "index\t#1 String\t#2 String\n1\ta\tb\n",
            ["(#1 String, #2 String, Quality)", "(sentence1, sentence2, label)"],
            "(index, #1 String, #2 String)",
            "",
        ),
        ("cola", None, "Bill whistled.\n", ["(sentence)", "4 columns"], "(Bill whistled.)", ""),
        ("cola", True, "index\tsentence\n0\ta\n", ["(sentence, label)", "4 columns"], "(index, sentence)", ""),
        ("rte", False, "0\t" + "very " * 30 + "long\n", ["(sentence1, sentence2)"], "(0, very very very", ""),
    ],
)
def test_no_layout_fits(
    tmp_path: Path, task: str, labels: bool | None, content: str, known: list[str], got: str, near: str
) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, "a.tsv", content, task, labels)
    assert_shows(str(caught.value), [Line(f"{tmp_path}/a.tsv:1", got, near)])
    assert [columns for columns in known if columns not in caught.value.message] == []
    assert len(caught.value.message) < 250


def test_no_keys_fit(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, "a.jsonl", '{"premis": "a", "hypothesis": "b"}\n', "snli")
    assert_shows(str(caught.value), [Line(f"{tmp_path}/a.jsonl:1", "(premis, hypothesis)")])


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("CoLA/raw/in_domain_dv.tsv", "in_domain_dev.tsv"),
        ("CoLA/rwa/in_domain_dev.tsv", "raw"),
        ("x", ""),
        ("CoLA", "CoLA"),
    ],
)
def test_a_missing_file_with_the_nearest_name(tmp_path: Path, name: str, near: str) -> None:
    (tmp_path / "CoLA/raw").mkdir(parents=True)
    (tmp_path / "CoLA/raw/in_domain_dev.tsv").write_text(COLA)
    with pytest.raises(DataError) as caught:
        read_file(tmp_path / name, get_task("cola"), labels=None)
    assert_shows(str(caught.value), [Line(str(tmp_path / name), nearest=near)])


@pytest.mark.parametrize(
    ("content", "line", "value"),
    [(b"", "", "empty"), (b"\xef\xbb\xbf", "", "empty"), (b"caf\xe9\n", ":1", "byte 0xe9")],
)
def test_a_first_line_that_cannot_be_read(tmp_path: Path, content: bytes, line: str, value: str) -> None:
    (tmp_path / "a.tsv").write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_file(tmp_path / "a.tsv", get_task("rte"), labels=None)
    assert_shows(str(caught.value), [Line(f"{tmp_path}/a.tsv{line}", value)])


def test_given_files_stand_in_for_official_ones(tmp_path: Path) -> None:
    (tmp_path / "CoLA").mkdir()
    for name, content in (("train.tsv", COLA), ("dev.tsv", COLA), ("mine.tsv", "x\t1\t\tMine.\n")):
        (tmp_path / "CoLA" / name).write_text(content)
    elsewhere = tmp_path / "elsewhere.tsv"
    elsewhere.write_text("index\tsentence\n0\tUnlabelled.\n")
    cola = get_task("cola")
    for field, split in (("train_file", "train"), ("validation_file", "validation"), ("test_file", "test")):
        source = open_source(DataConfig.model_validate({"source": "dir", "dir": str(tmp_path), field: "CoLA/mine.tsv"}))
        examples = source.load(cola, split)
        assert (examples.columns, given(examples), examples.split) == ({"sentence": ["Mine."]}, [1], split)
        assert examples.source == f"file:{tmp_path}/CoLA/mine.tsv"
        others = {"train", "validation"} - {split}
        assert all(source.load(cola, other).columns == {"sentence": ["In.", "Out."]} for other in others)
        assert source.has(cola, "test") == (split == "test")
    assert given(FolderSource(tmp_path, test=str(elsewhere)).load(cola, "test")) is None
    with pytest.raises(DataError, match=r"must name the columns \(sentence, label\)"):
        FolderSource(tmp_path, train=str(elsewhere)).load(cola, "train")


def test_given_files_are_for_the_first_splits_of_trained_tasks(tmp_path: Path) -> None:
    header = "sentence1\tsentence2\tgold_label\n"
    for name, text in (("MNLI/dev_mismatched.tsv", "official"), ("AX/AX.tsv", "diagnostic"), ("mine.tsv", "mine")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{header}{text}\tb\tneutral\n")
    source = FolderSource(tmp_path, validation="mine.tsv", test="mine.tsv")
    mnli, ax = get_task("mnli"), get_task("ax")
    assert source.load(mnli, "validation_matched").columns["premise"] == ["mine"]
    assert source.load(mnli, "validation_mismatched").columns["premise"] == ["official"]
    assert source.load(mnli, "test_matched").columns["premise"] == ["mine"]
    assert source.load(ax, "test").columns["premise"] == ["diagnostic"]


@pytest.mark.skipif(REAL is None, reason="GLUETUNE_GLUE_DIR names no GLUE folder")
@pytest.mark.parametrize(
    ("task", "name", "rows", "positive"),
    [
        ("cola", "CoLA/raw/out_of_domain_dev.tsv", 516, 354),
        ("cola", "CoLA/raw/in_domain_dev.tsv", 527, 365),
        ("cola", "CoLA/raw/in_domain_train.tsv", 8551, 6023),
        ("cola", "CoLA/test.tsv", 1063, None),
        ("mrpc", "MRPC/msr_paraphrase_train.txt", 4076, 2753),
        ("mrpc", "MRPC/msr_paraphrase_test.txt", 1725, 1147),
        ("mrpc", "MRPC/dev.tsv", 408, 279),
        ("mrpc", "MRPC/test.tsv", 1725, None),
        ("rte", "RTE/test.tsv", 3000, None),
        ("snli", "SNLI/dev.tsv", 48, None),
        ("mnli", "MNLI/dev_matched.tsv", 48, None),
    ],
)
def test_official_files(task: str, name: str, rows: int, positive: int | None) -> None:
    examples = read_file(Path(str(REAL), name), get_task(task), labels=None)
    labelled = task not in ("snli", "mnli")
    if labelled:
        assert len(examples) == rows
        assert (None if examples.labels is None else int(np.sum(examples.labels == 1))) == positive
    else:
        assert examples.labels is not None
        assert set(examples.labels.tolist()) == {0, 1, 2}


@pytest.mark.skipif(REAL is None, reason="GLUETUNE_GLUE_DIR names no GLUE folder")
def test_the_raw_five_column_file_of_mrpc() -> None:
    """GluonNLP's reader takes fields 3, 4 and 0 of each line but the first."""
    file = Path(str(REAL), "MRPC/dev.tsv")
    lines = file.read_text(encoding="utf-8").split("\n")[1:]
    fields = [line.removesuffix("\r").split("\t") for line in lines if line]
    assert {len(row) for row in fields} == {5}
    examples = read_file(file, get_task("mrpc"), labels=True)
    assert examples.columns == {"sentence1": [row[3] for row in fields], "sentence2": [row[4] for row in fields]}
    assert given(examples) == [int(row[0]) for row in fields]


@pytest.mark.parametrize(
    ("task", "labels", "wanted"),
    [
        ("sst2", "0 1 1.0", [0, 1, 1]),
        ("sst2", '"1" 0 "positive"', [1, 0, 1]),
        ("rte", "1 0 0", [1, 0, 0]),
        ("snli", "2 -1 0", [2, 0]),
        ("stsb", '0.5 5 "2.25"', [0.5, 5.0, 2.25]),
    ],
)
def test_numbers_are_labels_in_json(tmp_path: Path, task: str, labels: str, wanted: list[float]) -> None:
    texts = "".join(f'"{column}": "a", ' for column in get_task(task).columns)
    content = "".join(f'{{{texts}"label": {label}}}\n' for label in labels.split())
    assert given(read(tmp_path, "a.jsonl", content, task)) == wanted


@pytest.mark.parametrize(
    ("name", "task", "content", "rows"),
    [
        ("a.tsv", "sst2", "sentence\nfirst\n\nthird\n\n\n", ["first", "", "third", "", ""]),
        ("a.tsv", "sst2", "sentence\r\nfirst\r\n\r\n", ["first", ""]),
        ("a.tsv", "sst2", "sentence\nfirst", ["first"]),
        ("a.tsv", "sst2", "sentence\n\n\n", ["", ""]),
        ("a.tsv", "sst2", "sentence\tid\nfirst\t1\n\t2\n\n\n", ["first", ""]),
        ("a.jsonl", "sst2", '{"sentence": "first"}\n{"sentence": ""}\n\n \n', ["first", ""]),
    ],
)
def test_every_row_counts(tmp_path: Path, name: str, task: str, content: str, rows: list[str]) -> None:
    assert read(tmp_path, name, content, task, labels=False).columns == {"sentence": rows}


def test_official_test_rows_without_an_agreed_label_are_rows_to_predict(tmp_path: Path) -> None:
    (tmp_path / "SNLI").mkdir()
    (tmp_path / "SNLI" / "snli_1.0_test.jsonl").write_text(JSONL)
    source, task = FolderSource(tmp_path), get_task("snli")
    assert len(source.load(task, "test")) == 1
    unread = source.load(task, "test", labels=False)
    assert (len(unread), unread.labels, unread.source) == (2, None, f"dir:{tmp_path}/SNLI/snli_1.0_test.jsonl")


@pytest.mark.parametrize(
    ("text", "too_deep"),
    [
        ("[" * MAX_DEPTH + "]" * MAX_DEPTH, False),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), True),
        ('{"a":' * 200 + "1" + "}" * 200, True),
        ("[" * 100_000, True),
        ("[" + "[]," * 500 + "[]]", False),
        ('{"a": "' + "[" * 500 + '"}', False),
        ('{"a": "\\"' + "[" * 500 + '"}', False),
    ],
    ids=["at the limit", "one more", "objects", "never closed", "side by side", "in a string", "behind a quote"],
)
def test_the_depth_of_json_is_counted_without_the_brackets_in_its_strings(text: str, too_deep: bool) -> None:
    assert json_too_deep(text) is too_deep


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet", ".json"])
def test_texts_of_a_known_task_are_read_from_any_table(ending: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": [7, 8, 9], "sentence": ['a, "b"', "two\nlines", ""]})
    file = tmp_path / f"rows{ending}"
    if ending == ".parquet":
        frame.to_parquet(file)
    elif ending == ".json":
        file.write_text(frame.to_json(orient="records"))
    else:
        frame.to_csv(file, index=False)
    found = read_file(file, get_task("cola"), labels=False)
    assert list(found.columns["sentence"]) == ['a, "b"', "two\nlines", ""]
    assert found.labels is None
    assert found.split == file.name


def test_a_missing_column_of_a_table_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("sentnce\nA.\n")
    with pytest.raises(DataError) as caught:
        read_file(tmp_path / "rows.csv", get_task("cola"), labels=False)
    for part in ("'sentence'", "'sentnce'", "rows.csv"):
        assert part in str(caught.value)
