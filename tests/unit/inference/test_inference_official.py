"""Which test rows a submission answers."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gluetune.data import FolderSource
from gluetune.data.synthetic_source import SyntheticSource
from gluetune.errors import DataError
from gluetune.inference import FILES
from gluetune.inference.submission import load_test

FILE = {file.name: file for file in FILES}
GLUE = os.environ.get("GLUETUNE_GLUE_DIR", "")


def rte(folder: Path, *indices: int, header: str = "index\tsentence1\tsentence2") -> FolderSource:
    file = folder / "RTE" / "test.tsv"
    file.parent.mkdir()
    extra = "" if header.startswith("index") else None
    lines = [f"{index}\ta{index}\tb" if extra is not None else f"a{index}\tb" for index in indices]
    file.write_text("\n".join([header, *lines]))
    return FolderSource(folder)


@pytest.mark.skipif(not GLUE, reason="GLUETUNE_GLUE_DIR names no GLUE folder")
@pytest.mark.parametrize("name", ["CoLA.tsv", "MRPC.tsv", "RTE.tsv"])
def test_the_official_files_are_taken(name: str) -> None:
    assert len(load_test(FILE[name], FolderSource(GLUE))) == FILE[name].rows


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_generated_rows_are_taken_as_many_as_there_are(file: Any) -> None:
    assert 0 < len(load_test(file, SyntheticSource())) < file.rows or file.name == "WNLI.tsv"


def test_official_rows_must_be_all_there(tmp_path: Path) -> None:
    source = rte(tmp_path, 0, 1, 2)
    with pytest.raises(DataError) as refused:
        load_test(FILE["RTE.tsv"], source)
    assert str(refused.value) == f"dir:{tmp_path}/RTE/test.tsv: RTE.tsv answers 3,000 official test rows, but got 3"
    assert len(load_test(replace(FILE["RTE.tsv"], rows=3), source)) == 3


def test_official_rows_must_be_in_the_order_of_their_index(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        load_test(replace(FILE["RTE.tsv"], rows=3), rte(tmp_path, 0, 2, 1))
    assert str(refused.value) == (
        f"{tmp_path}/RTE/test.tsv:3: the index of test rows must count from 0, here 1, but got '2'"
    )


def test_a_file_without_an_index_is_taken_in_its_order(tmp_path: Path) -> None:
    source = rte(tmp_path, 7, 8, header="sentence1\tsentence2")
    assert load_test(replace(FILE["RTE.tsv"], rows=2), source).columns["sentence1"] == ["a7", "a8"]


def test_missing_test_rows_are_named_by_the_file_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"wnli's test rows must stand in WNLI/test\.tsv, but there is no such file"):
        load_test(FILE["WNLI.tsv"], FolderSource(tmp_path))
