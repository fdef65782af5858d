"""The cluster's MLflow server over a PostgreSQL of its own, for the tests that record searches there."""

from __future__ import annotations

import configparser
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 240.0  # seconds for a server's start on a busy machine: it imports much, and makes some fifty tables


def missing() -> str | None:
    """Why the server cannot run here, in words."""
    if _binaries() is None:
        return "PostgreSQL's initdb and pg_ctl are not installed (Debian: apt-get install postgresql)"
    if os.geteuid() == 0 and not _has_user("postgres"):
        return "PostgreSQL refuses to run as root, and there is no user 'postgres'"
    return None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def postgres() -> Iterator[str]:
    """An empty database; its URI. As root it runs as the user ``postgres``."""
    folder = tempfile.mkdtemp(prefix="gtpg", dir="/tmp")  # where that user may go, and short: Unix sockets want it so
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    port, binaries = free_port(), _binaries()
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    try:
        _as_user(f"{binaries}/initdb", "-D", f"{folder}/data", "-U", "mlflow", "--auth=trust", "--encoding=UTF8")
        _as_user(f"{binaries}/pg_ctl", "-D", f"{folder}/data", "-l", f"{folder}/log", "-o", options, "-w", "start")
        _as_user(f"{binaries}/createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "mlflow", "mlflow")
        yield f"postgresql://mlflow@127.0.0.1:{port}/mlflow"
    finally:
        with suppress(subprocess.CalledProcessError):
            _as_user(f"{binaries}/pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


class Server:
    """``deploy/mlflow_server.py``, whose login and artifacts outlive it.

    Args:
        folder: its home.
        database: URI of its PostgreSQL database.
    """

    def __init__(self, folder: Path, database: str) -> None:
        self._folder, self._database, self._port = folder, database, free_port()
        self.uri = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        log = self._folder / "server.log"
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    ROOT / "deploy" / "mlflow_server.py",
                    "--store",
                    self._folder / "store",
                    "--home",
                    self._folder / "mlflow",
                    "--port",
                    str(self._port),
                ],
                env=environment
                | {
                    "HOME": str(self._folder),
                    "PYTHONPATH": str(ROOT / "platform"),
                    "MLFLOW_DATABASE": self._database,
                    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
                },
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(log.read_text()[-5000:])
            time.sleep(0.3)

    def kill(self) -> None:
        """Kill it and its workers, as a power cut would."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    @property
    def admin(self) -> dict[str, str]:
        """Its administrator's credentials, as environment variables."""
        found = configparser.ConfigParser(interpolation=None)
        found.read(self._folder / ".mlflow" / "credentials")
        return {name.upper(): value for name, value in found["mlflow"].items()}

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=5):
                return True
        except OSError:
            return False


def _binaries() -> Path | None:
    """Folder of PostgreSQL's programs, which Debian keeps out of the path."""
    found = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), *map(Path, os.get_exec_path())]
    return next((path for path in found if (path / "initdb").exists() and (path / "pg_ctl").exists()), None)


def _has_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _as_user(*command: str) -> None:
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*prefix, *command], check=True, cwd="/tmp", stdout=subprocess.DEVNULL, timeout=120)
