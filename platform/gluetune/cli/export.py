"""The command line of ``jobs/export_submission.py``: winners to a GLUE submission."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.table import Table

from gluetune.cli.export_flags import ExportArguments, parse
from gluetune.cli.terminal import Terminal
from gluetune.errors import UserError
from gluetune.storage import Storage, folder_and_name

if TYPE_CHECKING:
    from gluetune.submission import Answers

OK, USER_ERROR, INTERRUPTED = 0, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        argv: arguments without the program's name; those of the process by default.

    Returns:
        The exit code: 0 done, 2 a mistake of the user's, 130 interrupted; anything else is a bug, with a traceback.
    """
    terminal = Terminal()
    try:
        _export(parse(sys.argv[1:] if argv is None else argv), terminal)
        return OK
    except UserError as error:
        terminal.error(str(error))
        return USER_ERROR
    except KeyboardInterrupt:
        terminal.note("interrupted")
        return INTERRUPTED


def _export(arguments: ExportArguments, terminal: Terminal) -> None:
    import torch  # slow to import, and a mistake in a flag need not wait for it

    from gluetune.submission import best_winners, export_submission, read_winners
    from gluetune.training import World

    root = Storage(arguments.storage_path)
    winners = best_winners(winner for run in arguments.runs
                           for winner in read_winners(root, run, arguments.overrides))
    world = World(device="cuda" if torch.cuda.is_available() else "cpu")
    answers = export_submission(winners, arguments.output, world, fill_missing=arguments.fill_missing,
                                batch_size=arguments.batch_size, progress=terminal.note)
    _show(answers, arguments.output, terminal)


def _show(answers: list[Answers], output: str, terminal: Terminal) -> None:
    out = terminal.out
    out.print(_table(answers))
    folder, name = folder_and_name(output)
    rows = sum(len(answer.values) for answer in answers)
    out.print(f"{folder.uri(name)}: {len(answers)} files, {rows:,} rows, read back and checked", highlight=False,
              soft_wrap=True)
    constant = [answer.file.name for answer in answers if answer.by is None]
    if constant:
        out.print(f"Constant predictions, by --fill-missing: {', '.join(constant)}.", style="yellow", highlight=False,
                  soft_wrap=True)
    if any(answer.generated for answer in answers):
        out.print("These are predictions for generated data: the zip has the format of a submission and is none. "
                  "Official test rows come by --data-dir FOLDER or --data hub.", style="yellow", highlight=False,
                  soft_wrap=True)


def _table(answers: list[Answers]) -> Table:
    table = Table(box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("file", style="bold", no_wrap=True)
    table.add_column("rows", justify="right", no_wrap=True)
    table.add_column("answered by")
    table.add_column("selection", justify="right", no_wrap=True)
    table.add_column("predictions")
    for answer in answers:
        by, score = ((f"{answer.by.run}/{answer.by.trial}", f"{answer.by.score:.4f}") if answer.by
                     else (f"constant: {answer.constant}", "–"))
        table.add_row(answer.file.name, f"{len(answer.values):,}", by, score, _shares(answer))
    return table


def _shares(answer: Answers) -> str:
    """How often each class is predicted, or the mean number."""
    if answer.file.task.regression:
        return f"mean {fmean(map(float, answer.values)):.3f}"
    counts = Counter(answer.values)
    return ", ".join(f"{spelling} {counts[spelling] / len(answer.values):.0%}" for spelling in answer.file.spellings)
