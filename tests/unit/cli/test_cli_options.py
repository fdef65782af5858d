"""A program's own options: values, repeated ones, switches, and programs that read no job file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gluetune.cli.flags import ParsedArguments, parse
from gluetune.cli.program import Option, Program
from gluetune.errors import ConfigError, ConfigIssue


def needs_a_run(arguments: ParsedArguments) -> Iterator[ConfigIssue]:
    if "--run" not in arguments.repeated:
        yield ConfigIssue("--run", "must be given")


OPTIONS = (
    Option("--run", "NAME", "a run", repeated=True),
    Option("--mode", "MODE", "what to do", ("fast", "slow")),
    Option("--fill-missing", "", "fill"),
)
JOBLESS = Program("jobless.py", "Reads no job file.", None, options=OPTIONS, check=needs_a_run)
WITH_JOB = Program("job.py", "Reads a job file.", "must be given", options=OPTIONS)


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
