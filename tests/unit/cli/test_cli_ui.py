"""``gluetune ui``: a real MLflow server on the store of a search, and stores that it refuses."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from gluetune.cli.ui import main


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--storage-path run", ["mlflow.db", "'runs'", "--storage-path"]),
        ("--tracking-uri sqlite:///none.db", ["none.db"]),
        ("--tracking-uri htp://host", ["'http'"]),
        ("--port many --storage-path a --tracking-uri b --hots c", ["--port: ", "--storage-path: ", "'--host'"]),
    ],
)
def test_a_store_that_is_not_there_is_refused(
    line: str, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    assert main(line.split()) == 2
    err = capfd.readouterr().err
    assert [part for part in expected if part not in err] == []
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "runs"]


def test_a_port_in_use_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    sqlite3.connect(tmp_path / "mlflow.db").close()
    (tmp_path / "mlflow.db").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["--storage-path", str(tmp_path), "--port", port]) == 2
    assert port in capfd.readouterr().err


def test_the_address_of_a_server_is_printed_without_its_password(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--tracking-uri", "http://me:secret@tracking.example:5000"]) == 0
    out = capfd.readouterr().out
    assert "tracking.example:5000" in out
    assert "secret" not in out


def free_port() -> tuple[str, str, int]:
    """An address of this machine, by IPv6 where there is any, how it stands in a URL, and a port."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as free:
            return "::1", "http://[::1]", free.getsockname()[1]
    except OSError:
        with socket.create_server(("127.0.0.1", 0)) as free:
            return "127.0.0.1", "http://127.0.0.1", free.getsockname()[1]


@pytest.mark.slow
def test_the_ui_answers_until_ctrl_c(tmp_path: Path, empty_store: Path) -> None:
    """Also where the environment names a proxy, which would not reach this machine."""
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    host, url, port = free_port()
    command = [sys.executable, "-m", "gluetune", "ui", "--storage-path", str(tmp_path), "--port", str(port)]
    command += ["--host", host]
    environment = os.environ | {"http_proxy": "http://127.0.0.1:9", "no_proxy": ""}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            address = next(line for line in process.stdout if line.startswith("http")).split()[0]
            assert address == f"{url}:{port}"
            with urllib.request.urlopen(f"{address}/health", timeout=60) as answer:
                assert answer.status == 200
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(timeout=120) == 0
        finally:
            process.kill()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((host, port), 5.0)
