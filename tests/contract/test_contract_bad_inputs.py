"""Bad job files, search spaces and flags: a message names file and line, or the flag, the value and the nearest name.

What each message must show stands beside the input; `messages.golden.txt` has the whole wording.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bad_flags import FLAGS
from bad_job_files import JOB_FILES, NOT_TEXT
from bad_spaces import SPACE_FILES
from gluetune.cli.flags import parse
from gluetune.cli.own_task import with_own_task
from gluetune.cli.tune import TUNE
from gluetune.config import load_job, load_space
from gluetune.errors import ConfigError
from messages import Line, assert_golden, assert_shows

GOLDEN = Path(__file__).with_name("messages.golden.txt")
SPACES = {
    "compact_bert": "space: {learning_rate: [1e-4, 3e-5], batch_size: [16, 32]}\ntraining: {num_train_epochs: 4}\n",
    "wide": "space: {learning_rate: {type: float, low: 1e-6, high: 1e-3, log: true}}\n",
    "named": "space: {lr_scheduler_type: [linear, cosine]}\n",
    "one_epoch": "space: {learning_rate: [1e-4, 3e-5]}\ntraining: {num_train_epochs: 1}\n",
    "broken": "space: {learning_rate: [0]}\n",
    "two": "space: {model: [a, b], learning_rate: [1e-4]}\n",
}
JOB = "search: {space: compact_bert, scheduler: asha}\ntasks: [cola]\ndata: {source: synthetic}\n"
UNREADABLE = [("none.yaml", [Line("none.yaml")]), ("search_spaces", [Line("search_spaces")])]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "search_spaces").mkdir()
    (tmp_path / "glue" / "SST-2").mkdir(parents=True)
    (tmp_path / "tickets.csv").touch()
    for name, text in SPACES.items():
        (tmp_path / "search_spaces" / f"{name}.yaml").write_text(text)
    return tmp_path


def message(load: Callable[[], object]) -> str:
    with pytest.raises(ConfigError) as caught:
        load()
    return str(caught.value)


def of_job_file(text: str | bytes) -> str:
    Path("job.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return message(lambda: load_job("job.yaml"))


def of_space(text: str) -> str:
    Path("my.yaml").write_text(text)
    return message(lambda: load_space("my.yaml"))


def of_flags(line: str) -> str:
    """The message about a command line whose job file has no mistake."""

    def load() -> object:
        arguments = with_own_task(parse(shlex.split(line), TUNE))
        return load_job(arguments.config or "job.yaml", arguments.overrides)

    Path("job.yaml").write_text(JOB)
    return message(load)


@pytest.mark.parametrize(("text", "lines"), JOB_FILES, ids=[text for text, _ in JOB_FILES])
def test_job_file(text: str, lines: list[Line]) -> None:
    assert_shows(of_job_file(text), lines)


@pytest.mark.parametrize(("content", "lines"), NOT_TEXT)
def test_job_file_that_is_not_utf8_text(content: bytes, lines: list[Line]) -> None:
    assert_shows(of_job_file(content), lines)


@pytest.mark.parametrize(("path", "lines"), UNREADABLE)
def test_job_file_that_cannot_be_read(path: str, lines: list[Line]) -> None:
    assert_shows(message(lambda: load_job(path)), lines)


@pytest.mark.parametrize(("text", "lines"), SPACE_FILES, ids=[text for text, _ in SPACE_FILES])
def test_space_file(text: str, lines: list[Line]) -> None:
    assert_shows(of_space(text), lines)


@pytest.mark.parametrize(("line", "lines"), FLAGS, ids=[line for line, _ in FLAGS])
def test_flags(line: str, lines: list[Line]) -> None:
    assert_shows(of_flags(line), lines)


def wordings() -> Iterator[tuple[str, str]]:
    """Every input above with its whole message."""
    yield from ((f"job.yaml\n{text}", of_job_file(text)) for text, _ in JOB_FILES)
    yield from ((f"job.yaml\n{content!r}", of_job_file(content)) for content, _ in NOT_TEXT)
    yield from ((f"--config {path}", message(lambda path=path: load_job(path))) for path, _ in UNREADABLE)  # type: ignore[misc]
    yield from ((f"my.yaml\n{text}", of_space(text)) for text, _ in SPACE_FILES)
    yield from ((f"tune_glue.py {line}", of_flags(line)) for line, _ in FLAGS)


def test_the_wording_of_all_messages(pytestconfig: pytest.Config) -> None:
    assert_golden(dict(wordings()), GOLDEN, update=pytestconfig.getoption("update_messages"))
