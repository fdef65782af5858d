"""The command as a user types it, where it goes wrong before anything starts."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from gluetune.api.session import Session, new_session, resumed_session
from gluetune.cli.flags import parse
from gluetune.cli.process import run as run_program
from gluetune.cli.terminal import Terminal
from gluetune.cli.tune import TUNE, open_session, tune_main
from gluetune.config import load_job
from gluetune.config.overrides import Override
from gluetune.errors import StorageError
from gluetune.supervisor import INTERRUPTED, report
from searches import run_here


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tasks", "colla"], "nearest: 'cola'"),
        (["--num-sample", "3"], "nearest: '--num-samples'"),
        (["--resume", "nothing"], "no run 'nothing' to resume"),
        (["--data", "dir", "--data-dir", "/nowhere"], "must be an existing folder, but got '/nowhere'"),
        (["--tracking-uri", "htp://host"], "nearest: 'http'"),
        (["--set", "training.learning_rate=fast", "--set", "search.algoritm=tpe"], "nearest: 'algorithm'"),
    ],
)
def test_a_mistake_is_one_message_and_starts_nothing(arguments: list[str], message: str, tmp_path: Path) -> None:
    said = run_here(*arguments, "--storage-path", tmp_path / "runs", code=2)
    assert said.startswith("error: ")
    assert message in said
    assert "Traceback" not in said
    assert not list(tmp_path.rglob("*.yaml"))


def test_several_mistakes_are_reported_at_once() -> None:
    said = run_here("--tasks", "colla", "--algorithm", "bayes", "--set", "training.seed=-1", code=2)
    assert all(flag in said for flag in ("--tasks", "--algorithm", "--set training.seed"))


def test_help_and_version_are_no_mistakes(capfd: pytest.CaptureFixture[str]) -> None:
    for flag in ("--help", "--version"):
        with pytest.raises(SystemExit) as stopped:
            tune_main([flag])
        assert stopped.value.code == 0


def opened(*arguments: str) -> Session:
    with closing(Terminal()) as terminal:
        return open_session(parse(arguments, TUNE), terminal)


def job_in(folder: Path, name: str) -> list[Override]:
    return [Override("storage.path", str(folder)), Override("name", name)]


def test_a_search_has_one_driver_at_a_time(tmp_path: Path) -> None:
    session = new_session(load_job(None, job_in(tmp_path, "one")), None)
    with pytest.raises(StorageError, match="run by one driver at a time"):
        new_session(load_job(None, job_in(tmp_path, "one")), None)
    assert session.name == "one"


def test_a_search_without_a_name_is_called_after_its_job_file_and_the_time(tmp_path: Path) -> None:
    session = opened("--storage-path", str(tmp_path))
    assert session.name.startswith("quickstart-20")
    assert session.job.tracking.experiment == "quickstart"


def test_a_search_that_flags_make_is_not_called_the_quickstart(tmp_path: Path) -> None:
    session = opened("--storage-path", str(tmp_path), "--data-dir", str(tmp_path), "--algorithm", "grid")
    assert session.name.startswith("tune-20")
    assert (session.job.data.source, session.job.search.num_samples) == ("dir", None)


def test_what_can_be_resumed_is_named(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "job.yaml").write_text("{}")
    with pytest.raises(StorageError, match="there are: real"):
        resumed_session("reel", str(tmp_path), [])


@pytest.mark.parametrize("resume", [None, "python jobs/tune_glue.py --resume mine"])
def test_an_interrupted_command_says_how_to_go_on_or_that_nothing_was_begun(
    resume: str | None, capfd: pytest.CaptureFixture[str]
) -> None:
    def act(arguments: object, terminal: object) -> int:
        if resume:
            report(resume=resume)
        raise KeyboardInterrupt

    assert run_program(TUNE, act, []) == INTERRUPTED
    said = capfd.readouterr().out
    assert (resume or "nothing was begun") in said
