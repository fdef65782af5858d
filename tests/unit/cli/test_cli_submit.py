"""``gluetune submit``: mistakes are found before anything is uploaded, and what a job is given."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest
import ray
from aiohttp import web

from gluetune.cli import submit
from gluetune.cli.submit import EXCLUDES, main, runtime_environment
from launcher_files import ROOT


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--address 127.0.0.1:8265 -- tune", ["--address: ", "http://"]),
        ("--working-dir /no/such/folder -- tune", ["--working-dir: ", "/no/such/folder"]),
        ("--working-dir / -- tune", ["--working-dir: ", "project"]),
        ("--env NO_SUCH_VARIABLE --wroking-dir . -- tune", ["NO_SUCH_VARIABLE", "'--working-dir'"]),
        ("-- tnue --tasks cola", ["'tune'"]),
        ("-- ui", ["'ui'"]),
        ("--no-wait", ["got none"]),
        ("-- tune --tasks coal --storage-path /results", ["'coal'", "'cola'"]),
        ("-- tune --num-samples many --storage-path /results", ["--num-samples: ", "'many'"]),
        ("-- tune", ["--storage-path", "absolute", "'runs'"]),
        ("-- tune --storage-path here --tracking-uri sqlite:///m.db", ["--storage-path: ", "--tracking-uri: "]),
        ("-- tune --resume first", ["--storage-path: ", "'runs'"]),
        ("-- tune --config no_such_job.yaml --storage-path /results", ["no_such_job.yaml"]),
        ("-- finetune --config jobs/cola_tutorial.yaml --data synthetic", ["--storage-path", "absolute"]),
        ("-- finetune --tasks cola --storage-path /results", ["--config: "]),
        ("-- pretrain --config jobs/bert_wikitext_d2l.yaml", ["--storage-path", "absolute"]),
        ("-- evaluate --run first", ["--storage-path: ", "'runs'"]),
        ("-- export --run first --storage-path /results", ["--output: ", "'submission.zip'"]),
        ("tune --tasks cola", ["the command must follow --", "'tune'"]),
        ("-- tune --tsks cola --num_sample 3", ["'--tasks'", "'--num-samples'"]),
    ],
)
def test_mistakes_are_found_here(line: str, expected: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 2
    err = capfd.readouterr().err
    assert [part for part in expected if part not in err] == []
    assert "Traceback" not in err


def test_a_cluster_that_does_not_answer_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    address = "http://127.0.0.1:9"
    assert main(["--address", address, "--working-dir", str(tmp_path), "--", *TUNE]) == 2
    assert address in capfd.readouterr().err


def test_a_job_file_that_only_the_cluster_has_is_left_to_the_job(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The submission comes as far as the cluster, which does not answer."""
    own = ["--address", "http://127.0.0.1:9", "--working-dir", str(tmp_path)]
    assert main([*own, "--", "tune", "--config", "/on/the/cluster.yaml"]) == 2
    assert "http://127.0.0.1:9" in capfd.readouterr().err


