"""URIs that cannot work are refused before anything starts."""

from __future__ import annotations

import io
import os
import random
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from gluetune.api.places import artifacts, tracking_uri
from gluetune.config import JobConfig, StorageConfig, TrackingConfig
from gluetune.errors import TrackingError
from gluetune.reporting import print_locations, summarise
from gluetune.tracking import ui_command
from gluetune.tracking.runs import unusable_store
from gluetune.tracking.uris import check_uri, is_fresh, log_in, sqlite_file
from sample_search import plan


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        (
            "sqlit:///x.db",
            "tracking.uri must begin with one of sqlite, http, https, postgresql, mysql, mssql, databricks, "
            "but got 'sqlit:///x.db'; nearest: 'sqlite'",
        ),
        (
            "mlruns",
            "tracking.uri must begin with one of sqlite, http, https, postgresql, mysql, mssql, databricks, "
            "but got 'mlruns'",
        ),
        ("http://", "tracking.uri must name a host (http://host:port), but got 'http://'"),
        ("http://[::1", "tracking.uri must name a host (http://host:port), but got 'http://[::1'"),
        (
            "htp://ann:sesame@host",
            "tracking.uri must begin with one of sqlite, http, https, postgresql, mysql, mssql, "
            "databricks, but got 'htp://ann@host'; nearest: 'http'",
        ),
        (
            "sqlite:////data/what?/mlflow.db",
            "tracking.uri may have the options cached_statements, check_same_thread, detect_types, "
            "isolation_level, timeout, "
            "uri after its '?', but got '/mlflow.db' in 'sqlite:////data/what?/mlflow.db'; of a file's name, "
            "write ? as %3F and % as %25",
        ),
        ("sqlite://", "tracking.uri must name a file (sqlite:///relative or sqlite:////absolute), but got 'sqlite://'"),
    ],
)
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


def test_a_look_makes_no_folder_and_finds_those_that_cannot_be_made(tmp_path: Path) -> None:
    check_uri(f"sqlite:///{tmp_path}/a/b/mlflow.db", make=False)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a").write_text("a file")
    with pytest.raises(TrackingError, match="must be a SQLite database that can be written"):
        check_uri(f"sqlite:///{tmp_path}/a/b/mlflow.db", make=False)


