"""The official GLUE folder in all its layouts."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from gluetune.data import Examples, FolderSource
from gluetune.errors import DataError
from gluetune.tasks import get_task

REAL = os.environ.get("GLUETUNE_GLUE_DIR")


def load(folder: Path, task: str, split: str, files: dict[str, str | bytes]) -> Examples:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return FolderSource(folder).load(get_task(task), split)


def labels(examples: Examples) -> list[float]:
    assert examples.labels is not None
    return examples.labels.tolist()


RTE = "index\tsentence1\tsentence2\tlabel\n"
MRPC = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n"


@pytest.mark.parametrize(
    "text",
    [
        'He said "yes.',
        '"quoted"',
        "l'un, \"l'autre\"",
        "a\u2028b",
        "a\u2029b",
        "a\x0bb",
        "a\x0cb",
        "a\x85b",
        "a\x1cb",
        "  spaces kept  ",
        "ﬁ ½ 你好 \U0001f600",
        "\ufeffmark",
        "back\\slash\\n",
        "",
    ],
)
def test_text_is_kept_verbatim(tmp_path: Path, text: str) -> None:
    rows = f"0\t{text}\tb\tentailment\n1\ta\t{text}\tentailment\n"
    examples = load(tmp_path, "rte", "train", {"RTE/train.tsv": RTE + rows})
    assert examples.columns == {"sentence1": [text, "a"], "sentence2": ["b", text]}


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("end", ["", "|", "|||"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_byte_order_mark(tmp_path: Path, newline: str, end: str, mark: str) -> None:
    content = f"{mark}{MRPC.strip()}|1\t7\t8\ta\tb|0\t9\t10\tc\td{end}".replace("|", newline)
    examples = load(tmp_path, "mrpc", "train", {"MRPC/train.tsv": content})
    assert examples.columns == {"sentence1": ["a", "c"], "sentence2": ["b", "d"]}
    assert labels(examples) == [1, 0]


@pytest.mark.parametrize("name", ["RTE/train.tsv", "rte/train.tsv", "Rte/Train.TSV"])
def test_letter_case_of_names_does_not_count(tmp_path: Path, name: str) -> None:
    examples = load(tmp_path, "rte", "train", {name: f"{RTE}0\ta\tb\tnot_entailment\n"})
    assert labels(examples) == [1]
    assert examples.source == f"dir:{tmp_path / name}"


def test_the_exact_name_goes_first(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "rte/train.tsv": f"{RTE}0\tother\tb\tentailment\n",
        "RTE/train.tsv": f"{RTE}0\tmine\tb\tentailment\n",
    }
    assert load(tmp_path, "rte", "train", files).columns["sentence1"] == ["mine"]


def test_a_missing_split_does_no_harm_to_the_others(tmp_path: Path) -> None:
    load(tmp_path, "rte", "train", {"RTE/train.tsv": f"{RTE}0\ta\tb\tentailment\n"})
    source = FolderSource(tmp_path)
    assert source.has(get_task("rte"), "train")
    assert not source.has(get_task("rte"), "test")


def test_test_rows_have_no_labels(tmp_path: Path) -> None:
    examples = load(tmp_path, "cola", "test", {"CoLA/test.tsv": "index\tsentence\n0\tBill whistled.\n"})
    assert examples.labels is None
    assert examples.columns == {"sentence": ["Bill whistled."]}


def test_similarities_are_numbers(tmp_path: Path) -> None:
    header = "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n"
    row = "0\tmain-captions\tMSRvid\t2012test\t1\tnone\tnone\tA plane.\tAn air plane.\t4.800\n"
    examples = load(tmp_path, "stsb", "train", {"STS-B/train.tsv": header + row})
    assert examples.labels is not None
    assert examples.labels.dtype == np.float32
    assert examples.labels == pytest.approx([4.8])
    assert examples.columns == {"sentence1": ["A plane."], "sentence2": ["An air plane."]}


def test_torn_questions_are_left_out_and_counted(tmp_path: Path) -> None:
    header = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"
    rows = "0\t1\t2\tWhy?\tHow?\t0\n1\t3\t4\tTorn\n here?\tWhat?\t1\n2\t5\t6\tWho?\tWhom?\t1\n"
    examples = load(tmp_path, "qqp", "train", {"QQP/train.tsv": header + rows})
    assert examples.columns == {"question1": ["Why?", "Who?"], "question2": ["How?", "Whom?"]}
    assert labels(examples) == [0, 1]
    assert examples.source == f"dir:{tmp_path}/QQP/train.tsv (2 malformed rows left out)"


def test_cola_public_dev_is_both_domains(tmp_path: Path) -> None:
    examples = load(
        tmp_path,
        "cola",
        "validation",
        {"CoLA/raw/in_domain_dev.tsv": "gj04\t1\t\tIn.\n", "CoLA/raw/out_of_domain_dev.tsv": "clc95\t0\t*\tOut.\n"},
    )
    assert examples.columns["sentence"] == ["In.", "Out."]
    assert labels(examples) == [1, 0]
    assert examples.source == (
        f"dir:{tmp_path}/CoLA/raw/in_domain_dev.tsv + dir:{tmp_path}/CoLA/raw/out_of_domain_dev.tsv"
    )


def test_glues_cola_goes_before_cola_public(tmp_path: Path) -> None:
    examples = load(
        tmp_path,
        "cola",
        "train",
        {"CoLA/raw/in_domain_train.tsv": "gj04\t1\t\tPublic.\n", "CoLA/train.tsv": "gj04\t1\t\tGLUE.\n"},
    )
    assert examples.columns["sentence"] == ["GLUE."]


MSR = {
    "MRPC/msr_paraphrase_train.txt": f"\ufeff{MRPC}1\t1\t2\ta\tb\r\n0\t3\t4\tc\td\r\n",
    "MRPC/msr_paraphrase_test.txt": f"\ufeff{MRPC}1\t5\t6\te\tf\r\n",
}


def test_microsofts_files_stand_in_for_glues(tmp_path: Path) -> None:
    assert load(tmp_path, "mrpc", "train", {**MSR}).columns["sentence1"] == ["a", "c"]
    assert load(tmp_path, "mrpc", "validation", {**MSR}).columns["sentence1"] == ["e"]


def test_glues_dev_rows_are_not_trained_on(tmp_path: Path) -> None:
    examples = load(tmp_path, "mrpc", "train", {**MSR, "MRPC/dev.tsv": f"{MRPC}1\t1\t2\ta\tb\n"})
    assert examples.columns["sentence1"] == ["c"]
    assert labels(examples) == [0]
    assert examples.source == (
        f"dir:{tmp_path}/MRPC/msr_paraphrase_train.txt without the rows of {tmp_path}/MRPC/dev.tsv"
    )


SNLI_ROWS = [
    ("neutral", "A man.", "A woman."),
    ("-", "Nobody agreed.", "On this."),
    ("entailment", "A dog.", "An animal."),
]
STANFORD = "\n".join(
    [
        "gold_label\tsentence1_parse\tsentence1\tsentence2\tlabel1\tlabel2",
        *(f"{label}\t(ROOT)\t{a}\t{b}\t{label}\t" for label, a, b in SNLI_ROWS),
    ]
)
GLUE_SNLI = "\n".join(
    [
        "index\tsentence1\tsentence2\tlabel1\tgold_label",
        *(
            f"{i}\t{a}\t{b}" + "\tcontradiction" * (1 + 4 * (i % 2)) + f"\t{label}"
            for i, (label, a, b) in enumerate(SNLI_ROWS)
        ),
    ]
)
JSONL = "\n".join(json.dumps({"gold_label": label, "sentence1": a, "sentence2": b}) for label, a, b in SNLI_ROWS)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("SNLI/train.tsv", GLUE_SNLI),
        ("SNLI/snli_1.0_train.jsonl", JSONL),
        ("SNLI/snli_1.0_train.txt", STANFORD),
        ("snli_1.0/snli_1.0_train.jsonl", JSONL),
        ("snli_1.0/snli_1.0_train.txt", STANFORD),
    ],
)
def test_snli_formats_agree(tmp_path: Path, name: str, content: str) -> None:
    examples = load(tmp_path, "snli", "train", {name: content})
    assert examples.columns == {"premise": ["A man.", "A dog."], "hypothesis": ["A woman.", "An animal."]}
    assert labels(examples) == [1, 0]
    assert examples.source == f"dir:{tmp_path}/{name} (1 rows without a label left out)"


def test_ax_has_labels_where_the_full_file_is(tmp_path: Path) -> None:
    plain = load(tmp_path, "ax", "test", {"diagnostic/diagnostic.tsv": "index\tsentence1\tsentence2\n0\ta\tb\n"})
    assert plain.labels is None
    full = load(
        tmp_path,
        "ax",
        "test",
        {"diagnostic/diagnostic-full.tsv": "Logic\tDomain\tPremise\tHypothesis\tLabel\n\t\ta\tb\tcontradiction\n"},
    )
    assert labels(full) == [2]
    assert full.columns == plain.columns == {"premise": ["a"], "hypothesis": ["b"]}


@pytest.mark.skipif(REAL is None, reason="GLUETUNE_GLUE_DIR names no GLUE folder")
@pytest.mark.parametrize(
    ("task", "split", "rows", "positive"),
    [
        ("cola", "train", 8551, 6023),
        ("cola", "validation", 1043, 721),
        ("cola", "test", 1063, None),
        ("mrpc", "train", 3668, 2474),
        ("mrpc", "validation", 408, 279),
        ("mrpc", "test", 1725, None),
        ("rte", "train", 2490, 1241),
        ("rte", "validation", 277, 131),
        ("rte", "test", 3000, None),
    ],
)
def test_official_row_counts(task: str, split: str, rows: int, positive: int | None) -> None:
    examples = FolderSource(str(REAL)).load(get_task(task), split)
    assert len(examples) == rows
    assert (None if examples.labels is None else int((examples.labels == 1).sum())) == positive


@pytest.mark.skipif(REAL is None, reason="GLUETUNE_GLUE_DIR names no GLUE folder")
def test_microsofts_train_file_without_dev_is_glues_train_file(tmp_path: Path) -> None:
    (tmp_path / "MRPC").mkdir()
    for name in ("msr_paraphrase_train.txt", "dev.tsv"):
        (tmp_path / "MRPC" / name).symlink_to(Path(str(REAL)) / "MRPC" / name)
    official_form, glues = (FolderSource(folder).load(get_task("mrpc"), "train") for folder in (tmp_path, str(REAL)))
    assert official_form.columns == glues.columns
    assert labels(official_form) == labels(glues)


def test_a_tasks_own_folder_is_not_the_data_folder(tmp_path: Path) -> None:
    (tmp_path / "RTE").mkdir()
    (tmp_path / "RTE" / "train.tsv").write_text("index\tsentence1\tsentence2\tlabel\n")
    with pytest.raises(DataError) as caught:
        FolderSource(tmp_path / "RTE").load(get_task("rte"), "train")
    assert caught.value.file == f"{tmp_path}/RTE"
    assert caught.value.message.endswith(f"give {tmp_path}")


def test_no_such_data_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"`data\.dir`") as caught:
        FolderSource(tmp_path / "glue")
    assert caught.value.file == f"{tmp_path}/glue"
