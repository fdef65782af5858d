"""The benchmark command: its flags, and the comparisons that it runs."""

from __future__ import annotations

import importlib.util
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gluetune.api.places import check_lasting
from gluetune.cli.flags import ParsedArguments
from gluetune.cli.options import Option, Program
from gluetune.cli.process import OK, run
from gluetune.cli.terminal import Terminal
from gluetune.errors import BenchmarkError, ConfigIssue, DataError, StorageError, did_you_mean_file
from gluetune.storage.output_file import write_output
from gluetune.supervisor import report

if TYPE_CHECKING:
    from benchmarks.comparison import BenchmarkConfig, Comparison

NUMBERS = tuple(range(1, 13))
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
    "Measure gluetune beside the programs that it replaces: the same work, on this machine, in one run.",
    None,
    options=(
        Option("--only", "NUMBERS", "comparisons in this order, such as 4,1 (default: all of 1 to 12)"),
        Option("--repeat", "N", "repetitions of each contender, interleaved (default: 3)"),
        Option("--json", "FILE", "write everything measured there"),
        Option("--data-dir", "FOLDER", "the official GLUE folder (default: the generated data)"),
        Option(
            "--model-name-or-path",
            "MODEL",
            "encoder beside the synthetic one (default: random weights in MiniLM's shape)",
        ),
        Option("--max-train-samples", "N", "training rows per task (default: 256)"),
        Option("--max-eval-samples", "N", "selection rows per task (default: 256)"),
        Option("--trials", "N", "only the first points of the grid, for a short run (default: all 18)"),
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
    """Run the benchmark command with these arguments (default: those of the process) and return its exit code."""
    return run(PROGRAM, _benchmark, argv)


def _benchmark(arguments: ParsedArguments, terminal: Terminal) -> int:
    given = arguments.options
    check_lasting((flag, given.get(flag)) for flag in ("--scratch", "--json"))
    output = _made(given, "--json", "file", Path.touch)
    numbers = dict.fromkeys(map(int, given["--only"].split(","))) if "--only" in given else NUMBERS
    if importlib.util.find_spec("accelerate") is None:
        raise BenchmarkError("transformers' Trainer must have accelerate; pip install accelerate")
    report(starting=False)  # its programs must be ended with it
    with ExitStack() as stack:
        scratch = _made(given, "--scratch", "folder", _new_folder) or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="gluetune-benchmark-"))
        )
        config = _config(arguments, scratch, terminal)
        _measure(numbers, config, int(given.get("--repeat", "3")), output, terminal)
    return OK


def all_comparisons() -> dict[int, Comparison]:
    """All comparisons, by the number that ``--only`` calls them."""
    from benchmarks import efficiency, grid, overhead, roofline, start, throughput

    modules = (grid, throughput, roofline, overhead, efficiency, start)
    return {comparison.number: comparison for module in modules for comparison in module.COMPARISONS}


def _measure(
    numbers: Iterable[int], config: BenchmarkConfig, repeat: int, output: Path | None, terminal: Terminal
) -> None:
    from benchmarks.comparison import run_comparison
    from benchmarks.report import as_json, host_info, print_outcome

    comparisons, host = all_comparisons(), host_info()
    shown, outcomes = _shown(config, repeat), []
    for name, value in {**host, **shown}.items():
        terminal.out.print(f"{name.replace('_', ' ')}: {value}", highlight=False, soft_wrap=True)
    for number in numbers:
        outcomes.append(run_comparison(comparisons[number], config, repeat))
        print_outcome(outcomes[-1], terminal.out)
        if output is not None:  # after each: a later one that breaks loses nothing
            write_output(output, json.dumps(as_json(outcomes, host, shown), indent=1).encode())


def _config(arguments: ParsedArguments, scratch: Path, terminal: Terminal) -> BenchmarkConfig:
    from benchmarks.comparison import BenchmarkConfig

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
        if (name := flag.removeprefix("--").replace("-", "_")) in {field.name for field in fields(BenchmarkConfig)}
    }
    address = given.get("--address") or os.environ.get("RAY_ADDRESS")
    return BenchmarkConfig(
        scratch, folder, given.get("--model-name-or-path"), address=address, note=terminal.note, **counts
    )


def _shown(config: BenchmarkConfig, repeat: int) -> dict[str, Any]:
    return {
        "data": config.glue_dir or "generated",
        "rows": f"{config.max_train_samples} to train on, {config.max_eval_samples} to select by",
        "larger encoder": config.model or "MiniLM's shape, random weights",
        "repetitions": repeat,
    }


def _made(given: Mapping[str, str], flag: str, kind: str, make: Callable[[Path], Path | None]) -> Path | None:
    """Make a flag's file or folder before anything is measured; return its path, ``None`` without the flag.

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
