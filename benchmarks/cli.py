"""``jobs/benchmark.py``: speed and memory, side by side with what people run today."""

from __future__ import annotations

import importlib.util
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gluetune.cli.flags import ParsedArguments
from gluetune.cli.main import OK, run
from gluetune.cli.program import Option, Program
from gluetune.cli.submitted import check_lasting
from gluetune.cli.terminal import Terminal
from gluetune.errors import BenchmarkError, ConfigIssue, DataError, StorageError, did_you_mean_file
from gluetune.storage.output_file import write_output
from gluetune.supervisor import report

if TYPE_CHECKING:
    from benchmarks.setting import Setting

NUMBERS = tuple(range(1, 12))
_LEAST = {"--repeat": 1, "--max-train-samples": 32, "--max-eval-samples": 8, "--trials": 1}


def _issues(arguments: ParsedArguments) -> Iterator[ConfigIssue]:
    given = arguments.options
    for name, least in _LEAST.items():
        value = given.get(name)
        if value is not None and not (value.isdecimal() and int(value) >= least):
            yield ConfigIssue(name, f"must be a whole number of at least {least}, but got {value!r}")
    only = given.get("--only", "1").split(",")
    if not all(number.strip().isdecimal() and int(number) in NUMBERS for number in only):
        yield ConfigIssue(
            "--only",
            f"must name comparisons from {NUMBERS[0]} to {NUMBERS[-1]}, such as 1,4, but got {given['--only']!r}",
        )


PROGRAM = Program(
    "gluetune benchmark",
    "Measure gluetune beside what people run today: the same work, on this machine, in one run.",
    None,
    options=(
        Option("--only", "NUMBERS", "comparisons, such as 1,4 (default: all of 1 to 11)"),
        Option("--repeat", "N", "repetitions of each side, interleaved (default: 3)"),
        Option("--json", "FILE", "write everything measured there"),
        Option("--data-dir", "FOLDER", "the official GLUE folder (default: the generated data)"),
        Option(
            "--model-name-or-path",
            "MODEL",
            "encoder beside the synthetic one (default: random weights in MiniLM's shape)",
        ),
        Option("--max-train-samples", "N", "training rows per task (default: 256)"),
        Option("--max-eval-samples", "N", "selection rows per task (default: 256)"),
        Option("--trials", "N", "only the first points of the grid, for a quick look (default: all 18)"),
        Option("--address", "ADDRESS", "Ray cluster (default: that of RAY_ADDRESS, as in jobs, else local ones)"),
        Option(
            "--scratch",
            "FOLDER",
            "where runs and logs go, and stay; on several nodes one that all of them reach "
            "(default: a temporary folder)",
        ),
    ),
    usage="%(prog)s [--only NUMBERS] [--repeat N] [flags]",
    epilog="Figures are ratios of one run on one machine; an otherwise idle machine gives steady ones. The comparisons "
    "with run_glue and Trainer need accelerate (pip install accelerate).",
    check=_issues,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``jobs/benchmark.py``; see `gluetune.cli.main.run`."""
    return run(PROGRAM, _benchmark, argv)


def _benchmark(arguments: ParsedArguments, terminal: Terminal) -> int:
    given = arguments.options
    check_lasting((flag, given.get(flag)) for flag in ("--scratch", "--json"))
    target = _made(given, "--json", "file", Path.touch)
    numbers = sorted({int(number) for number in given["--only"].split(",")}) if "--only" in given else NUMBERS
    if importlib.util.find_spec("accelerate") is None:
        raise BenchmarkError("transformers' Trainer must have accelerate; pip install accelerate")
    report(starting=False)  # its programs must be ended with it
    with ExitStack() as stack:
        scratch = _made(given, "--scratch", "folder", _new_folder) or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="gluetune-benchmark-"))
        )
        setting = _setting(arguments, scratch, terminal)
        _measure(numbers, setting, int(given.get("--repeat", "3")), target, terminal)
    return OK


def _measure(numbers: Sequence[int], setting: Setting, repeat: int, target: Path | None, terminal: Terminal) -> None:
    from benchmarks.machine import machine
    from benchmarks.measured import measure
    from benchmarks.registry import COMPARISONS
    from benchmarks.show import as_json, show

    facts, shown, outcomes = machine(), _shown(setting, repeat), []
    for name, value in {**facts, **shown}.items():
        terminal.out.print(f"{name.replace('_', ' ')}: {value}", highlight=False, soft_wrap=True)
    for number in numbers:
        outcomes.append(measure(COMPARISONS[number], setting, repeat))
        show(outcomes[-1], terminal.out)
        if target is not None:  # after each: a later one that breaks loses nothing
            write_output(target, json.dumps(as_json(outcomes, facts, shown), indent=1).encode())


def _setting(arguments: ParsedArguments, scratch: Path, terminal: Terminal) -> Setting:
    from benchmarks.setting import Setting

    given = arguments.options
    folder = given.get("--data-dir")
    if folder is not None and not Path(folder).is_dir():
        raise DataError(
            f"--data-dir must be the official GLUE folder, but {folder} is no folder{did_you_mean_file(Path(folder))}"
        )
    counts = {
        name: int(given[flag])
        for flag in _LEAST
        if flag in given
        if (name := flag.removeprefix("--").replace("-", "_")) in {field.name for field in fields(Setting)}
    }
    address = given.get("--address") or os.environ.get("RAY_ADDRESS")
    return Setting(scratch, folder, given.get("--model-name-or-path"), address=address, note=terminal.note, **counts)


def _shown(setting: Setting, repeat: int) -> dict[str, Any]:
    return {
        "data": setting.glue_dir or "generated",
        "rows": f"{setting.max_train_samples} to train on, {setting.max_eval_samples} to select by",
        "larger encoder": setting.model or "MiniLM's shape, random weights",
        "repetitions": repeat,
    }


def _made(given: Mapping[str, str], flag: str, kind: str, make: Callable[[Path], Path | None]) -> Path | None:
    """What a flag's path is made into, before hours are spent; ``None`` without the flag.

    Raises:
        StorageError: it cannot be made.
    """
    if flag not in given:
        return None
    path = Path(given[flag])
    try:
        return make(path) or path
    except OSError as error:
        raise StorageError(
            f"{flag} must be a {kind} that can be written, but {path} is not: {error.strerror}"
        ) from error


def _new_folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="benchmark-", dir=path.resolve()))
