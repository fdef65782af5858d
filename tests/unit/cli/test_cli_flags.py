"""Flags: what they stand for."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

import gluetune
from gluetune.cli import flags
from gluetune.cli.flag_table import Flag
from gluetune.cli.flags import ParsedArguments
from gluetune.cli.main import TUNE
from gluetune.config import JobConfig, Override
from gluetune.errors import ConfigError

ALL = TUNE.table


def parse(argv: list[str]) -> ParsedArguments:
    return flags.parse(argv, TUNE)


def test_no_flags_are_the_defaults() -> None:
    arguments = parse([])
    assert (arguments.config, arguments.resume, arguments.address, arguments.dry_run) == (None, None, None, False)
    assert arguments.overrides == ()


@pytest.mark.parametrize("flag", ALL, ids=lambda flag: flag.name)
def test_every_flag_stands_for_a_key_of_the_job_file(flag: Flag) -> None:
    model: type[BaseModel] = JobConfig
    *sections, key = flag.path.split(".")
    for section in sections:
        model = model.model_fields[section].annotation  # type: ignore[assignment]
    assert key in model.model_fields


def test_values_are_read_as_yaml_and_names_as_text() -> None:
    arguments = parse(
        [
            "--num-samples",
            "8",
            "--name",
            "8",
            "--cpus-per-worker=auto",
            "--time-budget-s",
            "1e3",
            "--num-samples",
            "null",
        ]
    )
    assert arguments.overrides == (
        Override("search.num_samples", 8, "--num-samples"),
        Override("name", "8", "--name"),
        Override("lanes.cpus_per_worker", "auto", "--cpus-per-worker"),
        Override("search.time_budget_s", 1000.0, "--time-budget-s"),
        Override("search.num_samples", None, "--num-samples"),
    )


def test_set_takes_any_key_and_any_yaml() -> None:
    arguments = parse(["--set", "training.learning_rate=5e-5", "--set=tasks={cola: 2}", "--set", "model.revision=a=b"])
    assert arguments.overrides == (
        Override("training.learning_rate", 5e-5),
        Override("tasks", {"cola": 2}),
        Override("model.revision", "a=b"),
    )


@pytest.mark.parametrize("spelling", ["--model-name-or-path", "--model_name_or_path"])
def test_underscores_are_hyphens_as_in_hugging_face_scripts(spelling: str) -> None:
    assert parse([spelling, "some_folder"]).overrides == (
        Override("model.name_or_path", "some_folder", "--model-name-or-path"),
    )


def test_search_space_is_another_name_of_space() -> None:
    assert parse(["--search-space=wide"]).overrides == parse(["--space", "wide"]).overrides


def test_flags_are_not_abbreviated() -> None:
    with pytest.raises(ConfigError, match="--task: no such flag; nearest: '--tasks'"):
        parse(["--task", "cola"])


def test_all_unknown_flags_are_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse(["--tsks", "cola", "--batch_size", "8", "--sed=1", "stray"])
    assert str(caught.value) == (
        "--tsks: no such flag; nearest: '--tasks'\n"
        "--batch-size: no such flag; use --set training.batch_size=VALUE\n"
        "--sed: no such flag; nearest: '--seed'\n"
        "flags must start with --, but got 'stray'"
    )


def test_what_may_change_on_resume() -> None:
    arguments = parse(
        [
            "--resume",
            "first",
            "--address",
            "auto",
            "--storage-path",
            "elsewhere",
            "--time-budget-s",
            "60",
            "--tracking-uri",
            "http://localhost:5000",
            "--max-concurrent-trials",
            "4",
            "--dry-run",
            "--set",
            "search.time_budget_s=90",
        ]
    )
    assert (arguments.resume, arguments.address, arguments.dry_run) == ("first", "auto", True)
    assert len(arguments.overrides) == 5


@pytest.mark.parametrize("argv", [["--help"], ["-h"]])
def test_help_shows_every_flag(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(argv)
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert [flag.name for flag in ALL if flag.name not in shown] == []
    assert [title for title in TUNE.flags if f"{title}:" not in shown] == []


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"gluetune {gluetune.__version__}\n"
