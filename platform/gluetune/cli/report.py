"""``gluetune report``: the HTML report of a run, or of several side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gluetune.cli.flags import ParsedArguments
from gluetune.cli.options import Option, Program
from gluetune.cli.process import OK, run
from gluetune.cli.terminal import Terminal
from gluetune.config import StorageConfig
from gluetune.errors import ConfigIssue
from gluetune.supervisor import report as report_to_parent

NAME = Option("NAME", "", "the run's name, or its folder by path or URI")
OTHER = Option("OTHER", "", "another run, shown side by side")
STORAGE = Option("--storage-path", "PATH", f"folder or bucket that the runs lie in (default: {StorageConfig().path})")
OUTPUT = Option("--output", "FILE", "the file to write (default: report/index.html in the run's folder)")


def _check(arguments: ParsedArguments) -> Iterator[ConfigIssue]:
    if NAME.name not in arguments.options:
        yield ConfigIssue(NAME.name, f"must be given: {NAME.help}")


PROGRAM = Program(
    "gluetune report",
    "Write the HTML report of a run: winners, all trials by hyperparameter, learning curves, lanes, and what repeats "
    "it, in one file that needs no network. A search that another process runs at this moment is shown as far as it "
    "is. With OTHER, both runs are shown side by side.",
    None,
    options=(OUTPUT, STORAGE),
    positionals=(NAME, OTHER),
    usage="%(prog)s NAME [OTHER] [--output FILE] [--storage-path PATH]",
    epilog="A search writes its own report when it ends. Of two runs, the file is report_NAME_OTHER.html here.",
    check=_check,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``gluetune report``; return the exit code."""
    return run(PROGRAM, _report, argv)


def _report(arguments: ParsedArguments, terminal: Terminal) -> int:
    report_to_parent(starting=False)
    from gluetune.api.report import report

    given = arguments.options
    names = [given[each.name] for each in (NAME, OTHER) if each.name in given]
    path = report(*names, storage_path=given.get(STORAGE.name), output=given.get(OUTPUT.name))
    terminal.out.print(path, markup=False, highlight=False, soft_wrap=True)
    return OK
