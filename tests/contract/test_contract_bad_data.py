"""Bad data: a message names file and line, or the row of a dataset class, the value and the nearest name.

What each message must show stands beside the input; `data_messages.golden.txt` has the whole wording.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bad_data_classes import CLASSES, IMPORTS, ROWS, SPLIT
from bad_data_files import CASES, Case
from gluetune.data import CustomSource, FolderSource
from gluetune.errors import ConfigError, DataError
from gluetune.tasks import get_task
from messages import Line, assert_golden, assert_shows

GOLDEN = Path(__file__).with_name("data_messages.golden.txt")
OF_ROWS = [(f"class Rows(list):\n    {SPLIT}super().__init__({rows})", shows) for rows, shows in ROWS]


def message(folder: Path, load: Callable[[], object]) -> str:
    """What is said, with FOLDER for the name of the folder."""
    with pytest.raises((ConfigError, DataError)) as caught:
        load()
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # from a lane's process
    return str(caught.value).replace(str(folder), "FOLDER")


def of_files(case: Case, folder: Path) -> str:
    for name, content in case.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return message(folder, lambda: FolderSource(folder).load(get_task(case.task), case.split))


def of_import(dataset: str, code: str, folder: Path) -> str:
    (folder / "mine.py").write_text(code)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return message(folder, lambda: CustomSource(dataset))


def of_class(code: str, folder: Path) -> str:
    (folder / "mine.py").write_text(code)
    return message(folder, lambda: CustomSource(f"{folder}/mine.py:Rows").load(get_task("cola"), "train"))


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_official_files(case: Case, tmp_path: Path) -> None:
    assert_shows(of_files(case, tmp_path), [replace(case.shows, place=f"FOLDER{case.shows.place}")])


@pytest.mark.parametrize(("dataset", "code", "shows"), IMPORTS)
def test_a_class_that_cannot_be_imported(dataset: str, code: str, shows: Line, tmp_path: Path) -> None:
    assert_shows(of_import(dataset, code, tmp_path), [replace(shows, place="data.dataset")])


@pytest.mark.parametrize(("code", "shows"), [*CLASSES, *OF_ROWS])
def test_a_class_that_breaks_the_contract(code: str, shows: Line, tmp_path: Path) -> None:
    assert_shows(of_class(code, tmp_path), [replace(shows, place="custom:FOLDER/mine.py:Rows/train")])


def wordings(new_folder: Callable[[], Path]) -> Iterator[tuple[str, str]]:
    """Every input above with its whole message."""
    yield from ((f"{case.task}: {case.name}", of_files(case, new_folder())) for case in CASES)
    yield from ((f"{dataset}\n{code}", of_import(dataset, code, new_folder())) for dataset, code, _ in IMPORTS)
    yield from ((code, of_class(code, new_folder())) for code, _ in [*CLASSES, *OF_ROWS])


def test_the_wording_of_all_messages(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> None:
    found = dict(wordings(lambda: tmp_path_factory.mktemp("bad")))
    assert_golden(found, GOLDEN, update=pytestconfig.getoption("update_messages"))
