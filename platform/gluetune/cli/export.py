"""``gluetune export``: a submission to the GLUE benchmark from the winners of runs, or one model for ONNX Runtime."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.table import Table

from gluetune.api.places import check_lasting
from gluetune.cli.flags import ParsedArguments
from gluetune.cli.onnx_export import INPUT, MODEL, ONNX, onnx_issues, run_onnx
from gluetune.cli.options import Option, Program
from gluetune.cli.process import OK, run
from gluetune.cli.terminal import Terminal
from gluetune.config import Override, StorageConfig
from gluetune.errors import ConfigIssue
from gluetune.storage import Storage, folder_and_name
from gluetune.supervisor import report

if TYPE_CHECKING:
    from gluetune.inference import Answers

_RUNS, _OUTPUT = StorageConfig().path, "submission.zip"
_SPLIT_FILES = ("train_file", "validation_file", "test_file")


def _issues(arguments: ParsedArguments) -> Iterator[ConfigIssue]:
    given = arguments.options
    size, output = given.get("--batch-size"), given.get("--output", _OUTPUT)
    if size is not None and not (size.isdecimal() and int(size) >= 1):
        yield ConfigIssue("--batch-size", f"must be a whole number of at least 1, but got {size!r}")
    if ONNX.name in arguments.switches:
        yield from onnx_issues(arguments)
        return
    for option in (MODEL, INPUT):
        if option.name in given:
            yield ConfigIssue(
                option.name,
                f"goes with {ONNX.name} only, but got {given[option.name]!r}; a submission takes --run NAME",
            )
    if "--run" not in arguments.repeated:
        yield ConfigIssue("--run", f"must name a run with winners, a folder in {given.get('--storage-path', _RUNS)}")
    if not output.endswith(".zip"):
        yield ConfigIssue("--output", f"must be a file that ends in .zip, but got {output!r}")


PROGRAM = Program(
    "gluetune export",
    "Predict GLUE's test rows with the winners of finished runs and write the zip that gluebenchmark.com takes; with "
    "--onnx, write one trained model for ONNX Runtime, and check that it gives the same labels. Works in this process; "
    "no Ray is started.",
    None,
    options=(
        Option("--run", "NAME", "a run with winners; may be repeated", repeated=True),
        Option("--storage-path", "PATH", f"folder or bucket that the runs lie in (default: {_RUNS})"),
        Option("--output", "FILE", f"the file to write (default: {_OUTPUT}; with --onnx: onnx/model.onnx in MODEL)"),
        Option("--data", "SOURCE", "synthetic (generated), hub or dir (default: each run's own source)"),
        Option("--data-dir", "FOLDER", "the official GLUE folder; means --data dir"),
        Option("--batch-size", "N", "rows per batch (default: what each run evaluated with)"),
        Option(
            "--fill-missing",
            "",
            "give constant predictions (train's majority class or mean) for tasks without a winner",
        ),
        ONNX,
        INPUT,
    ),
    positionals=(MODEL,),
    usage="%(prog)s --run NAME [--run NAME …] [flags]\n       %(prog)s MODEL --onnx [--output FILE] [--input FILE]",
    epilog="Where several runs have a winner of a task, the one with the higher selection score answers it. MNLI's "
    "winner answers the diagnostic set (AX) too. The zip is read back and checked.",
    check=_issues,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``gluetune export``; return the exit code."""
    return run(PROGRAM, _export, argv)


def _export(arguments: ParsedArguments, terminal: Terminal) -> int:
    return (run_onnx if ONNX.name in arguments.switches else _submission)(arguments, terminal)


def _submission(arguments: ParsedArguments, terminal: Terminal) -> int:
    import torch  # slow to import: mistakes in flags are reported before

    from gluetune.inference import best_winners, export_submission, of_different_rows, read_winners
    from gluetune.training import DistributedContext

    report(starting=False)
    given, overrides = arguments.options, _overrides(arguments.options)
    root, output = Storage(given.get("--storage-path", _RUNS)), given.get("--output", _OUTPUT)
    check_lasting([("--output", output)])
    found = [
        winner for name in dict.fromkeys(arguments.repeated["--run"]) for winner in read_winners(root, name, overrides)
    ]
    for task, runs in of_different_rows(found).items():
        terminal.note(
            f"{task}: the winners of {', '.join(runs)} were scored on different selection rows, so that "
            "their scores can be compared with care only; the highest one answers"
        )
    winners = best_winners(found)
    distributed = DistributedContext(device="cuda" if torch.cuda.is_available() else "cpu")
    answers = export_submission(
        winners,
        output,
        distributed,
        fill_missing="--fill-missing" in arguments.switches,
        batch_size=int(given["--batch-size"]) if "--batch-size" in given else None,
    )
    _show(answers, output, terminal)
    return OK


def _overrides(given: Mapping[str, str]) -> list[Override]:
    """Return what replaces values of the runs' job files.

    A submission answers the official test files: a run's own single files are left out.
    """
    own = [Override(f"data.{name}", None) for name in _SPLIT_FILES]
    source, folder = given.get("--data"), given.get("--data-dir")
    if source is None and folder is None:
        return own
    chosen = ("dir", "--data-dir") if source is None else (source, "--data")
    return [
        *own,
        Override("data.dataset", None),
        Override("data.source", *chosen),
        Override("data.dir", folder, "--data-dir"),
    ]


def _show(answers: list[Answers], output: str, terminal: Terminal) -> None:
    out = terminal.out
    out.print(_table(answers))
    folder, name = folder_and_name(output)
    rows = sum(len(answer.values) for answer in answers)
    out.print(
        f"{folder.uri(name)}: {len(answers)} files, {rows:,} rows, read back and checked",
        highlight=False,
        soft_wrap=True,
        markup=False,
        emoji=False,
    )
    constant = [answer.file.name for answer in answers if answer.by is None]
    if constant:
        out.print(
            f"Constant predictions, by --fill-missing: {', '.join(constant)}.",
            style="yellow",
            highlight=False,
            soft_wrap=True,
        )
    if any(answer.synthetic for answer in answers):
        out.print(
            "These are predictions for generated data: the zip has the format of a submission and is none. "
            "Official test rows come by --data-dir FOLDER or --data hub.",
            style="yellow",
            highlight=False,
            soft_wrap=True,
        )


def _table(answers: list[Answers]) -> Table:
    table = Table(box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("file", style="bold", no_wrap=True)
    table.add_column("rows", justify="right", no_wrap=True)
    table.add_column("answered by")
    table.add_column("selection", justify="right", no_wrap=True)
    table.add_column("predictions")
    for answer in answers:
        by, score = (
            (f"{answer.by.run}/{answer.by.trial}", f"{answer.by.score:.4f}")
            if answer.by
            else (f"constant: {answer.constant}", "–")
        )
        table.add_row(answer.file.name, f"{len(answer.values):,}", by, score, _shares(answer))
    return table


def _shares(answer: Answers) -> str:
    """How often each class is predicted, or the mean number."""
    if answer.file.task.regression:
        return f"mean {fmean(map(float, answer.values)):.3f}"
    counts = Counter(answer.values)
    return ", ".join(f"{spelling} {counts[spelling] / len(answer.values):.0%}" for spelling in answer.file.spellings)
