"""Tracking URIs: which there are, which cannot work, and how their UI is opened. Needs no MLflow."""

from __future__ import annotations

import shlex
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from gluetune.errors import TrackingError, nearest

SCHEMES = ("sqlite", "http", "https", "postgresql", "mysql", "mssql", "databricks")


def check_uri(uri: str) -> None:
    """Refuses a URI that cannot work, before anything is started.

    Args:
        uri: the store, such as ``sqlite:////data/runs/mlflow.db`` or ``http://tracking:5000``.

    Raises:
        TrackingError: unknown scheme, a server without host, or a SQLite file that cannot be written.
    """
    scheme = urlsplit(uri).scheme.split("+")[0] if ":" in uri else uri
    if scheme not in SCHEMES:
        raise TrackingError(f"tracking.uri must begin with one of {', '.join(SCHEMES)}, but got {uri!r}"
                            f"{nearest(scheme, SCHEMES)}")
    if is_server(uri) and not urlsplit(uri).hostname:
        raise TrackingError(f"tracking.uri must name a host ({scheme}://host:port), but got {uri!r}")
    if scheme == "sqlite":
        _check_sqlite(uri)


def sqlite_file(uri: str) -> Path | None:
    """The file of a ``sqlite:///`` URI (three slashes: relative, four: absolute), ``None`` for other stores."""
    prefix = "sqlite:///"
    return Path(uri.removeprefix(prefix)) if uri.startswith(prefix) and len(uri) > len(prefix) else None


def is_server(uri: str) -> bool:
    """Whether a URI is the address of an MLflow server."""
    return urlsplit(uri).scheme in ("http", "https")


def is_fresh(uri: str) -> bool:
    """Whether MLflow would have to make the tables first, which takes seconds."""
    file = sqlite_file(uri)
    return file is not None and (not file.exists() or file.stat().st_size == 0)


def ui_command(uri: str) -> str:
    """What opens the MLflow UI of a store: a shell command, or the address of its server.

    The command names this interpreter, so that it runs where its environment is not activated.
    """
    if is_server(uri):
        return uri
    file = sqlite_file(uri)
    store = uri if file is None else f"sqlite:///{file.absolute()}"
    return shlex.join([sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", store])


def _check_sqlite(uri: str) -> None:
    file = sqlite_file(uri)
    if file is None:
        raise TrackingError(f"tracking.uri must name a file (sqlite:///relative or sqlite:////absolute), "
                            f"but got {uri!r}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(file, timeout=5)) as connection:
            connection.execute("BEGIN IMMEDIATE")  # takes the write lock: read-only and foreign files fail here
            connection.rollback()
    except (sqlite3.Error, OSError) as error:
        raise TrackingError(f"tracking.uri must be a SQLite database that can be written, but got {uri!r} "
                            f"({error})") from error
