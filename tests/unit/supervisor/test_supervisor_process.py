"""A command and its small parent process: exit codes, stop signals, and a driver that is cut off."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from gluetune.supervisor import deferred_stop

START = "import sys, program; from gluetune.supervisor import supervised; sys.exit(supervised(program.main))"
RESUME = "python jobs/tune_glue.py --resume mine --storage-path /runs"
READY = "print('ready', flush=True)"
HELD = "import ctypes; [ctypes.PyDLL(None).sleep(60) for _ in range(9)]"  # a library keeps the interpreter

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a program from its lines, as the scripts in ``jobs/`` do."""
    running: list[subprocess.Popen[str]] = []

    def run(*lines: str) -> subprocess.Popen[str]:
        body = "\n".join(f"    {line}" for line in lines)
        (tmp_path / "program.py").write_text(
            f"import os, sys, time\nfrom gluetune.supervisor import report\ndef main():\n{body}\n"
        )
        path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
        running.append(
            subprocess.Popen(
                [sys.executable, "-c", START],
                env=os.environ | {"PYTHONPATH": path},
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        )
        return running[-1]

    yield run
    for process in running:
        process.kill()
        process.communicate()


def ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"


@pytest.mark.parametrize(
    ("line", "code"),
    [("return 0", 0), ("return 2", 2), ("sys.exit(3)", 3), ("sys.exit()", 0), ("raise ValueError('a bug')", 1)],
)
def test_the_commands_own_exit_code_is_kept_and_nothing_is_added(start: Start, line: str, code: int) -> None:
    process = start("print('said')", line)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "said\n")
    assert ("Traceback" in err) == ("ValueError" in line)
    assert "cut off" not in err


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (
            "[2026-11-29 02:16:10,159 E 17451 18052] rpc_client.h:204: Failed to connect to GCS within 60 "
            "seconds. GCS may have been killed. The program will terminate.",
            "control store",
        ),
        ("The actor is dead because its owner has died. Worker exit detail: Owner's node has crashed.", "node"),
        ("all was well", "raylet"),
    ],
)
def test_a_driver_that_ray_ends_is_reported_with_reason_log_and_resume_command(
    start: Start, tmp_path: Path, words: str, named: str
) -> None:
    log = tmp_path / "ray.log"
    log.write_text(f"earlier\n{words}\n")
    process = start(f"report(starting=False, resume={RESUME!r}, log={str(log)!r})", "os._exit(1)")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.startswith("error: ")
    assert named in err.splitlines()[0]
    assert str(log) in err
    assert err.rstrip().endswith(RESUME)


def test_a_failure_that_the_run_survived_long_ago_is_not_blamed(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "ray.log"
    log.write_text("Owner's node has crashed.\n" + "a trial ended\n" * 200)
    process = start(f"report(starting=False, log={str(log)!r})", "os._exit(1)")
    _, err = process.communicate(timeout=60)
    assert "Owner's node has crashed" not in err
    assert "nothing was begun" in err


def test_a_driver_that_the_kernel_kills_is_reported(start: Start) -> None:
    process = start(f"report(starting=False, resume={RESUME!r})", "os.kill(os.getpid(), 9)")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGKILL
    assert "SIGKILL" in err
    assert err.rstrip().endswith(RESUME)


@pytest.mark.parametrize("group", [False, True], ids=["process", "group"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_during_the_start_ends_at_once_even_inside_a_library(
    start: Start, number: signal.Signals, group: bool
) -> None:
    process = start(READY, HELD)
    ready(process)
    began = time.monotonic()
    os.killpg(process.pid, number) if group else process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert time.monotonic() - began < 30  # the library call takes a minute
    assert process.returncode == 130
    assert "nothing was begun" in out
    assert len(out.splitlines()) == 1
    assert not err


def test_a_stop_during_the_start_of_a_resume_says_how_to_resume(start: Start) -> None:
    process = start(f"report(resume={RESUME!r})", READY, HELD)
    ready(process)
    process.terminate()
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out.splitlines()[-1] == RESUME


@pytest.mark.parametrize("group", [False, True], ids=["process", "group"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_later_on_interrupts_the_command_once(start: Start, number: signal.Signals, group: bool) -> None:
    process = start(
        f"report(starting=False, resume={RESUME!r})",
        "try:",
        f"    {READY}",
        "    time.sleep(60)",
        "except KeyboardInterrupt:",
        "    print('tidying')",
        "time.sleep(0.2)",
        "print('tidied')",
        "return 130",
    )
    ready(process)
    os.killpg(process.pid, number) if group else process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "tidied" in out
    assert RESUME in out.splitlines()
    assert not err


def test_a_command_whose_parent_is_killed_ends_too(start: Start) -> None:
    process = start(READY, "time.sleep(60)")
    ready(process)
    (driver,) = psutil.Process(process.pid).children()
    process.kill()
    driver.wait(timeout=10)


def test_signals_that_the_caller_ignores_end_nothing(start: Start) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        process = start(READY, "time.sleep(0.5)", "return 0")
    finally:
        signal.signal(signal.SIGHUP, before)
    ready(process)
    os.killpg(process.pid, signal.SIGHUP)
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_the_parent_imports_nothing_heavy() -> None:
    code = "import sys, gluetune.supervisor; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], timeout=60, capture_output=True, text=True, check=True).stdout
    assert not {"rich", "pydantic", "numpy", "ray", "torch"} & set(loaded.split())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_stop_is_noted_and_a_later_one_raises(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gluetune.supervisor.driver.DUPLICATE_STOP_S", 0.0)
    before = signal.getsignal(number)
    with deferred_stop() as stop:
        assert not stop.requested
        os.kill(os.getpid(), number)
        assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_a_stop_that_comes_twice_counts_once() -> None:
    with deferred_stop() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.requested
