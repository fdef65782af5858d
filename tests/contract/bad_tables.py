"""Broken files of a user's own task, and what each message must show."""

from __future__ import annotations

import gzip
import io
import zipfile
from dataclasses import dataclass, field
from typing import Any

from messages import Line

HEADER = b"text,label\n"
ROWS = b"good,pos\nbad,neg\n" * 6
TRAIN = HEADER + ROWS
OBJECT = b'{"text": "good", "label": "pos"}\n{"text": "bad", "label": "neg"}\n'
FLAGS = b"text,toxic,rude\na,0,1\nb,1,0\n"
LISTS = b'{"text": "a", "label": ["x", "y"]}\n{"text": "b", "label": []}\n'
SCORES = b"text,label\na,0.5\nb,1.5\n"


@dataclass(frozen=True)
class Case:
    """Files of a folder, the fields of the task, and what the message shows.

    Attributes:
        name: what is wrong.
        files: contents by name.
        shows: the message, whose place is below the folder if it begins with ``/``.
        task: fields of the task beside ``text``, ``label`` and the files, which have the names of their splits.
    """

    name: str
    files: dict[str, bytes]
    shows: Line
    task: dict[str, Any] = field(default_factory=dict)


def zipped(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, TRAIN)
    return stream.getvalue()


CASES = [
    Case("misspelt file", {"train.csv": TRAIN}, Line("/trian.csv", nearest="train.csv"), {"train": "trian.csv"}),
    Case("no ending", {"train": TRAIN}, Line("/train", ".csv")),
    Case("ending of a spreadsheet", {"train.xlsx": b"PK\x03\x04"}, Line("/train.xlsx", ".csv")),
    Case("spreadsheet named csv", {"train.csv": b"PK\x03\x04\x14\0"}, Line("/train.csv", "zip archive")),
    Case("empty file", {"train.csv": b""}, Line("/train.csv", "empty")),
    Case("blank lines only", {"train.csv": b"\xef\xbb\xbf\n\n \n"}, Line("/train.csv", "empty")),
    Case("header only", {"train.csv": HEADER}, Line("/train.csv", "none")),
    Case("header missing", {"train.csv": ROWS}, Line("/train.csv:1", "(good, pos)")),
    Case(
        "misspelt text column",
        {"train.csv": TRAIN},
        Line("/train.csv:1", "(text, label)", nearest="text"),
        {"text": "texts"},
    ),
    Case(
        "misspelt label column",
        {"train.csv": TRAIN},
        Line("/train.csv:1", "'lable'", nearest="label"),
        {"label": "lable"},
    ),
    Case(
        "misspelt column of a template",
        {"train.csv": TRAIN},
        Line("/train.csv:1", "'tex'", nearest="text"),
        {"text": "{tex}!"},
    ),
    Case(
        "text that shows the label",
        {"train.csv": TRAIN},
        Line("tasks.own.label", "'label'"),
        {"text": "{text}: {label}"},
    ),
    Case(
        "misspelt group column",
        {"train.csv": TRAIN},
        Line("/train.csv:1", "'txt'", nearest="text"),
        {"group": "txt"},
    ),
    Case(
        "validation without the text column",
        {"train.csv": TRAIN, "validation.csv": b"title,label\na,pos\n"},
        Line("/validation.csv:1", "(title, label)"),
    ),
    Case(
        "validation without the label column",
        {"train.csv": TRAIN, "validation.csv": b"text,labels\na,pos\n"},
        Line("/validation.csv:1", "'label'", nearest="labels"),
    ),
    Case("two columns of one name", {"train.csv": b"text,text,label\na,b,pos\nc,d,neg\n"}, Line("/train.csv:1", "2")),
    Case("row too short", {"train.csv": TRAIN + b"short\n"}, Line("/train.csv:14", "1")),
    Case("row too long", {"train.csv": HEADER + b"a, comma,pos\n" + ROWS}, Line("/train.csv:2", "3")),
    Case(
        "row too long after a line end in quotes",
        {"train.csv": HEADER + b'"two\nlines",pos\na,b,c\n' + ROWS},
        Line("/train.csv:4", "3"),
    ),
    Case("quote without an end", {"train.csv": TRAIN + b'"good,pos\n' + ROWS}, Line("/train.csv:14", "quote")),
    Case("quote without an end in the last column", {"train.csv": TRAIN + b'a,"pos\n'}, Line("/train.csv:14", "quote")),
    Case("Latin-1", {"train.csv": TRAIN + b"caf\xe9,pos\n"}, Line("/train.csv:14", "0xe9")),
    Case(
        "Latin-1 after CRLF",
        {"train.csv": (TRAIN + b"\xfc,pos\n").replace(b"\n", b"\r\n")},
        Line("/train.csv:14", "0xfc"),
    ),
    Case("text cut within a character", {"train.csv": TRAIN + b"good,\xc3"}, Line("/train.csv:14", "end of data")),
    Case("binary file", {"train.csv": b"\0\1\2\3"}, Line("/train.csv", "NUL")),
    Case("NUL in a text", {"train.csv": HEADER + ROWS * 5 + b"a\0b,pos\n"}, Line("/train.csv:62", "NUL")),
    Case("UTF-16 without its mark", {"train.csv": TRAIN.decode().encode("utf-16-le")}, Line("/train.csv", "NUL")),
    Case("gzip cut off", {"train.csv.gz": gzip.compress(TRAIN)[:-10]}, Line("/train.csv.gz", "ended")),
    Case("not gzip", {"train.csv.gz": TRAIN}, Line("/train.csv.gz", "gzip")),
    Case("not bzip2", {"train.csv.bz2": TRAIN}, Line("/train.csv.bz2", "Invalid data")),
    Case("not xz", {"train.csv.xz": TRAIN}, Line("/train.csv.xz", "format")),
    Case("not zstd", {"train.csv.zst": TRAIN}, Line("/train.csv.zst", "ZSTD")),
    Case("two files in an archive", {"train.csv.zip": zipped("a.csv", "b.csv")}, Line("/train.csv.zip", "2")),
    Case("one class", {"train.csv": HEADER + b"a,pos\nb,pos\n"}, Line("/train.csv", "'pos'")),
    Case("no label", {"train.csv": HEADER + b"a,\nb,NaN\n"}, Line("/train.csv", "2 rows")),
    Case(
        "a label for each row",
        {"train.csv": HEADER + b"".join(b"a,x%d\n" % i for i in range(30))},
        Line("/train.csv", "30"),
    ),
    Case(
        "class that train lacks",
        {"train.csv": TRAIN, "validation.csv": HEADER + b"a,pos\nb,ngg\n"},
        Line("/validation.csv:3", "'ngg'", nearest="neg"),
    ),
    Case(
        "class that train lacks, in test",
        {"train.csv": TRAIN, "test.csv": HEADER + b"\na,maybe\n"},
        Line("/test.csv:3", "'maybe'"),
    ),
    Case(
        "class that is none of the task's",
        {"train.csv": HEADER + b"a,pos\n" + ROWS},
        Line("/train.csv:2", "'pos'", nearest="poss"),
        {"labels": ["neg", "poss"]},
    ),
    Case(
        "validation without any label",
        {"train.csv": TRAIN, "validation.csv": HEADER + b"a,\nb,\n"},
        Line("file:/validation.csv", "none"),
    ),
    Case(
        "word in a regression",
        {"train.csv": SCORES + b"c,high\n"},
        Line("/train.csv:4", "'high'"),
        {"problem": "regression"},
    ),
    Case(
        "decimal comma", {"train.csv": SCORES + b'c,"1,5"\n'}, Line("/train.csv:4", "'1,5'"), {"problem": "regression"}
    ),
    Case(
        "word in the scores of validation",
        {"train.csv": SCORES, "validation.csv": SCORES + b"c,x\n"},
        Line("/validation.csv:4", "'x'"),
    ),
    Case("number too large", {"train.csv": SCORES + b"c,1e99\n"}, Line("/train.csv:4", "'1e99'")),
    Case("one number", {"train.csv": HEADER + b"a,0.5\nb,0.5\n"}, Line("/train.csv", "0.5")),
    Case(
        "flag that is no 0 or 1",
        {"train.csv": FLAGS + b"c,2,0\n"},
        Line("/train.csv:4", "'2'"),
        {"label": "toxic,rude"},
    ),
    Case(
        "flag missing in a row",
        {"train.csv": FLAGS + b"c,1,\n"},
        Line("/train.csv:4", "'rude'"),
        {"label": "toxic,rude"},
    ),
    Case(
        "class that train lacks, in a list",
        {"train.jsonl": LISTS, "validation.jsonl": LISTS + b'{"text": "c", "label": ["x", "z"]}\n'},
        Line("/validation.jsonl:3", "'z'"),
    ),
    Case(
        "text where train has lists",
        {"train.jsonl": LISTS, "validation.csv": HEADER + b"a,x\n"},
        Line("/validation.csv", "lists"),
    ),
    Case(
        "list that is broken",
        {"train.csv": HEADER + b'a,"[""x"", ""y""]"\nb,"[x"\n'},
        Line("/train.csv:3", "'[x'"),
        {"problem": "multi_label"},
    ),
    Case("line that is no JSON", {"train.jsonl": OBJECT + b"{text: good}\n"}, Line("/train.jsonl:3", "character 2")),
    Case("line that is a list", {"train.jsonl": OBJECT + b"[1, 2]\n"}, Line("/train.jsonl:3", "[1, 2]")),
    Case(
        "lone surrogate",
        {"train.jsonl": OBJECT + b'{"text": "\\ud83d", "label": "pos"}\n'},
        Line("/train.jsonl:3", "\\ud83d"),
    ),
    Case(
        "objects in objects in objects",
        {"train.jsonl": OBJECT + b'{"text": ' + b"[" * 2000 + b"]" * 2000 + b"}\n"},
        Line("/train.jsonl:3"),
    ),
    Case(
        "number of 5,000 digits",
        {"train.jsonl": OBJECT + b'{"text": "a", "label": ' + b"9" * 5000 + b"}\n"},
        Line("/train.jsonl:3", "digits"),
    ),
    Case(
        "object for a text",
        {"train.jsonl": OBJECT + b'{"text": {"a": 1}, "label": "pos"}\n'},
        Line("/train.jsonl:3", "object"),
    ),
    Case(
        "list for a text",
        {"train.jsonl": OBJECT + b'{"text": ["a"], "label": "pos"}\n'},
        Line("/train.jsonl:3", "list"),
    ),
    Case(
        "lists for all texts",
        {"train.jsonl": b'{"text": ["a"], "label": "pos"}\n{"text": [], "label": "neg"}\n' * 4},
        Line("/train.jsonl", "lists"),
    ),
    Case(
        "key that no row has", {"train.jsonl": OBJECT}, Line("/train.jsonl", "'txt'", nearest="text"), {"text": "txt"}
    ),
    Case(
        "Latin-1 in JSON lines",
        {"train.jsonl": OBJECT + b'{"text": "\xe9", "label": "pos"}\n'},
        Line("/train.jsonl:3", "0xe9"),
    ),
    Case(
        "list without a comma",
        {"train.json": b'[{"text": "a", "label": "x"}\n{"text": "b", "label": "y"}]'},
        Line("/train.json:1", "comma"),
    ),
    Case(
        "list without an end",
        {"train.json": b'[{"text": "a", "label": "x"},\n{"text": "b"'},
        Line("/train.json:2", "JSON"),
    ),
    Case(
        "object of columns",
        {"train.json": b'{"text": {"0": "a"}, "label": {"0": "x"}}'},
        Line("/train.json:1", "object"),
    ),
    Case("list of texts", {"train.json": b'["a", "b"]'}, Line("/train.json:1", "str")),
    Case("not Parquet", {"train.parquet": TRAIN}, Line("/train.parquet", "Parquet")),
    Case("folder without data", {"train/README.md": b"rows"}, Line("/train", ".parquet")),
    Case("folder of two formats", {"train/a.csv": TRAIN, "train/b.jsonl": OBJECT}, Line("/train", ".csv, .jsonl")),
    Case(
        "shard without the label", {"train/a.csv": TRAIN, "train/b.csv": b"text\na\n"}, Line("/train/b.csv:1", "(text)")
    ),
    Case("three texts", {"train.csv": TRAIN}, Line("tasks.own.text", "{a}\\n{b}\\n{c}"), {"text": "a,b,c"}),
    Case("template without an end", {"train.csv": TRAIN}, Line("tasks.own.text", "'{text'"), {"text": "{text"}),
    Case("template without a name", {"train.csv": TRAIN}, Line("tasks.own.text", "'{}'"), {"text": "{}"}),
    Case("template with a format", {"train.csv": TRAIN}, Line("tasks.own.text", ":>9"), {"text": "{text:>9}"}),
    Case("pair of one column", {"train.csv": TRAIN}, Line("tasks.own.text", "'text'"), {"text": "text,text"}),
    Case(
        "several label columns for one class",
        {"train.csv": FLAGS},
        Line("tasks.own.problem", "single_label"),
        {"label": "toxic,rude", "problem": "single_label"},
    ),
    Case(
        "label columns of one name",
        {"train.csv": FLAGS},
        Line("tasks.own.label", "toxic, toxic"),
        {"label": "toxic,toxic"},
    ),
    Case(
        "classes that are no label columns",
        {"train.csv": FLAGS},
        Line("tasks.own.labels", "a, b"),
        {"label": "toxic,rude", "labels": ["a", "b"]},
    ),
    Case(
        "lists for one class",
        {"train.jsonl": LISTS},
        Line("tasks.own.problem", "single_label"),
        {"problem": "single_label"},
    ),
    Case(
        "classes of a regression",
        {"train.csv": SCORES},
        Line("tasks.own.labels"),
        {"problem": "regression", "labels": ["a", "b"]},
    ),
    Case("a class twice", {"train.csv": TRAIN}, Line("tasks.own.labels", "'pos'"), {"labels": ["pos", "neg", "pos"]}),
    Case(
        "misspelt metric",
        {"train.csv": TRAIN},
        Line("tasks.own.metric", "'acuracy'", nearest="accuracy"),
        {"metric": "acuracy"},
    ),
    Case("no train rows", {"test.csv": TRAIN}, Line("tasks.own.train")),
    Case("one group", {"train.csv": b"text,label,user\n" + b"a,x,u\nb,y,u\n" * 9}, Line("", "18"), {"group": "user"}),
]
