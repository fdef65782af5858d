"""The format's rules, and zips that break each of them."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gluetune.errors import DataError
from gluetune.inference import FILES, Predictions, SubmissionFile, check_submission, write_archive
from gluetune.tasks import get_task

FILE = {file.name: file for file in FILES}
NAMES = (
    "CoLA.tsv, SST-2.tsv, MRPC.tsv, STS-B.tsv, MNLI-m.tsv, MNLI-mm.tsv, QNLI.tsv, RTE.tsv, WNLI.tsv, QQP.tsv, AX.tsv"
)


def test_there_are_eleven_files_of_the_official_sizes() -> None:
    assert ", ".join(FILE) == NAMES
    assert {file.name: file.rows for file in FILES} == {
        "CoLA.tsv": 1063,
        "SST-2.tsv": 1821,
        "MRPC.tsv": 1725,
        "STS-B.tsv": 1379,
        "MNLI-m.tsv": 9796,
        "MNLI-mm.tsv": 9847,
        "QNLI.tsv": 5463,
        "RTE.tsv": 3000,
        "WNLI.tsv": 146,
        "QQP.tsv": 390965,
        "AX.tsv": 1104,
    }


@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        *((name, ["0", "1"]) for name in ("CoLA.tsv", "SST-2.tsv", "MRPC.tsv", "WNLI.tsv", "QQP.tsv")),
        *((name, ["entailment", "not_entailment"]) for name in ("QNLI.tsv", "RTE.tsv")),
        *((name, ["entailment", "neutral", "contradiction"]) for name in ("MNLI-m.tsv", "MNLI-mm.tsv", "AX.tsv")),
    ],
)
def test_class_ids_are_spelled_as_the_server_reads_them(name: str, spelled: list[str]) -> None:
    task = FILE[name].task
    assert FILE[name].spell(Predictions(task, np.eye(task.num_labels, dtype=np.float32))) == spelled
    assert all(FILE[name].accepts(text) for text in spelled)
    assert not any(FILE[name].accepts(text) for text in ("", "2", "Entailment", "acceptable", "0.0"))


def test_numbers_are_clipped_to_the_range_of_labels() -> None:
    scores = np.array([[-0.7], [-0.0001], [0], [2.34567], [5], [5.0004], [17]], np.float32)
    spelled = FILE["STS-B.tsv"].spell(Predictions(get_task("stsb"), scores))
    assert spelled == ["0.000", "0.000", "0.000", "2.346", "5.000", "5.000", "5.000"]
    assert all(map(FILE["STS-B.tsv"].accepts, spelled))


@pytest.mark.parametrize("text", ["5.001", "-0.001", "nan", "3", "3.12", "3.1234", "1e0", "", "3.１２３"])
def test_other_numbers_are_refused(text: str) -> None:
    assert not FILE["STS-B.tsv"].accepts(text)


def whole(rows: Callable[[SubmissionFile], int]) -> dict[str, list[str]]:
    """A right submission: the same prediction everywhere."""
    return {file.name: ["2.500" if file.task.regression else file.spellings[-1]] * rows(file) for file in FILES}


def test_a_whole_submission_breaks_no_rule(tmp_path: Path) -> None:
    write_archive(tmp_path / "s.zip", whole(lambda file: file.rows))
    assert check_submission(tmp_path / "s.zip") == {file.name: file.rows for file in FILES}
    with zipfile.ZipFile(tmp_path / "s.zip") as archive:
        assert archive.read("WNLI.tsv").decode() == "index\tprediction\n" + "".join(f"{i}\t1\n" for i in range(146))


def test_the_same_predictions_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.zip", "b.zip"):
        write_archive(tmp_path / name, whole(lambda file: 3))
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_the_number_of_rows_counts_for_official_submissions(tmp_path: Path) -> None:
    write_archive(tmp_path / "s.zip", whole(lambda file: 1062 if file.name == "CoLA.tsv" else file.rows))
    with pytest.raises(DataError) as refused:
        check_submission(tmp_path / "s.zip")
    assert str(refused.value) == (
        f"{tmp_path}/s.zip/CoLA.tsv: the file must hold 1,063 rows, as the official test file does, but got 1,062"
    )
    assert check_submission(tmp_path / "s.zip", official=False)["CoLA.tsv"] == 1062


def zipped(path: Path, **replaced: str | bytes | None) -> Path:
    """A submission of two rows per file, some of its files replaced or, by ``None``, left out."""
    files: dict[str, str | bytes | None] = {
        name: "index\tprediction\n" + "".join(f"{row}\t{value}\n" for row, value in enumerate(values))
        for name, values in whole(lambda file: 2).items()
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in (files | replaced).items():
            if text is not None:
                archive.writestr(name, text)
    return path


ROWS = "index\tprediction\n"


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"AX.tsv": None}, f"s.zip: the zip must hold {NAMES} and nothing else, but got no AX.tsv"),
        ({"README": "hello"}, f"s.zip: the zip must hold {NAMES} and nothing else, but got also README"),
        (
            {"STS-B.tsv": None, "STSB.tsv": "x"},
            f"s.zip: the zip must hold {NAMES} and nothing else, but got no STS-B.tsv; "
            "also STSB.tsv; nearest: 'STS-B.tsv'",
        ),
        (
            {"RTE.tsv": None, "out/RTE.tsv": "x"},
            f"s.zip: the zip must hold {NAMES} and nothing else, but got no RTE.tsv; "
            "also out/RTE.tsv; nearest: 'RTE.tsv'",
        ),
        (
            {"RTE.tsv": "id\tlabel\n0\tentailment\n"},
            "s.zip/RTE.tsv:1: the header must be 'index\\tprediction', but got 'id\\tlabel'",
        ),
        (
            {"RTE.tsv": "index\tprediction\r\n0\tentailment\r\n"},
            "s.zip/RTE.tsv:1: the header must be 'index\\tprediction', but got 'index\\tprediction\\r'",
        ),
        ({"RTE.tsv": ""}, "s.zip/RTE.tsv:1: the header must be 'index\\tprediction', but got ''"),
        ({"RTE.tsv": ROWS}, "s.zip/RTE.tsv: the file must hold rows, but got 0"),
        (
            {"RTE.tsv": f"{ROWS}0\tentailment\n1\tnot_entailment\textra\n"},
            "s.zip/RTE.tsv:3: a row must have 2 tab-separated columns, but got 3",
        ),
        (
            {"RTE.tsv": f"{ROWS}0\tentailment\n\n"},
            "s.zip/RTE.tsv:3: a row must have 2 tab-separated columns, but got 1",
        ),
        (
            {"RTE.tsv": f"{ROWS}1\tentailment\n2\tentailment\n"},
            "s.zip/RTE.tsv:2: the index must count rows from 0, here 0, but got '1'",
        ),
        (
            {"RTE.tsv": f"{ROWS}0\tentailment\n0\tentailment\n"},
            "s.zip/RTE.tsv:3: the index must count rows from 0, here 1, but got '0'",
        ),
        (
            {"RTE.tsv": f"{ROWS}0\t1\n"},
            "s.zip/RTE.tsv:2: the prediction must be one of entailment, not_entailment, but got '1'",
        ),
        (
            {"CoLA.tsv": f"{ROWS}0\t0\n1\tacceptable\n"},
            "s.zip/CoLA.tsv:3: the prediction must be one of 0, 1, but got 'acceptable'",
        ),
        (
            {"STS-B.tsv": f"{ROWS}0\t5.100\n"},
            "s.zip/STS-B.tsv:2: the prediction must be a number from 0 to 5 with 3 decimals, but got '5.100'",
        ),
        (
            {"WNLI.tsv": b"index\tprediction\n0\t\xff\n"},
            "s.zip/WNLI.tsv: text must be UTF-8, but is not (invalid start byte at byte 19)",
        ),
    ],
)
def test_a_broken_rule_is_named_with_file_and_line(
    replaced: dict[str, str | bytes | None], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as refused:
        check_submission(zipped(tmp_path / "s.zip", **replaced), official=False)
    assert str(refused.value) == f"{tmp_path}/{message}"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_twice_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "s.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("AX.tsv", "again")
    with pytest.raises(DataError, match=re.escape("but got twice AX.tsv")):
        check_submission(path, official=False)


def test_no_zip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.zip: a submission must be a zip file, but there is none"):
        check_submission(tmp_path / "none.zip")
    (tmp_path / "text.zip").write_text("index\tprediction\n")
    with pytest.raises(DataError, match="a submission must be a zip file, but it is not"):
        check_submission(tmp_path / "text.zip")