def test_missing_folders_of_a_new_database_are_made(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/a/b/mlflow.db"
    check_uri(uri)
    assert is_fresh(uri)


ODD_NAMES = [
    "runs",
    "my runs",
    "a%25b",
    "a%b",
    "what?",
    "a?b%3Fc#d",
    "a#b",
    "ü é 漢字",
    "it's",
    'say "hi"',
    "a&b=c",
    "a:b@c",
    "back\\slash",
    "a;b",
    "$HOME `id`",
    "[bold]x",
    "*",
    "~",
    ":bug:",
    "line\nbreak",
    "tab\tbell\a",
    "file:",
    "%",
    "?uri=true",
    "+",
    "-x",
]
LETTERS = "ab/%?#&=+ '\"\\;:@$[]()*~!,|<>\n\tü漢%25%3F"


def odd_names() -> list[str]:
    """Names known to be difficult, and random ones of the same letters."""
    draw = random.Random(39)
    return ODD_NAMES + ["".join(draw.choices(LETTERS, k=12)).strip("/") or "x" for _ in range(30)]


@pytest.mark.parametrize("name", odd_names())
def test_mlflow_opens_the_file_and_the_folder_that_are_meant_whatever_they_are_called(
    name: str, tmp_path: Path, empty_store: Path
) -> None:
    """Asked of SQLAlchemy and MLflow themselves, by the arguments that a shell makes of the printed command."""
    from mlflow.store.db.utils import create_sqlalchemy_engine_with_retry
    from mlflow.utils.file_utils import local_file_uri_to_path
    from sqlalchemy import text

    storage = StorageConfig(path=str(tmp_path / name))
    file = Path(storage.path, "mlflow.db")
    uri = tracking_uri(JobConfig(storage=storage))
    check_uri(uri)
    assert sqlite_file(uri) == file
    assert file.exists()
    shutil.copy(empty_store, file)
    there = sorted(tmp_path.rglob("*"))
    printed = ui_command(uri)
    shown = Console(width=40, file=io.StringIO())
    print_locations(
        summarise(plan(), [], status="complete", session_started=0.0, now=1.0),
        shown,
        ui=printed,
        summary_file="summary.json",
    )
    assert printed in shown.file.getvalue()
    *program, flag, value = shlex.split(printed)
    assert program[-1] == "ui"
    named = StorageConfig(path=value) if flag == "--storage-path" else StorageConfig()
    store = TrackingConfig(uri=value if flag == "--tracking-uri" else None)
    engine = create_sqlalchemy_engine_with_retry(tracking_uri(JobConfig(storage=named, tracking=store)))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT name FROM experiments")).scalars().all() == ["Default"]
    engine.dispose()
    folder = str(artifacts(storage, TrackingConfig()))
    assert Path(local_file_uri_to_path(folder)) == Path(storage.path, "mlartifacts")
    assert sorted(tmp_path.rglob("*")) == there, "MLflow made a folder elsewhere"


@pytest.mark.parametrize(
    ("uri", "location"),
    [
        ("sqlite:////data/mlflow.db", "/data/mlartifacts"),
        ("sqlite:///mlflow.db", f"{Path.cwd()}/mlartifacts"),
        ("http://127.0.0.1:5000", None),
        ("postgresql://ann@host/db", None),
    ],
)
def test_artifacts_lie_beside_the_sqlite_file_that_a_job_names(uri: str, location: str | None) -> None:
    assert artifacts(StorageConfig(), TrackingConfig(uri=uri)) == location


def test_a_file_that_the_user_names_is_decoded_as_mlflow_decodes_it(tmp_path: Path) -> None:
    check_uri(f"sqlite:///{tmp_path}/what%3F/mlflow.db?timeout=60")
    assert (tmp_path / "what?" / "mlflow.db").exists()


def test_a_resume_takes_the_password_of_the_address_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = JobConfig(tracking=TrackingConfig(uri="postgresql://ann@host/db"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://ann:sesame@host/db")
    assert tracking_uri(kept) == "postgresql://ann:sesame@host/db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://ann:sesame@elsewhere/db")
    assert tracking_uri(kept) == "postgresql://ann@host/db"


def test_a_database_that_cannot_be_reached_is_reported_without_the_password() -> None:
    error = unusable_store(
        "postgresql://ann:p%40ssword@host/db", ValueError("no postgresql://ann:p%40ssword@host p@ssword")
    )
    assert str(error) == (
        "tracking.uri must be an MLflow store that answers, but got 'postgresql://ann@host/db' "
        "(ValueError: no postgresql://ann@host …)"
    )
    assert "--tracking-uri or MLFLOW_TRACKING_URI" in str(unusable_store("postgresql://ann@host/db", ValueError("no")))
    assert "--tracking-uri" not in str(unusable_store("sqlite:////data/mlflow.db", ValueError("no")))


def test_user_and_password_of_a_server_reach_mlflow_by_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "before")
    assert log_in("http://host:5000/mlflow") == "http://host:5000/mlflow"
    assert log_in("http://ann%40x:p%2Fw@host:5000/mlflow") == "http://host:5000/mlflow"
    assert (os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"]) == ("ann@x", "p/w")


@pytest.mark.parametrize(
    ("uri", "store"),
    [
        ("sqlite:////data/my runs/mlflow.db", ["--storage-path", "/data/my runs"]),
        ("sqlite:///runs/mlflow.db", ["--storage-path", "{folder}/runs"]),
        ("sqlite:///runs/other.db", ["--tracking-uri", "sqlite:///{folder}/runs/other.db"]),
        ("sqlite:////data/mlflow.db?timeout=60", ["--tracking-uri", "sqlite:////data/mlflow.db?timeout=60"]),
        ("postgresql://ann:sesame@db/mlflow", ["--tracking-uri", "postgresql://ann@db/mlflow"]),
    ],
)
def test_the_command_of_the_ui_names_the_store(
    uri: str, store: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert shlex.split(ui_command(uri))[-3:] == ["ui", *(word.format(folder=tmp_path) for word in store)]


def test_a_server_has_a_ui_of_its_own() -> None:
    assert ui_command("http://tracking:5000") == "http://tracking:5000"
    assert ui_command("http://ann:sesame@tracking:5000") == "http://ann@tracking:5000"


def test_the_command_of_the_ui_is_short_where_the_shell_finds_this_environments_gluetune(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "my env"
    folder.mkdir()
    for name in ("gluetune", "python"):
        (folder / name).write_text("")
        (folder / name).chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setenv("PATH", "/usr/bin")
    assert shlex.split(ui_command("postgresql://db/mlflow"))[:4] == [str(folder / "python"), "-m", "gluetune", "ui"]
    monkeypatch.setenv("PATH", str(folder))
    assert shlex.split(ui_command("postgresql://db/mlflow"))[:2] == ["gluetune", "ui"]


def test_importing_the_package_does_not_import_mlflow() -> None:
    code = "import sys, gluetune.tracking, gluetune.reporting; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
