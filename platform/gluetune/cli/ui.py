"""``gluetune ui``: MLflow's web page on the store that searches write to."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import suppress

from gluetune.api.places import tracking_uri
from gluetune.cli.flags import ParsedArguments
from gluetune.cli.options import Option, Program
from gluetune.cli.process import OK, run, temporary_log
from gluetune.cli.terminal import Terminal
from gluetune.config import JobConfig, StorageConfig, TrackingConfig, without_password
from gluetune.errors import ConfigError, ConfigIssue, TrackingError, did_you_mean_file
from gluetune.supervisor import report
from gluetune.tracking.uris import check_uri, is_server, sqlite_file, store_address

_HOST, _PORT = "127.0.0.1", 5000
_POLL_S = 0.2  # between requests while the server starts
_ANSWER_S = 5.0  # for one request
_END_S = 10.0  # for MLflow's processes to end


def _problems(arguments: ParsedArguments) -> Iterator[ConfigIssue]:
    port = arguments.options.get("--port")
    if port is not None and not (port.isdecimal() and 0 < int(port) < 65536):
        yield ConfigIssue("--port", f"must be a whole number from 1 to 65535, but got {port!r}")
    if {"--tracking-uri", "--storage-path"} <= set(arguments.options):
        yield ConfigIssue("--storage-path", "names a store, and so does --tracking-uri: leave out one of them")


PROGRAM = Program(
    "gluetune ui",
    "Open the MLflow UI on the runs of a search. Ctrl-C ends it. The address of an MLflow server is printed only: it "
    "has a UI of its own.",
    None,
    options=(
        Option("--storage-path", "FOLDER", f"the folder of the runs (default: {StorageConfig().path})"),
        Option("--tracking-uri", "URI", "MLflow server or store (default: mlflow.db in the folder of the runs)"),
        Option("--port", "N", f"where the UI listens (default: {_PORT})"),
        Option("--host", "HOST", f"on which of this machine's addresses (default: {_HOST}, which only it can reach)"),
    ),
    usage="%(prog)s [--storage-path FOLDER | --tracking-uri URI] [--port N] [--host HOST]",
    epilog="The store is the one that a search with the same flags records in.",
    check=_problems,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``gluetune ui``; return the exit code."""
    return run(PROGRAM, _open, argv)


def _open(arguments: ParsedArguments, terminal: Terminal) -> int:
    given = arguments.options
    storage = StorageConfig(path=given["--storage-path"]) if "--storage-path" in given else StorageConfig()
    uri = tracking_uri(JobConfig(storage=storage, tracking=TrackingConfig(uri=given.get("--tracking-uri"))))
    _check_store(uri)
    if is_server(uri) or uri == "databricks":
        terminal.out.print(without_password(uri), markup=False, highlight=False, soft_wrap=True)
        return OK
    host, port = given.get("--host", _HOST), int(given.get("--port", _PORT))
    _check_port(host, port)
    report(starting=False)  # the server must be ended with this process
    return _serve(uri, host, port, terminal)


def _check_store(uri: str) -> None:
    """Refuse a store that does not exist, which MLflow would make.

    Raises:
        TrackingError: the address is wrong, or the SQLite file is not there.
    """
    check_uri(uri, make=False)
    file = sqlite_file(uri)
    if file is not None and not file.is_file():
        raise TrackingError(
            f"the MLflow store must be one that a search has made, but there is no {file}{did_you_mean_file(file)}; "
            "name the folder of the runs by --storage-path, or the store by --tracking-uri"
        )


def _check_port(host: str, port: int) -> None:
    """Refuse an address that another program listens on.

    Raises:
        ConfigError: it cannot be listened on.
    """
    try:
        (family, *_, address) = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except socket.gaierror as error:
        raise ConfigError([ConfigIssue("--host", f"must be an address of this machine, but got {host!r}")]) from error
    except OSError as error:
        issue = ConfigIssue("--port", f"must be free on {host}, but got {port}: {error.strerror}; choose another port")
        raise ConfigError([issue]) from error


def _serve(uri: str, host: str, port: int, terminal: Terminal) -> int:
    """Run MLflow's server until a stop signal; its output goes to a log, which is named where the server fails."""
    terminal.note(f"starting the MLflow UI of {store_address(uri)} …")
    with temporary_log() as log, terminal.logging_to(log):
        server = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "ui", "--host", host, "--port", str(port), "--workers", "1"],
            # In an argument, other users would see a password. Usage data of MLflow are off by default.
            env={"MLFLOW_DISABLE_TELEMETRY": "true"} | os.environ | {"MLFLOW_BACKEND_STORE_URI": uri},
            start_new_session=True,  # Ctrl-C reaches this process only, which then ends all of the server's
            stdin=subprocess.DEVNULL,
        )
        try:
            if _answers(server, host, port):
                terminal.out.print(
                    f"http://{_in_url(host)}:{port}  (Ctrl-C ends the UI)", highlight=False, soft_wrap=True
                )
                server.wait()
            raise TrackingError(
                f"MLflow's server must run until it is stopped, but ended with code {server.returncode}"
            )
        except KeyboardInterrupt:
            return OK
        finally:
            _end(server)


def _answers(server: subprocess.Popen[bytes], host: str, port: int) -> bool:
    """Wait until the server answers; ``False`` where it ended before."""
    reachable = _in_url({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host))
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy does not reach this machine
    while True:
        try:
            server.wait(_POLL_S)
            return False
        except subprocess.TimeoutExpired:
            pass
        try:
            with direct.open(f"http://{reachable}:{port}/health", timeout=_ANSWER_S):
                return True
        except OSError:
            continue


def _in_url(host: str) -> str:
    """Return a host as it stands in a URL: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def _end(server: subprocess.Popen[bytes]) -> None:
    """End the server with the processes that it has started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if server.poll() is not None:
            return
        os.killpg(server.pid, number)
        with suppress(subprocess.TimeoutExpired):
            server.wait(_END_S)
