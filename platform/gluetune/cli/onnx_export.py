"""``gluetune export MODEL --onnx``: a trained model as a file for ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from gluetune.cli.flags import ParsedArguments
from gluetune.cli.model_argument import find_model
from gluetune.cli.options import Option
from gluetune.cli.process import OK
from gluetune.cli.terminal import Terminal
from gluetune.config import StorageConfig
from gluetune.errors import ConfigIssue
from gluetune.storage import Storage
from gluetune.supervisor import report

if TYPE_CHECKING:
    from gluetune.inference.onnx_model import OnnxCheck

MODEL = Option("MODEL", "", "with --onnx: a trained model's folder, or RUN/TASK for a run's winner")
ONNX = Option("--onnx", "", "write the model MODEL for ONNX Runtime instead of a submission")
INPUT = Option("--input", "FILE", "with --onnx: rows to check the file with (default: random tokens)")
_PACKAGES = ("onnx", "onnxruntime", "onnxscript")
_FOLDER, _FILE = "onnx", "model.onnx"
_BESIDE = ("--output", "--storage-path", "--batch-size")  # flags of a submission that go with --onnx too


def onnx_issues(arguments: ParsedArguments) -> Iterator[ConfigIssue]:
    """Yield what is wrong with the arguments of ``gluetune export`` where they contain ``--onnx``."""
    given = {*arguments.options, *arguments.repeated, *arguments.switches}
    output = arguments.options.get("--output", _FILE)
    if MODEL.name not in given:
        yield ConfigIssue(ONNX.name, "needs a model: gluetune export MODEL --onnx")
    for name in sorted(given - {MODEL.name, ONNX.name, INPUT.name, *_BESIDE}):
        yield ConfigIssue(name, "must not be given with --onnx, which writes one model")
    if not output.endswith(".onnx"):
        yield ConfigIssue("--output", f"must be a file that ends in .onnx, but got {output!r}")
    elif "://" in output:
        yield ConfigIssue("--output", f"must be a file on this machine, but got {output!r}")
    if missing := [name for name in _PACKAGES if find_spec(name) is None]:
        yield ConfigIssue(
            ONNX.name, f"needs the packages {', '.join(missing)}, which are not installed: pip install 'gluetune[onnx]'"
        )


def run_onnx(arguments: ParsedArguments, terminal: Terminal) -> int:
    """Export the model that the arguments name, and print how the file compares with it; return the exit code.

    Raises:
        UserError: there is no such model, it cannot be exported, or the file does not give its labels.
    """
    from gluetune.data import read_file
    from gluetune.inference import load_classifier, task_of
    from gluetune.inference.onnx_model import export_onnx
    from gluetune.storage.output_file import check_output

    report(starting=False)
    given = arguments.options
    folder = find_model(given[MODEL.name], given.get("--storage-path", StorageConfig().path))
    task = task_of(folder)
    target = Path(given.get("--output", _default_output(folder))).expanduser()
    check_output(target)
    rows = read_file(given[INPUT.name], task, labels=False) if INPUT.name in given else None
    classifier = load_classifier(folder, task, device="cpu", batch_size=int(given.get("--batch-size", 32)))
    terminal.note(f"exporting {folder}, which takes up to a minute …")
    _print(export_onnx(classifier, folder, target, rows), target, terminal)
    return OK


def _default_output(folder: str) -> str:
    storage = Storage(folder)
    return storage.uri(f"{_FOLDER}/{_FILE}") if storage.local else f"{_FOLDER}/{_FILE}"


def _print(check: OnnxCheck, target: Path, terminal: Terminal) -> None:
    def line(text: str) -> None:
        terminal.out.print(text, highlight=False, soft_wrap=True, markup=False, emoji=False)

    line(f"{target}: {check.megabytes:.1f} MB; tokenizer and config.json beside it")
    line(
        f"same labels as torch on {check.rows:,} rows ({check.source}); largest difference of logits "
        f"{check.max_difference:.1e}"
    )
    if check.thresholds is not None:
        from gluetune.reporting import describe_thresholds

        line(f"thresholds, in gluetune.json beside it: {describe_thresholds(check.thresholds)}")
    line(f"ms per row on the CPU: {check.milliseconds:.2f} by ONNX Runtime, {check.torch_milliseconds:.2f} by torch")
