"""Broken official files: one error that names the file, the line, the rule and the values."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path

import pytest

from gluetune.config.yaml_files import MAX_DEPTH
from gluetune.data import FolderSource
from gluetune.data.records import json_too_deep
from gluetune.errors import DataError
from gluetune.tasks import get_task

RTE = b"index\tsentence1\tsentence2\tlabel\n"
JSON = b'{"sentence1": "a", "sentence2": "b", "gold_label": %s}\n'
KIND = "the file must be UTF-8 text, tab-separated or, in .jsonl, one JSON object per line, but is"
STSB = b"index\tsentence1\tsentence2\tscore\n"
COLA = b"gj04\t1\t\tThe sailors rode the breeze.\n"


@dataclass(frozen=True)
class Case:
    """Files of a folder, the split that is loaded, and the message after the name of the folder."""

    name: str
    task: str
    files: dict[str, bytes]
    message: str
    split: str = "train"


CASES = [
    Case(
        "row too short",
        "rte",
        {"RTE/train.tsv": RTE + b"0\ta\tb\tentailment\n1\ta\tentailment\n"},
        "/RTE/train.tsv:3: a row must have 4 tab-separated columns (index, sentence1, sentence2, label), but got 3",
    ),
    Case(
        "row too wide",
        "rte",
        {"RTE/train.tsv": RTE + b"0\ta\tb\tc\tentailment\n"},
        "/RTE/train.tsv:2: a row must have 4 tab-separated columns (index, sentence1, sentence2, label), but got 5",
    ),
    Case(
        "row too short without a header",
        "cola",
        {"CoLA/train.tsv": COLA + b"gj04\t1\tNo mark column.\n"},
        "/CoLA/train.tsv:2: a row must have 4 tab-separated columns, but got 3",
    ),
    Case(
        "row too wide without a header",
        "cola",
        {"CoLA/train.tsv": COLA + b"gj04\t1\t\tA\ttab.\n"},
        "/CoLA/train.tsv:2: a row must have 4 tab-separated columns, but got 5",
    ),
    Case(
        "blank line between rows",
        "rte",
        {"RTE/train.tsv": RTE + b"\n0\ta\tb\tentailment\n"},
        "/RTE/train.tsv:2: a row must have 4 tab-separated columns (index, sentence1, sentence2, label), but got 1",
    ),
    Case(
        "spaces for tabs",
        "rte",
        {"RTE/train.tsv": b"index sentence1 sentence2 label\n0 a b entailment\n"},
        "/RTE/train.tsv:1: the header must name 'sentence1', but got (index sentence1 sentence2 label); "
        "nearest: 'index sentence1 sentence2 label'",
    ),
    Case(
        "renamed column",
        "rte",
        {"RTE/train.tsv": b"index\tsentence_1\tsentence2\tlabel\n0\ta\tb\tentailment\n"},
        "/RTE/train.tsv:1: the header must name 'sentence1', but got (index, sentence_1, sentence2, label); "
        "nearest: 'sentence_1'",
    ),
    Case(
        "test file in the dev file's place",
        "rte",
        {"RTE/dev.tsv": b"index\tsentence1\tsentence2\n0\ta\tb\n"},
        "/RTE/dev.tsv:1: the header must name 'label', but got (index, sentence1, sentence2)",
        "validation",
    ),
    Case(
        "header missing",
        "rte",
        {"RTE/train.tsv": b"0\ta\tb\tentailment\n"},
        "/RTE/train.tsv:1: the header must name 'sentence1', but got (0, a, b, entailment)",
    ),
    Case(
        "misspelt label",
        "rte",
        {"RTE/train.tsv": RTE + b"0\ta\tb\tentailment\n1\ta\tb\tentailmnet\n"},
        "/RTE/train.tsv:3: the label must be one of 'entailment', 'not_entailment', but got 'entailmnet'; "
        "nearest: 'entailment'",
    ),
    Case(
        "label of another task",
        "rte",
        {"RTE/train.tsv": RTE + b"0\ta\tb\t7\n"},
        "/RTE/train.tsv:2: the label must be one of 'entailment', 'not_entailment', but got '7'",
    ),
    Case(
        "label that is no 0 or 1",
        "cola",
        {"CoLA/train.tsv": COLA + b"gj04\t2\t\tTwo.\n"},
        "/CoLA/train.tsv:2: the label must be one of '0', '1', but got '2'",
    ),
    Case(
        "header where there is none",
        "cola",
        {"CoLA/train.tsv": b"source\tlabel\tmark\tsentence\n" + COLA},
        "/CoLA/train.tsv:1: the label must be one of '0', '1', but got 'label'",
    ),
    Case(
        "empty label",
        "cola",
        {"CoLA/train.tsv": b"gj04\t\t\tNo label.\n"},
        "/CoLA/train.tsv:1: the label must be one of '0', '1', but got ''",
    ),
    Case(
        "label with a space",
        "cola",
        {"CoLA/train.tsv": b"gj04\t1 \t\tA space.\n"},
        "/CoLA/train.tsv:1: the label must be one of '0', '1', but got '1 '; nearest: '1'",
    ),
    Case(
        "undecided label where there are none",
        "rte",
        {"RTE/train.tsv": RTE + b"0\ta\tb\t-\n"},
        "/RTE/train.tsv:2: the label must be one of 'entailment', 'not_entailment', but got '-'",
    ),
    Case(
        "similarity too high",
        "stsb",
        {"STS-B/train.tsv": STSB + b"0\ta\tb\t5.000\n1\ta\tb\t5.001\n"},
        "/STS-B/train.tsv:3: `0 <= label <= 5` must hold, but got 5.001",
    ),
    Case(
        "similarity below zero",
        "stsb",
        {"STS-B/train.tsv": STSB + b"0\ta\tb\t-0.1\n"},
        "/STS-B/train.tsv:2: `0 <= label <= 5` must hold, but got -0.1",
    ),
    Case(
        "similarity not a number",
        "stsb",
        {"STS-B/train.tsv": STSB + b"0\ta\tb\tnan\n"},
        "/STS-B/train.tsv:2: `0 <= label <= 5` must hold, but got nan",
    ),
    Case(
        "similarity in words",
        "stsb",
        {"STS-B/train.tsv": STSB + b"0\ta\tb\thigh\n"},
        "/STS-B/train.tsv:2: the label must be a number, but got 'high'",
    ),
    Case(
        "Latin-1",
        "rte",
        {"RTE/train.tsv": RTE + b"0\tcaf\xe9 au lait\tb\tentailment\n"},
        "/RTE/train.tsv:2: text must be UTF-8, but got byte 0xe9 (invalid continuation byte)",
    ),
    Case(
        "Latin-1 after CRLF",
        "rte",
        {"RTE/train.tsv": RTE[:-1] + b"\r\n0\ta\tb\tentailment\r\n1\t\xff\tb\tentailment"},
        "/RTE/train.tsv:3: text must be UTF-8, but got byte 0xff (invalid start byte)",
    ),
    Case("UTF-16", "rte", {"RTE/train.tsv": RTE.decode().encode("utf-16")}, f"/RTE/train.tsv: {KIND} text in UTF-16"),
    Case(
        "a spreadsheet",
        "rte",
        {"RTE/train.tsv": b"PK\x03\x04\x14\0\x06\0\x08\0\0\0!\0xl/workbook.xml\x1b[31m"},
        f"/RTE/train.tsv: {KIND} a zip archive, as .xlsx and .ods files are",
    ),
    Case("a Parquet file", "rte", {"RTE/train.tsv": b"PAR1\x15\0"}, f"/RTE/train.tsv: {KIND} a Parquet file"),
    Case(
        "compressed",
        "snli",
        {"SNLI/snli_1.0_train.jsonl": b"\x1f\x8b\x08\x08"},
        f"/SNLI/snli_1.0_train.jsonl: {KIND} compressed by gzip",
    ),
    Case(
        "zeros",
        "rte",
        {"RTE/train.tsv": b"i\0n\0d\0e\0x\0"},
        f"/RTE/train.tsv: {KIND} a binary file: it begins with NUL bytes",
    ),
    Case("empty file", "rte", {"RTE/train.tsv": b""}, "/RTE/train.tsv: the file must hold rows, but is empty"),
    Case(
        "only a byte order mark",
        "rte",
        {"RTE/train.tsv": b"\xef\xbb\xbf"},
        "/RTE/train.tsv: the file must hold rows, but is empty",
    ),
    Case(
        "only a header", "rte", {"RTE/train.tsv": RTE}, "/RTE/train.tsv: the file must hold rows, but got only a header"
    ),
    Case(
        "only malformed questions",
        "qqp",
        {"QQP/train.tsv": b"id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n0\t1\ntorn\n"},
        "/QQP/train.tsv: the file must hold rows, but got only 2 malformed ones",
    ),
    Case(
        "a wide question",
        "qqp",
        {"QQP/train.tsv": b"id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n0\t1\t2\ta\tb\tc\t1\n"},
        "/QQP/train.tsv:2: a row must have 6 tab-separated columns "
        "(id, qid1, qid2, question1, question2, is_duplicate), but got 7",
    ),
    Case(
        "a folder in the file's place",
        "rte",
        {"RTE/train.tsv/part": b""},
        "/RTE/train.tsv: the file must be readable, but got Is a directory",
    ),
    Case(
        "broken JSON",
        "snli",
        {"SNLI/snli_1.0_train.jsonl": b'{"sentence1": "a", \n'},
        "/SNLI/snli_1.0_train.jsonl:1: a line must be one JSON object, but got Expecting property name enclosed in "
        "double quotes at character 20",
    ),
    Case(
        "JSON that is no object",
        "snli",
        {"SNLI/snli_1.0_train.jsonl": b'["a", "b"]\n'},
        '/SNLI/snli_1.0_train.jsonl:1: a line must be one JSON object, but got ["a", "b"]',
    ),
    Case(
        "JSON nested without end",
        "snli",
        {"SNLI/snli_1.0_train.jsonl": b'{"sentence1": ' + b"[" * 100_000},
        "/SNLI/snli_1.0_train.jsonl:1: a line must not be nested deeper than 100 levels",
    ),
    Case(
        "half a character",
        "snli",
        {"SNLI/snli_1.0_train.jsonl": b'{"sentence1": "a", "sentence2": "b \\ud83d", "gold_label": "neutral"}\n'},
        "/SNLI/snli_1.0_train.jsonl:1: 'sentence2' must be Unicode text, but has a lone surrogate: \\ud83d at "
        "character 3",
    ),
    Case(
        "a number of 5,000 digits",
        "snli",
        {"SNLI/snli_1.0_train.jsonl": JSON % b"0" + JSON % (b"7" * 5000)},
        "/SNLI/snli_1.0_train.jsonl:2: a number must have at most 4,300 digits, but one has more",
    ),
    Case(
        "a JSON class that is no whole number",
        "snli",
        {"SNLI/snli_1.0_train.jsonl": JSON % b"1" + JSON % b"1.5"},
        "/SNLI/snli_1.0_train.jsonl:2: the label must be one of 'entailment', 'neutral', 'contradiction', but got 1.5",
    ),
    Case(
        "a JSON class that there is not",
        "snli",
        {"SNLI/snli_1.0_train.jsonl": JSON % b"3"},
        "/SNLI/snli_1.0_train.jsonl:1: the label must be one of 'entailment', 'neutral', 'contradiction', but got 3",
    ),
    Case(
        "a JSON label that is neither",
        "snli",
        {"SNLI/snli_1.0_train.jsonl": JSON % b"true"},
        "/SNLI/snli_1.0_train.jsonl:1: 'gold_label' must be a string or a number, but got true",
    ),
    Case(
        "JSON without a key",
        "snli",
        {"SNLI/snli_1.0_train.jsonl": b'{"sentence1": "a", "sentence2": "b", "gold_lable": "neutral"}\n'},
        "/SNLI/snli_1.0_train.jsonl:1: the object must have 'gold_label', but got (sentence1, sentence2, gold_lable); "
        "nearest: 'gold_lable'",
    ),
    Case(
        "JSON with a number for text",
        "snli",
        {"SNLI/snli_1.0_train.jsonl": b'{"sentence1": 1, "sentence2": "b", "gold_label": "neutral"}\n'},
        "/SNLI/snli_1.0_train.jsonl:1: 'sentence1' must be a string, but got 1",
    ),
    Case(
        "missing file",
        "rte",
        {"RTE/trian.tsv": RTE},
        ": rte's train rows must stand in RTE/train.tsv, but there is no such file; nearest: 'RTE/trian.tsv'",
    ),
    Case(
        "missing folder",
        "sst2",
        {"SST2/train.tsv": b"sentence\tlabel\na\t1\n"},
        ": sst2's train rows must stand in SST-2/train.tsv, but there is no such file; nearest: 'SST2'",
    ),
    Case(
        "missing split",
        "rte",
        {"RTE/train.tsv": RTE},
        ": rte's test rows must stand in RTE/test.tsv, but there is no such file; nearest: 'RTE/train.tsv'",
        "test",
    ),
    Case(
        "half of a layout",
        "cola",
        {"CoLA/raw/in_domain_dev.tsv": COLA},
        ": cola's validation rows must stand in CoLA/dev.tsv or CoLA/raw/in_domain_dev.tsv + "
        "CoLA/raw/out_of_domain_dev.tsv, but there is no such file; nearest: 'CoLA/raw/in_domain_dev.tsv'",
        "validation",
    ),
    Case(
        "nothing near",
        "rte",
        {"readme": b""},
        ": rte's train rows must stand in RTE/train.tsv, but there is no such file",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_message(tmp_path: Path, case: Case) -> None:
    for name, content in case.files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)

    with pytest.raises(DataError) as caught:
        FolderSource(tmp_path).load(get_task(case.task), case.split)

    assert str(caught.value) == f"{tmp_path}{case.message}"
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_tasks_own_folder_is_not_the_data_folder(tmp_path: Path) -> None:
    (tmp_path / "RTE").mkdir()
    (tmp_path / "RTE" / "train.tsv").write_bytes(RTE)
    with pytest.raises(DataError) as caught:
        FolderSource(tmp_path / "RTE").load(get_task("rte"), "train")
    assert str(caught.value) == (
        f"{tmp_path}/RTE: `data.dir` must be the folder that holds RTE/, but it is a task's "
        f"folder itself; give {tmp_path}"
    )


def test_no_such_data_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        FolderSource(tmp_path / "glue")
    assert str(caught.value) == f"{tmp_path}/glue: `data.dir` must be a folder, but there is none"


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
