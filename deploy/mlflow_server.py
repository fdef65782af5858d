"""The cluster's MLflow server, on loopback and with a password, whose record outlives the machine it runs on.

Artifacts go to a bucket (or a folder that all machines reach) through the server. Without PostgreSQL the record is a
SQLite file on this machine: fetched from there when the machine is new, copied there while it changes and at the end.
"""

from __future__ import annotations

import argparse
import configparser
import io
import os
import secrets
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from gluetune.errors import StorageError
from gluetune.storage import Storage
from gluetune.storage.durable import write_file

DATABASE = "mlflow.db"
KEEP_EVERY_S = 60.0
ADMIN = "admin"
DRIVER = "postgresql+psycopg2://"  # the one of gluetune[cluster]; SQLAlchemy 2.1 looks for another one by itself


def password(file: Path) -> str:
    """Return the server's password, made at first start where MLflow's own clients look for it."""
    found = configparser.ConfigParser(interpolation=None)
    found.read(file)
    if not found.has_section("mlflow"):
        found["mlflow"] = {"mlflow_tracking_username": ADMIN, "mlflow_tracking_password": secrets.token_urlsafe(24)}
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = io.StringIO()
        found.write(text)
        write_file(file.absolute(), text.getvalue().encode(), 0o600)
    return found["mlflow"]["mlflow_tracking_password"]


def environment(home: Path, database: str, admin_password: str) -> dict[str, str]:
    """Return the server's secrets, which a command line would show; users are kept on this machine only."""
    config = home / "auth.ini"
    config.write_text(
        f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{home / 'users.db'}\n"
        f"authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    return (
        {"MLFLOW_DISABLE_TELEMETRY": "true"}
        | os.environ
        | {
            "MLFLOW_BACKEND_STORE_URI": database.replace("postgresql://", DRIVER, 1),
            "MLFLOW_AUTH_CONFIG_PATH": str(config),
            "MLFLOW_AUTH_ADMIN_USERNAME": ADMIN,
            "MLFLOW_AUTH_ADMIN_PASSWORD": admin_password,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(32),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
    )


def command(artifacts: str, port: int) -> list[str]:
    """Return the server's command; it answers only requests to this machine's own name, as through ``ray exec -p``."""
    return [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--app-name",
        "basic-auth",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "1",
        "--allowed-hosts",
        f"127.0.0.1:{port},localhost:{port}",
        "--serve-artifacts",
        "--artifacts-destination",
        artifacts,
    ]


class DatabaseBackup:
    """Copies a SQLite database to the store when it has changed, without reading it into memory.

    Args:
        file: the database that the server writes to.
        store: destination of the copy.
    """

    def __init__(self, file: Path, store: Storage) -> None:
        self._file, self._store = file, store
        self._watch: sqlite3.Connection | None = None
        self._kept: int | None = None  # SQLite's number of the state that is in the store

    def restore(self) -> None:
        """Fetch the database from the store, if this machine has none.

        Raises:
            StorageError: the store cannot be read. The server must not start then, because its new, empty database
                would replace the one in the store.
        """
        if not self._file.exists() and self._store.fetch(DATABASE, self._file):
            print(f"fetched the database from {self._store.uri(DATABASE)}", flush=True)

    def copy(self) -> None:
        """Copy a consistent snapshot, if the database has changed. An error is printed; the next call tries again."""
        if not self._file.exists():
            return
        try:
            state = self._state()
            if state != self._kept:
                self._copy()
                self._kept = state
        except Exception as error:  # of SQLite, of this machine's disk, of the store: the server continues
            self._unwatch()
            print(f"the database is not copied yet: {error}", file=sys.stderr, flush=True)

    def _state(self) -> int:
        """SQLite's data version, which changes when any process changes the database."""
        if self._watch is None:
            self._kept = None  # numbers of two connections cannot be compared
            self._watch = sqlite3.connect(self._file)
        (state,) = self._watch.execute("PRAGMA data_version").fetchone()
        return int(state)

    def _unwatch(self) -> None:
        if self._watch is not None:
            self._watch.close()
        self._watch = None

    def _copy(self) -> None:
        with tempfile.TemporaryDirectory(dir=self._file.parent, prefix=".snapshot-") as folder:  # not in memory, as
            copy = Path(folder) / DATABASE  # the folder for temporary files may be
            with closing(sqlite3.connect(self._file)) as source, closing(sqlite3.connect(copy)) as target:
                source.backup(target)
            self._store.put(copy, DATABASE)


def serve(server: subprocess.Popen[bytes], copy: Callable[[], None], every_s: float) -> int:
    """Copy the database while the server runs and after its end. SIGTERM, Ctrl-C or an error here ends the server.

    Args:
        server: the server's process.
        copy: copies the database to the store.
        every_s: seconds between copies.

    Returns:
        The server's exit code.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: server.terminate())
    try:
        while True:
            try:
                code = server.wait(every_s)
                break
            except subprocess.TimeoutExpired:
                copy()
    finally:
        if server.poll() is None:
            server.terminate()
            server.wait()
    copy()
    return code


def main() -> int:
    """Run the server until it is stopped."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="MLFLOW_DATABASE=postgresql://… replaces the copies by a PostgreSQL database."
    )
    parser.add_argument("--store", default=os.environ.get("MLFLOW_STORE"), help="bucket or folder [$MLFLOW_STORE]")
    parser.add_argument("--home", type=Path, default=Path("~/mlflow").expanduser(), help="files of this machine")
    parser.add_argument("--port", type=int, default=5000)
    parser.add_argument("--keep-every-s", type=float, default=KEEP_EVERY_S)
    given = parser.parse_args()
    if not given.store:
        parser.error("one of --store and MLFLOW_STORE must name a bucket or folder, but got neither")
    given.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    store, file = Storage(given.store), given.home / DATABASE
    database, backup = os.environ.get("MLFLOW_DATABASE"), DatabaseBackup(file, store)
    if not database:
        try:
            backup.restore()
        except StorageError as error:
            sys.exit(f"the database cannot be fetched, so the server does not start: {error}")
    secret = environment(
        given.home, database or f"sqlite:///{file}", password(Path("~/.mlflow/credentials").expanduser())
    )
    server = subprocess.Popen(command(store.uri("artifacts"), given.port), env=secret, cwd=given.home)
    return serve(server, (lambda: None) if database else backup.copy, given.keep_every_s)


if __name__ == "__main__":
    sys.exit(main())
