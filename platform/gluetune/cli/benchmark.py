"""``gluetune benchmark``: runs the comparisons of the ``benchmarks/`` folder, which the wheel leaves out."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]  # where platform/gluetune/cli/benchmark.py is in a checkout
USAGE = 2  # exit code of a command that cannot run as it was given


def main(argv: Sequence[str] | None = None, *, checkout: Path = CHECKOUT) -> int:
    """Run the comparisons.

    Args:
        argv: the arguments; ``None`` for those of this process.
        checkout: the folder that holds ``benchmarks/``.

    Returns:
        The exit code; 2 where gluetune was installed without its repository.
    """
    if not (checkout / "benchmarks" / "cli.py").is_file():
        print(
            f"error: the comparisons must be run from a checkout of gluetune's repository, but {checkout} holds no "
            "benchmarks/ folder: clone the repository, and run `gluetune benchmark` in it",
            file=sys.stderr,
        )
        return USAGE
    make_importable(str(checkout))
    from benchmarks.cli import main as run_benchmarks

    return run_benchmarks(argv)


def make_importable(folder: str) -> None:
    """Have this process, the programs that it starts and the Ray workers of these import from a folder first."""
    sys.path[:] = [folder, *(path for path in sys.path if path != folder)]
    inherited = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path not in ("", folder)]
    os.environ["PYTHONPATH"] = os.pathsep.join([folder, *inherited])
