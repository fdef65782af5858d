"""Commands and programs of the README and of the documentation do what their pages say: `make test-docs`.

Each page has an empty folder of its own with the sample files and the finished runs that its marks name. Its blocks run
in their order: those of Bash in a shell each, those of Python in one interpreter. All join one Ray cluster.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from gluetune.cli.commands import COMMANDS
from gluetune.cli.flags import parse
from gluetune.cli.tune import finetune_job, tune_job
from gluetune_commands import gluetune_commands
from markdown_pages import DRY_RUN, PARSE, ROOT, RUN, Block, Page, page_names, read_page
from page_files import write_sample
from page_runs import RUNS, copy_runs
from searches import environment_of_cluster
from yaml_blocks import write_file

pytestmark = [pytest.mark.docs, pytest.mark.ray]
BLOCK_TIMEOUT_S = 300
# The interpreter of a page: it reads a block up to a line with one NUL, runs it, and answers with the error, and a NUL.
INTERPRETER = """
import sys, traceback
names = {"__name__": "__main__"}
source = ""
for line in sys.stdin:
    if line != "\\0\\n":
        source += line
        continue
    try:
        exec(compile(source, "block", "exec"), names)
    except BaseException:
        traceback.print_exc(file=sys.stdout)
        print("\\1", end="")
    print("\\0", flush=True)
    source = ""
"""


def run_pages() -> list[Page]:
    pages = [read_page(name) for name in page_names()]
    return [page for page in pages if any(block.language in ("bash", "python") for block in page.blocks)]


PAGES = run_pages()


@pytest.fixture(scope="session")
def commands_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the commands ``gluetune`` and ``python`` of this interpreter and this source."""
    folder = tmp_path_factory.mktemp("commands")
    for name, arguments in (("gluetune", "-m gluetune "), ("python", "")):
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {arguments}"$@"\n')
        script.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def environment(ray_cluster: None, commands_folder: Path) -> dict[str, str]:
    """The environment of blocks: the shared Ray cluster, and gluetune on PATH."""
    return environment_of_cluster() | {
        "PATH": f"{commands_folder}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "platform"),
        "COLUMNS": "120",
        "MPLBACKEND": "agg",
    }


@pytest.fixture(scope="module")
def finished_runs(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the runs that pages name were made."""
    folder = tmp_path_factory.mktemp("finished")
    for name in ("tickets.csv", "test.csv"):
        write_sample(name, folder)
    for name in sorted({name for page in PAGES for name in page.runs}):
        arguments = ["gluetune", "tune", *RUNS[name], "--name", name]
        bash(shlex.join(arguments), folder, environment, f"the finished run {name}")
    return folder


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_works_as_it_is_typed(
    page: Page, environment: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    for name in page.files:
        write_sample(name, tmp_path)
    if page.runs:
        copy_runs(request.getfixturevalue("finished_runs"), tmp_path, page.runs)
    for block in page.blocks:
        if block.language == "yaml":
            write_file(block, tmp_path)
    with closing(Interpreter(tmp_path, environment)) as interpreter:
        for block in page.blocks:
            if block.language == "bash":
                run_bash(block, tmp_path, environment)
            elif block.language == "python" and block.treatment == RUN:
                interpreter.run(block)


def run_bash(block: Block, folder: Path, environment: dict[str, str]) -> None:
    if block.treatment == RUN:
        bash(block.text, folder, environment, block.place)
    for number, arguments in gluetune_commands(block.text):
        place = f"{block.page}:{block.line + number}"
        if block.treatment == DRY_RUN:
            bash(shlex.join(["gluetune", *arguments, "--dry-run"]), folder, environment, place)
        elif block.treatment == PARSE:
            read_job(arguments, folder, place)


def bash(script: str, folder: Path, environment: dict[str, str], place: str) -> None:
    done = subprocess.run(
        ["bash", "-c", f"set -euo pipefail\n{script}"],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BLOCK_TIMEOUT_S,
    )
    assert done.returncode == 0, f"{place}: exit code {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"


def read_job(arguments: list[str], folder: Path, place: str) -> None:
    """Read the job that a command describes, with the page's files, as the command does before it looks at data."""
    name, *flags = arguments[arguments.index("--") + 1 :] if "--" in arguments else arguments
    if name not in ("tune", "finetune"):
        return
    program, _ = COMMANDS[name].load()
    assert program is not None
    parsed = parse(flags, program)
    if parsed.resume is not None or (parsed.config is not None and not (folder / parsed.config).exists()):
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        try:
            (tune_job if name == "tune" else finetune_job)(parsed)
        except Exception as error:
            raise AssertionError(f"{place}: {error}") from error


class Interpreter:
    """A Python process that runs the blocks of a page, with the names that earlier ones have defined."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder, self._environment = folder, environment
        self._process: subprocess.Popen[str] | None = None

    def run(self, block: Block) -> None:
        """Run a block; an exception in it is an error of the test with the block's place."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-c", INTERPRETER],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{block.text}\n\0\n")
        self._process.stdin.flush()
        printed = ""
        for line in self._process.stdout:
            printed += line
            if line.endswith("\0\n"):
                break
        else:
            raise AssertionError(f"{block.place}: the interpreter ended\n{printed[-4000:]}")
        assert not printed.endswith("\1\0\n"), f"{block.place}:\n{printed[-4000:]}"

    def close(self) -> None:
        if self._process is not None:
            self._process.communicate(timeout=60)
