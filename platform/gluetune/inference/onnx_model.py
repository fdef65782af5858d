"""A trained model as a file for ONNX Runtime, checked against torch on rows of text."""

from __future__ import annotations

import logging
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from gluetune.data import EncodedRows, Examples, encode_rows
from gluetune.errors import ModelError
from gluetune.inference.classifier import Classifier
from gluetune.inference.model_folder import SETTINGS_FILE, local_model_folder, read_text_settings
from gluetune.inference.predictions import as_examples
from gluetune.models import check_token_ids
from gluetune.storage import Storage
from gluetune.storage.output_file import write_output
from gluetune.tasks.outputs import predicted_classes
from gluetune.training import predict_logits

MAX_DIFFERENCE = 1e-3
"""Largest difference of logits from torch's that is accepted: rounding of fp32 stays below it in deep encoders too."""

_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_BESIDE = ("config.json", SETTINGS_FILE)  # files of the model's folder that its ONNX file is used with
_ONE_FILE_BYTES = 1_500_000_000  # larger models keep their weights in a second file: protobuf ends at 2 GB
_SAMPLE_ROWS, _SEED = 64, 0


@dataclass(frozen=True)
class OnnxCheck:
    """How an ONNX file compares with the model that it was made from, on the same rows.

    Attributes:
        rows: number of rows.
        source: where they come from, in words.
        max_difference: largest absolute difference of a logit.
        milliseconds: per row by ONNX Runtime.
        torch_milliseconds: per row by torch, in the same batches with the same number of threads.
        megabytes: size of the file, or of both.
        thresholds: probability above which a class is predicted, by class, as ``gluetune.json`` beside the file has
            them; ``None`` for 0.5.
    """

    rows: int
    source: str
    max_difference: float
    milliseconds: float
    torch_milliseconds: float
    megabytes: float
    thresholds: dict[str, float] | None = None


def export_onnx(classifier: Classifier, folder: str, target: Path, examples: Examples | None = None) -> OnnxCheck:
    """Export a trained model by torch's exporter, check the file with ONNX Runtime, and put the tokenizer beside it.

    The file's inputs are those of the tokenizer, [rows, tokens] int64 of any size, and its output is ``logits``,
    [rows, labels] fp32. Decision thresholds are in ``gluetune.json`` beside it; the check applies them to the file's
    logits, and compares the labels with those that the classifier predicts. Nothing is left where the check fails.

    Args:
        classifier: the model, on the CPU, and its tokenizer.
        folder: the model's folder, whose configuration is copied beside the file.
        target: the file to write; its folder is created.
        examples: the rows to check with; ``None`` for rows of random tokens of the tokenizer.

    Raises:
        ModelError: the tokenizer does not fit the model, the model cannot be exported, or the file does not give
            torch's labels and logits.
        StorageError: the file cannot be written.
    """
    examples = sample_rows(classifier) if examples is None else examples
    config = classifier.config
    rows = encode_rows(examples, classifier.task, classifier.tokenizer, config.max_seq_length, config.truncation)
    check_token_ids(classifier.model, [rows], classifier.tokenizer, folder)
    with tempfile.TemporaryDirectory() as made:
        file = Path(made) / target.name
        _export(classifier, rows, file)
        classifier.tokenizer.save_pretrained(made)
        with local_model_folder(folder) as local:
            for name in _BESIDE:
                if (local / name).exists():
                    (Path(made) / name).write_bytes((local / name).read_bytes())
        check = _check(classifier, rows, file, examples.source)
        for path in sorted(Path(made).iterdir()):
            write_output(target.parent / path.name, path.read_bytes())
    return check


