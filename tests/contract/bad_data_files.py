"""Broken official files, and what each message must show."""

from __future__ import annotations

from dataclasses import dataclass

from messages import Line

RTE = b"index\tsentence1\tsentence2\tlabel\n"
JSON = b'{"sentence1": "a", "sentence2": "b", "gold_label": %s}\n'
STSB = b"index\tsentence1\tsentence2\tscore\n"
COLA = b"gj04\t1\t\tThe sailors rode the breeze.\n"


@dataclass(frozen=True)
class Case:
    """Files of a folder, the split that is loaded, and what the message shows, whose place is below the folder."""

    name: str
    task: str
    files: dict[str, bytes]
    shows: Line
    split: str = "train"


CASES = [
    Case(
        "row too short",
        "rte",
        {"RTE/train.tsv": RTE + b"0\ta\tb\tentailment\n1\ta\tentailment\n"},
        Line("/RTE/train.tsv:3", "3"),
    ),
    Case("row too wide", "rte", {"RTE/train.tsv": RTE + b"0\ta\tb\tc\tentailment\n"}, Line("/RTE/train.tsv:2", "5")),
    Case(
        "row too short without a header",
        "cola",
        {"CoLA/train.tsv": COLA + b"gj04\t1\tNo mark column.\n"},
        Line("/CoLA/train.tsv:2", "3"),
    ),
    Case(
        "row too wide without a header",
        "cola",
        {"CoLA/train.tsv": COLA + b"gj04\t1\t\tA\ttab.\n"},
        Line("/CoLA/train.tsv:2", "5"),
    ),
    Case(
        "blank line between rows",
        "rte",
        {"RTE/train.tsv": RTE + b"\n0\ta\tb\tentailment\n"},
        Line("/RTE/train.tsv:2", "1"),
    ),
    Case(
        "spaces for tabs",
        "rte",
        {"RTE/train.tsv": b"index sentence1 sentence2 label\n0 a b entailment\n"},
        Line("/RTE/train.tsv:1", "(index sentence1 sentence2 label)", nearest="index sentence1 sentence2 label"),
    ),
    Case(
        "renamed column",
        "rte",
        {"RTE/train.tsv": b"index\tsentence_1\tsentence2\tlabel\n0\ta\tb\tentailment\n"},
        Line("/RTE/train.tsv:1", "(index, sentence_1, sentence2, label)", nearest="sentence_1"),
    ),
    Case(
        "test file in the dev file's place",
        "rte",
        {"RTE/dev.tsv": b"index\tsentence1\tsentence2\n0\ta\tb\n"},
        Line("/RTE/dev.tsv:1", "(index, sentence1, sentence2)"),
        "validation",
    ),
    Case(
        "header missing",
        "rte",
        {"RTE/train.tsv": b"0\ta\tb\tentailment\n"},
        Line("/RTE/train.tsv:1", "(0, a, b, entailment)"),
    ),
    Case(
        "misspelt label",
        "rte",
        {"RTE/train.tsv": RTE + b"0\ta\tb\tentailment\n1\ta\tb\tentailmnet\n"},
        Line("/RTE/train.tsv:3", "'entailmnet'", nearest="entailment"),
    ),
    Case("label of another task", "rte", {"RTE/train.tsv": RTE + b"0\ta\tb\t7\n"}, Line("/RTE/train.tsv:2", "'7'")),
    Case(
        "label that is no 0 or 1",
        "cola",
        {"CoLA/train.tsv": COLA + b"gj04\t2\t\tTwo.\n"},
        Line("/CoLA/train.tsv:2", "'2'"),
    ),
    Case(
        "header where there is none",
        "cola",
        {"CoLA/train.tsv": b"source\tlabel\tmark\tsentence\n" + COLA},
        Line("/CoLA/train.tsv:1", "'label'"),
    ),
    Case("empty label", "cola", {"CoLA/train.tsv": b"gj04\t\t\tNo label.\n"}, Line("/CoLA/train.tsv:1", "''")),
    Case(
        "label with a space",
        "cola",
        {"CoLA/train.tsv": b"gj04\t1 \t\tA space.\n"},
        Line("/CoLA/train.tsv:1", "'1 '", nearest="1"),
    ),
    Case(
        "undecided label where there are none",
        "rte",
        {"RTE/train.tsv": RTE + b"0\ta\tb\t-\n"},
        Line("/RTE/train.tsv:2", "'-'"),
    ),
    Case(
        "similarity too high",
        "stsb",
        {"STS-B/train.tsv": STSB + b"0\ta\tb\t5.000\n1\ta\tb\t5.001\n"},
        Line("/STS-B/train.tsv:3", "5.001"),
    ),
    Case(
        "similarity below zero",
        "stsb",
        {"STS-B/train.tsv": STSB + b"0\ta\tb\t-0.1\n"},
        Line("/STS-B/train.tsv:2", "-0.1"),
    ),
    Case(
        "similarity not a number",
        "stsb",
        {"STS-B/train.tsv": STSB + b"0\ta\tb\tnan\n"},
        Line("/STS-B/train.tsv:2", "nan"),
    ),
    Case(
        "similarity in words",
        "stsb",
        {"STS-B/train.tsv": STSB + b"0\ta\tb\thigh\n"},
        Line("/STS-B/train.tsv:2", "'high'"),
    ),
    Case(
        "Latin-1",
        "rte",
        {"RTE/train.tsv": RTE + b"0\tcaf\xe9 au lait\tb\tentailment\n"},
        Line("/RTE/train.tsv:2", "byte 0xe9 (invalid continuation byte)"),
    ),
    Case(
        "Latin-1 after CRLF",
        "rte",
        {"RTE/train.tsv": RTE[:-1] + b"\r\n0\ta\tb\tentailment\r\n1\t\xff\tb\tentailment"},
        Line("/RTE/train.tsv:3", "byte 0xff (invalid start byte)"),
    ),
    Case("UTF-16", "rte", {"RTE/train.tsv": RTE.decode().encode("utf-16")}, Line("/RTE/train.tsv", "text in UTF-16")),
    Case(
        "a spreadsheet",
        "rte",
        {"RTE/train.tsv": b"PK\x03\x04\x14\x00\x06\x00\x08\x00\x00\x00!\x00xl/workbook.xml\x1b[31m"},
        Line("/RTE/train.tsv", "a zip archive, as .xlsx and .ods files are"),
    ),
    Case("a Parquet file", "rte", {"RTE/train.tsv": b"PAR1\x15\x00"}, Line("/RTE/train.tsv", "a Parquet file")),
    Case(
        "compressed",
        "snli",
        {"SNLI/snli_1.0_train.jsonl": b"\x1f\x8b\x08\x08"},
        Line("/SNLI/snli_1.0_train.jsonl", "compressed by gzip"),
    ),
    Case(
        "zeros",
        "rte",
        {"RTE/train.tsv": b"i\x00n\x00d\x00e\x00x\x00"},
        Line("/RTE/train.tsv", "a binary file: it begins with NUL bytes"),
    ),
    Case("empty file", "rte", {"RTE/train.tsv": b""}, Line("/RTE/train.tsv", "empty")),
    Case("only a byte order mark", "rte", {"RTE/train.tsv": b"\xef\xbb\xbf"}, Line("/RTE/train.tsv", "empty")),
    Case("only a header", "rte", {"RTE/train.tsv": RTE}, Line("/RTE/train.tsv", "a header")),
    Case(
        "only malformed questions",
        "qqp",
        {"QQP/train.tsv": b"id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n0\t1\ntorn\n"},
        Line("/QQP/train.tsv", "2 malformed ones"),
    ),
    Case(
        "a wide question",
        "qqp",
        {"QQP/train.tsv": b"id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n0\t1\t2\ta\tb\tc\t1\n"},
        Line("/QQP/train.tsv:2", "7"),
    ),
    Case("a folder in the file's place", "rte", {"RTE/train.tsv/part": b""}, Line("/RTE/train.tsv", "Is a directory")),
    Case(
        "broken JSON",
        "snli",
        {"SNLI/snli_1.0_train.jsonl": b'{"sentence1": "a", \n'},
        Line("/SNLI/snli_1.0_train.jsonl:1", "Expecting property name enclosed in double quotes at character 20"),
    ),
    Case(
        "JSON that is no object",
        "snli",
        {"SNLI/snli_1.0_train.jsonl": b'["a", "b"]\n'},
        Line("/SNLI/snli_1.0_train.jsonl:1", '["a", "b"]'),
    ),
    Case(
        "JSON nested without end",
        "snli",
        {"SNLI/snli_1.0_train.jsonl": b'{"sentence1": ' + b"[" * 100000},
        Line("/SNLI/snli_1.0_train.jsonl:1", "100"),
    ),
    Case(
        "half a character",
        "snli",
        {"SNLI/snli_1.0_train.jsonl": b'{"sentence1": "a", "sentence2": "b \\ud83d", "gold_label": "neutral"}\n'},
        Line("/SNLI/snli_1.0_train.jsonl:1", "a lone surrogate: \\ud83d at character 3"),
    ),
    Case(
        "a number of 5,000 digits",
        "snli",
        {"SNLI/snli_1.0_train.jsonl": JSON % b"0" + JSON % (b"7" * 5000)},
        Line("/SNLI/snli_1.0_train.jsonl:2", "more"),
    ),
    Case(
        "a JSON class that is no whole number",
        "snli",
        {"SNLI/snli_1.0_train.jsonl": JSON % b"1" + JSON % b"1.5"},
        Line("/SNLI/snli_1.0_train.jsonl:2", "1.5"),
    ),
    Case(
        "a JSON class that there is not",
        "snli",
        {"SNLI/snli_1.0_train.jsonl": JSON % b"3"},
        Line("/SNLI/snli_1.0_train.jsonl:1", "3"),
    ),
    Case(
        "a JSON label that is neither",
        "snli",
        {"SNLI/snli_1.0_train.jsonl": JSON % b"true"},
        Line("/SNLI/snli_1.0_train.jsonl:1", "true"),
    ),
    Case(
        "JSON without a key",
        "snli",
        {"SNLI/snli_1.0_train.jsonl": b'{"sentence1": "a", "sentence2": "b", "gold_lable": "neutral"}\n'},
        Line("/SNLI/snli_1.0_train.jsonl:1", "(sentence1, sentence2, gold_lable)", nearest="gold_lable"),
    ),
    Case(
        "JSON with a number for text",
        "snli",
        {"SNLI/snli_1.0_train.jsonl": b'{"sentence1": 1, "sentence2": "b", "gold_label": "neutral"}\n'},
        Line("/SNLI/snli_1.0_train.jsonl:1", "1"),
    ),
    Case("missing file", "rte", {"RTE/trian.tsv": RTE}, Line("", "RTE/train.tsv", nearest="RTE/trian.tsv")),
    Case(
        "missing folder",
        "sst2",
        {"SST2/train.tsv": b"sentence\tlabel\na\t1\n"},
        Line("", "SST-2/train.tsv", nearest="SST2"),
    ),
    Case("missing split", "rte", {"RTE/train.tsv": RTE}, Line("", "RTE/test.tsv", nearest="RTE/train.tsv"), "test"),
    Case(
        "half of a layout",
        "cola",
        {"CoLA/raw/in_domain_dev.tsv": COLA},
        Line(
            "",
            "CoLA/dev.tsv or CoLA/raw/in_domain_dev.tsv + CoLA/raw/out_of_domain_dev.tsv",
            nearest="CoLA/raw/in_domain_dev.tsv",
        ),
        "validation",
    ),
    Case("nothing near", "rte", {"readme": b""}, Line("", "RTE/train.tsv")),
]
