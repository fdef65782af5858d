"""Tracking URIs and logins: parsing, checks, the command that opens the UI, and explanations of refusals."""

from __future__ import annotations

import configparser
import errno
import os
import re
import shlex
import shutil
import sqlite3
import sys
from contextlib import closing
from functools import cache
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from gluetune.config import without_password
from gluetune.errors import TrackingError, did_you_mean

DEFAULT_FILE = "mlflow.db"  # of the store in the folder of the runs
SCHEMES = ("sqlite", "http", "https", "postgresql", "mysql", "mssql", "databricks")
_SQLITE = re.compile(r"sqlite(?:\+\w+)?:///(?P<path>[^?]+)(?:\?(?P<options>.*))?", re.DOTALL)
_SQLITE_OPTIONS = ("cached_statements", "check_same_thread", "detect_types", "isolation_level", "timeout", "uri")


def check_uri(uri: str, *, make: bool = True) -> None:
    """Check a tracking URI without opening the store.

    Args:
        uri: the store, such as ``sqlite:////data/runs/mlflow.db`` or ``http://tracking:5000``.
        make: whether to create the folder and the empty file of a SQLite store if they do not exist.

    Raises:
        TrackingError: unknown scheme, a server without host, or a SQLite file that cannot be written.
    """
    shown = without_password(uri)
    scheme = _scheme(uri) if ":" in uri else uri
    if scheme not in SCHEMES:
        raise TrackingError(
            f"tracking.uri must begin with one of {', '.join(SCHEMES)}, but got {shown!r}"
            f"{did_you_mean(scheme, SCHEMES)}"
        )
    if is_server(uri) and not _has_host(uri):
        raise TrackingError(f"tracking.uri must name a host ({scheme}://host:port), but got {shown!r}")
    if scheme == "sqlite":
        _check_sqlite(uri, make=make)


def sqlite_uri(file: Path) -> str:
    """Return the URI by which MLflow opens a SQLite file, whatever characters its path holds.

    SQLAlchemy splits a URI at ``?`` and, since version 2.1, decodes ``%25``. For a URI that begins with
    ``sqlite:///``, MLflow creates the folder under its undecoded name; for one that names the driver, it does not.
    """
    path = str(file.absolute())
    if path.isprintable() and not {"%", "?"} & set(path):
        return f"sqlite:///{path}"
    return f"sqlite+pysqlite:///{quote(path)}" if _is_decoded() else f"sqlite+pysqlite:///file:{quote(path)}?uri=true"


def sqlite_file(uri: str) -> Path | None:
    """Return the file of a ``sqlite:///`` URI (three slashes: relative, four: absolute), ``None`` for other stores."""
    found = _SQLITE.fullmatch(uri)
    if found is None:
        return None
    path = unquote(found["path"]) if "%" in found["path"] and _is_decoded() else found["path"]
    if dict(parse_qsl(found["options"] or "")).get("uri", "").lower() in ("true", "1", "yes", "on", "y", "t"):
        path = unquote(path.removeprefix("file:"))  # SQLite itself decodes such a name
    return Path(path)


def artifact_location(folder: str) -> str:
    """Return the address by which MLflow finds a local folder of artifacts, whatever characters its path holds."""
    return folder if quote(folder) == folder else Path(folder).absolute().as_uri()


def is_server(uri: str) -> bool:
    """Whether a URI is the address of an MLflow server."""
    return _scheme(uri) in ("http", "https")


def is_fresh(uri: str) -> bool:
    """Whether the URI is a SQLite file without tables, which MLflow takes seconds to create."""
    file = sqlite_file(uri)
    return file is not None and (not file.exists() or file.stat().st_size == 0)


def store_address(uri: str) -> str:
    """Return a store's address with an absolute path and without a password."""
    file = sqlite_file(uri)
    return without_password(uri) if file is None or "?" in uri else sqlite_uri(file)


def without_login(uri: str) -> str:
    """Return a server's address without user and password."""
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def restore_command(uri: str, experiment_id: str) -> str:
    """Return the shell command that restores a deleted experiment."""
    command = [sys.executable, "-m", "mlflow", "experiments", "restore", "--experiment-id", experiment_id]
    return f"MLFLOW_TRACKING_URI={shlex.quote(store_address(uri))} {shlex.join(command)}"


