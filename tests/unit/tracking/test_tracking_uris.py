"""URIs that cannot work are refused before anything starts."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from gluetune.errors import TrackingError
from gluetune.tracking import ui_command
from gluetune.tracking.uris import check_uri, is_fresh


@pytest.mark.parametrize(("uri", "message"), [
    ("sqlit:///x.db", "tracking.uri must begin with one of sqlite, http, https, postgresql, mysql, mssql, databricks, "
                      "but got 'sqlit:///x.db'; nearest: 'sqlite'"),
    ("mlruns", "tracking.uri must begin with one of sqlite, http, https, postgresql, mysql, mssql, databricks, "
               "but got 'mlruns'"),
    ("http://", "tracking.uri must name a host (http://host:port), but got 'http://'"),
    ("sqlite://", "tracking.uri must name a file (sqlite:///relative or sqlite:////absolute), but got 'sqlite://'"),
])
def test_malformed(uri: str, message: str) -> None:
    with pytest.raises(TrackingError) as raised:
        check_uri(uri)
    assert str(raised.value) == message


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database, but long enough to have a header " * 20)
    with pytest.raises(TrackingError, match=r"must be a SQLite database .*file is not a database"):
        check_uri(f"sqlite:///{tmp_path}/notes.txt")


def test_a_folder_in_the_place_of_the_database(tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match="unable to open database file"):
        check_uri(f"sqlite:///{tmp_path}")


def test_missing_folders_of_a_new_database_are_made(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/a/b/mlflow.db"
    check_uri(uri)
    assert is_fresh(uri)


def test_ui_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert ui_command("http://tracking:5000") == "http://tracking:5000"
    assert ui_command("sqlite:////data/my runs/mlflow.db") == (
        f"{sys.executable} -m mlflow ui --backend-store-uri 'sqlite:////data/my runs/mlflow.db'")
    assert ui_command("sqlite:///runs/mlflow.db") == (
        f"{sys.executable} -m mlflow ui --backend-store-uri sqlite:///{tmp_path}/runs/mlflow.db")
    assert ui_command("postgresql://db/mlflow").endswith("mlflow ui --backend-store-uri postgresql://db/mlflow")


def test_ui_command_names_an_interpreter_in_a_folder_with_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/my env/bin/python")
    assert shlex.split(ui_command("postgresql://db/mlflow"))[:3] == ["/my env/bin/python", "-m", "mlflow"]


def test_importing_the_room_does_not_import_mlflow() -> None:
    code = "import sys, gluetune.tracking, gluetune.report; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