def sample_rows(classifier: Classifier) -> Examples:
    """Return rows of random tokens, of one token up to as many as the model takes.

    Args:
        classifier: its tokenizer gives the tokens, its task the number of texts in a row.
    """
    tokenizer, random = classifier.tokenizer, np.random.default_rng(_SEED)
    known = sorted(set(range(len(tokenizer))) - set(tokenizer.all_special_ids))
    columns = len(classifier.task.columns)
    longest = max(1, classifier.config.max_seq_length // columns)

    def text(tokens: int) -> str:
        decoded = tokenizer.decode(random.choice(known, tokens).tolist())
        return decoded if isinstance(decoded, str) else " ".join(decoded)

    lengths = np.geomspace(1, longest, _SAMPLE_ROWS).astype(int)
    examples = as_examples([[text(int(length)) for _ in range(columns)] for length in lengths], classifier.task)
    return replace(examples, source="random tokens")


class _Logits(nn.Module):
    """A classifier that takes its inputs by position and returns logits alone."""

    def __init__(self, model: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(**dict(zip(self.names, inputs, strict=True))).logits
        return logits


def _export(classifier: Classifier, rows: EncodedRows, file: Path) -> None:
    """Write the file.

    Raises:
        ModelError: torch's exporter cannot convert the model.
    """
    model = classifier.model.eval()
    order = np.argsort(-rows.lengths, kind="stable")
    inputs = _arrays(rows, np.resize(order[: 2 if len(order) > 1 else 1], 2))  # two rows: one would fix the size
    parameters = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    try:
        with _silent(), torch.no_grad():
            torch.onnx.export(
                _Logits(model, tuple(inputs)),
                tuple(torch.from_numpy(array) for array in inputs.values()),
                file,
                dynamo=True,
                input_names=list(inputs),
                output_names=["logits"],
                dynamic_shapes=(tuple({0: "rows", 1: "tokens"} for _ in inputs),),
                external_data=parameters > _ONE_FILE_BYTES,
                verbose=False,
            )
    except Exception as error:  # torch.export and the conversion raise various exceptions
        raise ModelError(
            f"{type(classifier.model).__name__} must be convertible to ONNX, but torch's exporter fails: "
            f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
        ) from error


def _check(classifier: Classifier, rows: EncodedRows, file: Path, source: str) -> OnnxCheck:
    """Compare the file's labels, by the settings beside it, its logits and its time with the model's.

    Raises:
        ModelError: labels or logits differ.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = torch.get_num_threads(), 3
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    size, model = classifier.batch_size, classifier.model
    batches = np.array_split(np.argsort(-rows.lengths, kind="stable"), max(1, -(-len(rows) // size)))
    logits = np.zeros((len(rows), classifier.task.num_labels), np.float32)

    def run_all() -> None:
        for batch in batches:
            logits[batch] = session.run(["logits"], _arrays(rows, batch))[0]

    seconds = _seconds(run_all)
    expected = predict_logits(model, rows, size)

    def torch_all() -> None:
        with torch.inference_mode():
            for batch in batches:
                model(**{name: torch.from_numpy(array) for name, array in _arrays(rows, batch).items()})

    torch_seconds = _seconds(torch_all)
    difference = float(np.abs(logits - expected).max(initial=0.0))
    settings = read_text_settings(Storage(str(file.parent)))
    thresholds = None if settings is None else settings.thresholds_of(classifier.task)
    changed = _changed(classifier, logits, expected, thresholds)
    if changed or not difference <= MAX_DIFFERENCE:
        raise ModelError(
            f"the ONNX file must give the labels of {type(model).__name__} and its logits to within "
            f"{MAX_DIFFERENCE:g}, but on {len(rows)} rows of {source} {changed} labels differ and logits by up to "
            f"{difference:.2g}"
        )
    size_mb = sum(path.stat().st_size for path in file.parent.glob(f"{file.name}*")) / 1e6
    milliseconds, torch_milliseconds = (1e3 * total / max(1, len(rows)) for total in (seconds, torch_seconds))
    stored = None if settings is None or thresholds is None else settings.thresholds
    return OnnxCheck(len(rows), source, difference, milliseconds, torch_milliseconds, size_mb, stored)


def _changed(
    classifier: Classifier,
    logits: NDArray[np.float32],
    expected: NDArray[np.float32],
    thresholds: NDArray[np.float64] | None,
) -> int:
    """Return the number of rows whose labels differ; 0 for a regression, whose numbers the logits are.

    Args:
        classifier: the model, with its own thresholds.
        logits: [rows, labels] of the file.
        expected: [rows, labels] of torch.
        thresholds: [labels] those that the file is used with.
    """
    if classifier.task.regression:
        return 0
    found = predicted_classes(classifier.task, logits, thresholds)
    known = predicted_classes(classifier.task, expected, classifier.thresholds)
    return int((found != known).reshape(len(logits), -1).any(axis=1).sum())


def _arrays(rows: EncodedRows, batch: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    tensors = rows.collate(batch)
    return {name: tensors[name].numpy().astype(np.int64) for name in _INPUTS if name in tensors}


def _seconds(act: Any) -> float:
    """Return the time of a call, after one that warms up."""
    act()
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


@contextmanager
def _silent() -> Iterator[None]:
    """Suppress the exporter's warnings, which concern packages that are not needed, and its own internals."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
