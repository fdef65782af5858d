"""What a tracker remembers, and what it does where that is damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gluetune.storage import Storage
from gluetune.tracking.state import FILE, load_state

STORE = ("sqlite:////runs/mlflow.db", "cola")


def test_the_kept_state_is_found_again(tmp_path: Path) -> None:
    first, resumed = load_state(Storage(str(tmp_path)), *STORE)
    assert not resumed
    assert load_state(Storage(str(tmp_path)), *STORE) == (first, True)
    assert not load_state(Storage(str(tmp_path)), "sqlite:////other.db", "cola")[1]


@pytest.mark.parametrize("content", [b"", b"\0" * 300, b'{"uri": "sqli'])
def test_a_damaged_file_begins_a_new_record_and_says_so(
    content: bytes, tmp_path: Path, logged: Callable[[], list[str]]
) -> None:
    first, _ = load_state(Storage(str(tmp_path)), *STORE)
    (tmp_path / FILE).write_bytes(content)
    again, resumed = load_state(Storage(str(tmp_path)), *STORE)
    assert not resumed
    assert again.written == 0
    assert again.search_id != first.search_id
    assert len(logged()) == 1
    assert str(tmp_path / FILE) in logged()[0]
    assert load_state(Storage(str(tmp_path)), *STORE) == (again, True)


@pytest.mark.parametrize(("opened", "anew"), [(False, False), (True, True)])
def test_a_record_whose_database_was_lost_begins_anew(
    opened: bool, anew: bool, tmp_path: Path, logged: Callable[[], list[str]]
) -> None:
    """A database that has not been made yet is empty too."""
    first, _ = load_state(Storage(str(tmp_path)), *STORE)
    first.model_copy(update={"opened": opened, "written": 7 * opened}).save(Storage(str(tmp_path)))
    again, resumed = load_state(Storage(str(tmp_path)), *STORE, fresh=True)
    assert (again.search_id != first.search_id, not resumed, len(logged()) == 1) == (anew, anew, anew)
    assert again.written == 0
