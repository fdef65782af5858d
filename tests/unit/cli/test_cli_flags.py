"""Parsing of flags: keys of the job file, options of a command's own, switches, and commands without a job file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel

import gluetune
from gluetune.cli.flags import ParsedArguments, parse
from gluetune.cli.options import Flag, Option, Program
from gluetune.cli.tune import TUNE
from gluetune.config import JobConfig, Override
from gluetune.errors import ConfigError, ConfigIssue

ALL = TUNE.table


def parse_tune(argv: list[str]) -> ParsedArguments:
    return parse(argv, TUNE)


def test_no_flags_are_the_defaults() -> None:
    arguments = parse_tune([])
    assert (arguments.config, arguments.resume, arguments.address, arguments.dry_run) == (None, None, None, False)
    assert arguments.overrides == ()


@pytest.mark.parametrize("flag", ALL, ids=lambda flag: flag.name)
def test_every_flag_stands_for_a_key_of_the_job_file(flag: Flag) -> None:
    model: type[BaseModel] = JobConfig
    *sections, key = flag.path.split(".")
    for section in sections:
        annotation: Any = model.model_fields[section].annotation
        model = next(iter(get_args(annotation)), annotation)  # of a section that may be null, the section
    assert key in model.model_fields


def test_values_are_read_as_yaml_and_names_as_text() -> None:
    arguments = parse_tune(
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
    arguments = parse_tune(
        ["--set", "training.learning_rate=5e-5", "--set=tasks={cola: 2}", "--set", "model.revision=a=b"]
    )
    assert arguments.overrides == (
        Override("training.learning_rate", 5e-5),
        Override("tasks", {"cola": 2}),
        Override("model.revision", "a=b"),
    )


@pytest.mark.parametrize("spelling", ["--model-name-or-path", "--model_name_or_path"])
def test_underscores_are_hyphens_as_in_hugging_face_scripts(spelling: str) -> None:
    assert parse_tune([spelling, "some_folder"]).overrides == (
        Override("model.name_or_path", "some_folder", "--model-name-or-path"),
    )


def test_search_space_is_another_name_of_space() -> None:
    assert parse_tune(["--search-space=wide"]).overrides == parse_tune(["--space", "wide"]).overrides


def test_flags_are_not_abbreviated() -> None:
    with pytest.raises(ConfigError, match="--task: no such flag; nearest: '--tasks'"):
        parse_tune(["--task", "cola"])


def test_all_unknown_flags_are_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_tune(["--tsks", "cola", "--batch_size", "8", "--sed=1", "stray"])
    assert str(caught.value) == (
        "--tsks: no such flag; nearest: '--tasks'\n"
        "--batch-size: no such flag; use --set training.batch_size=VALUE\n"
        "--sed: no such flag; nearest: '--seed'\n"
        "flags must start with --, but got 'stray'"
    )


def test_what_may_change_on_resume() -> None:
    arguments = parse_tune(
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
        parse_tune(argv)
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert [flag.name for flag in ALL if flag.name not in shown] == []
    assert [title for title in TUNE.flags if f"{title}:" not in shown] == []


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse_tune(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"gluetune {gluetune.__version__}\n"


def needs_a_run(arguments: ParsedArguments) -> Iterator[ConfigIssue]:
    if "--run" not in arguments.repeated:
        yield ConfigIssue("--run", "must be given")


OPTIONS = (
    Option("--run", "NAME", "a run", repeated=True),
    Option("--mode", "MODE", "what to do", ("fast", "slow")),
    Option("--fill-missing", "", "fill"),
)
JOBLESS = Program("jobless.py", "Reads no job file.", None, options=OPTIONS, check=needs_a_run)
WITH_JOB = Program("job.py", "Reads a job file.", "job file (must be given)", options=OPTIONS)


@pytest.mark.parametrize("program", [JOBLESS, WITH_JOB], ids=["jobless", "with_job"])
def test_options_are_kept_by_kind(program: Program) -> None:
    arguments = parse(["--run", "b", "--mode=fast", "--fill_missing", "--run=a", "--mode", "slow"], program)
    assert arguments.repeated == {"--run": ("b", "a")}
    assert arguments.options == {"--mode": "slow"}
    assert arguments.switches == {"--fill-missing"}


@pytest.mark.parametrize("program", [JOBLESS, WITH_JOB], ids=["jobless", "with_job"])
def test_options_not_given_are_not_there(program: Program) -> None:
    arguments = parse(["--run", "a"], program)
    assert (arguments.options, arguments.switches) == ({}, frozenset())


@pytest.mark.parametrize(
    "argv", [["--config", "job.yaml"], ["--resume", "a"], ["--set", "seed=1"], ["--dry-run"], ["--address", "auto"]]
)
def test_a_program_without_a_job_file_has_no_flags_for_one(argv: list[str]) -> None:
    with pytest.raises(ConfigError, match=f"^{argv[0]}: no such flag"):
        parse(["--run", "a", *argv], JOBLESS)
    parse(argv, WITH_JOB)


def test_a_program_without_a_job_file_names_no_key_of_one() -> None:
    with pytest.raises(ConfigError, match="--weight-decay: no such flag; --help lists them"):
        parse(["--run", "a", "--weight-decay", "0"], JOBLESS)
    with pytest.raises(ConfigError, match=r"use --set training\.weight_decay=VALUE"):
        parse(["--weight-decay", "0"], WITH_JOB)


def test_what_the_programs_check_finds_is_reported_with_the_rest() -> None:
    with pytest.raises(ConfigError) as caught:
        parse(["--rum", "a", "--mode", "fats"], JOBLESS)
    assert str(caught.value) == (
        "--rum: no such flag; nearest: '--run'\n"
        "--mode: must be one of fast, slow, but got 'fats'; nearest: 'fast'\n"
        "--run: must be given"
    )