def ui_command(uri: str) -> str:
    """Return the shell command that opens the MLflow UI of a store, or the server's address; without a password.

    The command works in any folder. Where the shell would not find this environment's ``gluetune``, it holds the path
    of this Python interpreter.
    """
    if is_server(uri):
        return without_password(uri)
    file, store = sqlite_file(uri), ["--tracking-uri", store_address(uri)]
    if file is not None and file.name == DEFAULT_FILE and store[1] == sqlite_uri(file) and str(file).isprintable():
        store = ["--storage-path", str(file.absolute().parent)]
    found, own = shutil.which("gluetune"), Path(sys.executable).with_name("gluetune")
    on_path = found is not None and own.exists() and own.samefile(found)
    program = ["gluetune"] if on_path else [sys.executable, "-m", "gluetune"]
    return shlex.join([*program, "ui", *store])


def _scheme(uri: str) -> str:
    return uri.partition(":")[0].split("+")[0]


def _has_host(uri: str) -> bool:
    try:
        return bool(urlsplit(uri).hostname)
    except ValueError:  # "http://[::1"
        return False


@cache
def _is_decoded() -> bool:
    """Whether the installed SQLAlchemy decodes ``%25`` in a database's name."""
    from sqlalchemy.engine import make_url

    return make_url("sqlite:///%25").database == "%"


def _check_sqlite(uri: str, *, make: bool) -> None:
    file = sqlite_file(uri)
    if file is None:
        raise TrackingError(
            f"tracking.uri must name a file (sqlite:///relative or sqlite:////absolute), but got {uri!r}"
        )
    unknown = _unknown_options(uri)
    if unknown:
        raise TrackingError(
            f"tracking.uri may have the options {', '.join(_SQLITE_OPTIONS)} after its '?', but got "
            f"{unknown[0]!r} in {uri!r}; of a file's name, write ? as %3F and % as %25"
        )
    try:
        if not make and not file.exists():
            _check_can_be_made(file)
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(file, timeout=5)) as connection:
            connection.execute("BEGIN IMMEDIATE")  # takes the write lock: read-only and foreign files fail here
            connection.rollback()
    except (sqlite3.Error, OSError) as error:
        raise TrackingError(
            f"tracking.uri must be a SQLite database that can be written, but got {uri!r} ({error})"
        ) from error


def _check_can_be_made(file: Path) -> None:
    """Raise the `OSError` that making a file and its folders would raise, as far as permissions tell."""
    there = next(folder for folder in file.absolute().parents if folder.exists())
    if not there.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(there))
    if not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(there))


def _unknown_options(uri: str) -> list[str]:
    """Options that SQLAlchemy would ignore: a file's name with a ``?`` in it."""
    options = dict(parse_qsl(uri.partition("?")[2], keep_blank_values=True))
    return [] if "uri" in options else [name for name in options if name not in _SQLITE_OPTIONS]


USER, PASSWORD, TOKEN = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"


def log_in(uri: str) -> str:
    """Move user and password of a server's address to the environment variables that MLflow's client reads.

    The address that MLflow prints and stores then holds no password.

    Args:
        uri: the server's address, with or without ``user:password@``.

    Returns:
        The address without user and password.
    """
    parts = urlsplit(uri)
    if parts.username:
        os.environ[USER] = unquote(parts.username)
    if parts.password:
        os.environ[PASSWORD] = unquote(parts.password)
    return without_login(uri)


def explain_denied(error: BaseException) -> str | None:
    """Explain what a server refused and what to change; ``None`` if the error is no refusal."""
    code = getattr(error, "error_code", None)
    if code == "UNAUTHENTICATED":
        return f"it wants a user that it knows, but {_credentials_seen()}"
    if code != "PERMISSION_DENIED":
        return None
    if "Invalid Host header" in str(error):
        return "it answers only under names given to its --allowed-hosts, of which this is none"
    user, _ = _credentials()
    return f"user {user!r} may not write there: its administrator can grant EDIT or MANAGE"


def _credentials_seen() -> str:
    """Describe the credentials that this process sends. MLflow sends no token if it has user and password."""
    user, password = _credentials()
    if user and password:
        return f"refuses {user!r} with the password it got: set {USER} and {PASSWORD}"
    if os.environ.get(TOKEN):
        return (
            f"refuses the token in {TOKEN}: renew it, or set {USER} and {PASSWORD} "
            "(MLflow's own basic-auth takes no tokens)"
        )
    return f"got none: set {USER} and {PASSWORD}, or {TOKEN} where it takes tokens"


def _credentials() -> tuple[str | None, str | None]:
    """User and password that MLflow's client uses: of the environment, else of ``~/.mlflow/credentials``."""
    file = configparser.ConfigParser()
    file.read(Path("~/.mlflow/credentials").expanduser())
    user, password = (
        os.environ.get(name) or file.get("mlflow", name.lower(), fallback=None) for name in (USER, PASSWORD)
    )
    return user, password