def test_files_of_an_own_task_must_be_uploaded_or_on_the_cluster(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A file in the working folder is uploaded; one beside it is not, unless its path says where the cluster has it."""
    folder = tmp_path / "project"
    folder.mkdir()
    for file in (folder / "rows.csv", tmp_path / "rows.csv"):
        file.touch()
    stored = ["--storage-path", "/shared/runs", "--text", "a", "--label", "b"]
    submission = ["--address", "http://127.0.0.1:9", "--working-dir", str(folder), "--", "tune", *stored]
    assert main([*submission, "--train", "../rows.csv"]) == 2
    assert "tasks.rows.train: " in capfd.readouterr().err
    for place in ("rows.csv", str(tmp_path / "rows.csv")):
        assert main([*submission, "--train", place]) == 2
        assert "http://127.0.0.1:9" in capfd.readouterr().err


def test_benchmarks_need_a_checkout(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--working-dir", str(tmp_path), "--", "benchmark"]) == 2
    assert "--working-dir: " in capfd.readouterr().err


def test_a_checkout_keeps_its_package_beside_a_path_of_the_users(tmp_path: Path) -> None:
    environment = runtime_environment(ROOT, tmp_path, ["PYTHONPATH=/mine"])
    assert environment["env_vars"]["PYTHONPATH"] == f"platform{os.pathsep}/mine"


def test_a_checkout_brings_its_own_package(tmp_path: Path) -> None:
    environment = runtime_environment(ROOT, tmp_path, ["A=b=c", "HOME"])
    assert "py_modules" not in environment
    assert environment["working_dir"] == str(ROOT)
    assert environment["env_vars"] == {
        "PYTHONPATH": "platform",
        "RAY_JOB_STOP_WAIT_TIME_S": "60",
        "A": "b=c",
        "HOME": os.environ["HOME"],
    }


def uploaded(folder: Path, target: Path) -> None:
    """Unpack what Ray would upload of a package's folder."""
    from ray._private.runtime_env.packaging import create_package

    archive = target.with_suffix(".zip")
    log = logging.getLogger("test")
    create_package(
        str(folder), archive, include_gitignore=True, include_parent_dir=True, excludes=[*EXCLUDES], logger=log
    )
    zipfile.ZipFile(archive).extractall(target)


def test_any_other_folder_gets_the_package_with_job_files_and_search_spaces(tmp_path: Path) -> None:
    """The command of the uploaded package checks the quickstart in an empty folder."""
    for name in ("project", "scratch"):
        (tmp_path / name).mkdir()
    environment = runtime_environment(tmp_path / "project", tmp_path / "scratch")
    assert "PYTHONPATH" not in environment["env_vars"]
    (package,) = environment["py_modules"]
    uploaded(Path(package), tmp_path / "uploaded")
    code = (
        "import gluetune; from gluetune.config import default_job_file, load_job; "
        "print(gluetune.__file__, load_job(default_job_file()).search.space)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "project",
        env=os.environ | {"PYTHONPATH": str(tmp_path / "uploaded")},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    file, space = done.stdout.split()
    assert file.startswith(str(tmp_path / "uploaded"))
    assert space == "compact_bert"


TUNE = ["tune", "--storage-path", "/results"]


class JobsApi:
    """Ray's Jobs API with one job, and no cluster behind it; it serves in a thread.

    Args:
        status: the job's.
        code: the job's exit code.
        lasting: whether the job's output goes on after its first line.
    """

    def __init__(self, status: str, code: int = 0, *, lasting: bool = False) -> None:
        self._details = {"status": status, "driver_exit_code": code, "type": "SUBMISSION", "entrypoint": "x"}
        self._lasting = lasting
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> str:
        """Its address."""
        self._thread.start()
        return asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(60)

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)

    async def _start(self) -> str:
        app = web.Application()
        app.add_routes(
            [
                web.get("/api/version", self._version),
                web.get("/api/packages/{protocol}/{name}", self._package),
                web.post("/api/jobs/", self._submit),
                web.get("/api/jobs/{id}/logs/tail", self._tail),
                web.get("/api/jobs/{id}", self._job),
            ]
        )
        self._runner = web.AppRunner(app, shutdown_timeout=0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _version(self, request: web.Request) -> web.Response:
        return web.json_response({"version": "4", "ray_version": ray.__version__, "ray_commit": ""})

    async def _package(self, request: web.Request) -> web.Response:
        return web.json_response({})

    async def _submit(self, request: web.Request) -> web.Response:
        assert (await request.json())["entrypoint"].startswith("python -m gluetune tune ")
        return web.json_response({"job_id": "job-1", "submission_id": "job-1"})

    async def _tail(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str("a line of the job\n")
        if self._lasting:
            await socket.receive()  # until the command hangs up
        await socket.close()
        return socket

    async def _job(self, request: web.Request) -> web.Response:
        return web.json_response({"submission_id": "job-1", **self._details})


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as the current one; Ray's variable for the API's address is put back afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(submit.ADDRESS_VARIABLE, "")
    return tmp_path


@pytest.mark.parametrize(("status", "code", "expected"), [("SUCCEEDED", 0, 0), ("FAILED", 2, 2), ("STOPPED", 0, 130)])
def test_the_output_is_followed_and_the_exit_code_is_the_jobs(
    status: str, code: int, expected: int, elsewhere: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with JobsApi(status, code) as address:
        assert main(["--address", address, "--", *TUNE]) == expected
    assert "a line of the job" in capfd.readouterr().out


def test_an_output_that_ends_before_the_job_is_no_end_of_the_job(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The exit code is not that of a job that failed, and the message names how to follow the output again."""
    monkeypatch.setattr(submit, "JOB_END_S", 0.5)
    with JobsApi("RUNNING") as address:
        assert main(["--address", address, "--", *TUNE]) == 2
    err = capfd.readouterr().err
    assert "output ended" in err
    assert err.rindex("ray job logs -f job-1") > err.index("output ended")


def test_ctrl_c_ends_the_command_and_names_how_to_stop_the_job(tmp_path: Path) -> None:
    with (
        JobsApi("RUNNING", lasting=True) as address,
        subprocess.Popen(
            [sys.executable, "-m", "gluetune", "submit", "--address", address, "--", *TUNE],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            assert any("a line of the job" in line for line in process.stdout)
            os.killpg(process.pid, signal.SIGINT)
            out, _ = process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode == 130, out
    assert "continues" in out
    assert "ray job stop job-1" in out
