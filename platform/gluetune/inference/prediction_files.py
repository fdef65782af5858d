"""Files of predictions: comma- or tab-separated text, JSON lines, or Parquet, by the ending of the file's name."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from gluetune.errors import ConfigError, ConfigIssue, did_you_mean
from gluetune.inference.predictions import Predictions
from gluetune.storage.output_file import replaces, write_output

_DECIMALS = 6  # of numbers in text


def write_predictions(predictions: Predictions, target: str | Path | BinaryIO) -> None:
    """Write predictions to a file in the format that its ending names; links and devices included.

    Columns: ``index`` (rows count from 0), ``label``, ``probability`` (the label's), then ``probability_<class>`` for
    each class; for regression ``index`` and ``score``. For a multi-label task ``labels`` holds the names of all classes
    that are predicted, and no single ``probability`` is written.

    - ``.csv`` and ``.tsv`` have a header, and six decimals; ``labels`` is a JSON list. Cells of ``.csv`` are quoted
      where they must be.
    - ``.jsonl`` has one object per row, with six decimals; ``probabilities`` is an object from class to probability.
    - ``.parquet`` has the columns with all their digits; ``labels`` is a list.

    Args:
        predictions: the rows.
        target: a file, local or by URI, or an open binary stream, which stays open. Streams, devices and pipes get
            tab-separated text unless their name ends as one of the formats.

    Raises:
        ConfigError: the ending names no format.
        StorageError: the file cannot be written.
    """
    if isinstance(target, str | Path):
        write_output(target, _WRITERS[prediction_format(target)](predictions))
        return
    target.write(_tsv(predictions))
    target.flush()


def prediction_format(target: str | Path) -> str:
    """Return the ending that names the format of a file of predictions, such as ``.csv``.

    Args:
        target: the file, local or by URI; ``.tsv`` is that of devices and pipes whose name has no known ending.

    Raises:
        ConfigError: the ending names no format.
    """
    ending = Path(str(target)).suffix.lower()
    if ending in _WRITERS:
        return ending
    if not replaces(target):
        return ".tsv"
    known = ", ".join(_WRITERS)
    hint = did_you_mean(ending, _WRITERS)
    raise ConfigError(
        [ConfigIssue("--output", f"must be a file that ends in one of {known}, but got {target!s}{hint}")]
    )


def _tsv(predictions: Predictions) -> bytes:
    return "".join("\t".join(cells) + "\n" for cells in _cells(predictions)).encode()


def _csv(predictions: Predictions) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(_cells(predictions))
    return text.getvalue().encode()


def _cells(predictions: Predictions) -> Iterator[tuple[str, ...]]:
    """Yield the header and the rows of a file of text."""
    names = predictions.task.labels
    rows = _rows(predictions)
    if predictions.task.regression:
        yield "index", "score"
        yield from ((str(index), f"{row['score']:.{_DECIMALS}f}") for index, row in enumerate(rows))
        return
    decided = ("labels",) if predictions.task.multi_label else ("label", "probability")
    yield "index", *decided, *(f"probability_{name}" for name in names)
    for index, row in enumerate(rows):
        shares = (f"{share:.{_DECIMALS}f}" for share in row["probabilities"])
        if predictions.task.multi_label:
            yield str(index), json.dumps(row["labels"], ensure_ascii=False), *shares
        else:
            yield str(index), row["label"], f"{row['probability']:.{_DECIMALS}f}", *shares


def _rows(predictions: Predictions) -> Iterator[dict[str, Any]]:
    """Yield what is predicted of each row: ``score``, or ``label`` or ``labels`` and the probabilities."""
    if predictions.task.regression:
        yield from ({"score": float(score)} for score in predictions.scores)
        return
    probabilities = predictions.probabilities.tolist()
    if predictions.task.multi_label:
        for chosen, shares in zip(predictions.label_sets, probabilities, strict=True):
            yield {"labels": chosen, "probabilities": shares}
        return
    for number, shares in zip(predictions.label_ids.tolist(), probabilities, strict=True):
        yield {"label": predictions.task.labels[number], "probability": shares[number], "probabilities": shares}


def _json_lines(predictions: Predictions) -> bytes:
    names = predictions.task.labels

    def plain(key: str, value: Any) -> Any:
        if key == "probabilities":
            return {name: round(share, _DECIMALS) for name, share in zip(names, value, strict=True)}
        return round(value, _DECIMALS) if isinstance(value, float) else value

    rows = ({"index": index} | row for index, row in enumerate(_rows(predictions)))
    lines = (json.dumps({key: plain(key, value) for key, value in row.items()}, ensure_ascii=False) for row in rows)
    return "".join(f"{line}\n" for line in lines).encode()


def _parquet(predictions: Predictions) -> bytes:
    import pyarrow as pa  # slow to import
    from pyarrow import parquet

    task, count = predictions.task, len(predictions)
    columns: dict[str, Any] = {"index": pa.array(range(count), pa.int64())}
    if task.regression:
        columns["score"] = pa.array(predictions.scores, pa.float32())
    else:
        shares = predictions.probabilities
        if task.multi_label:
            columns["labels"] = pa.array(predictions.label_sets, pa.list_(pa.string()))
        else:
            columns["label"] = pa.array(predictions.labels, pa.string())
            columns["probability"] = pa.array(shares[range(count), predictions.label_ids], pa.float64())
        columns |= {
            f"probability_{name}": pa.array(shares[:, number], pa.float64()) for number, name in enumerate(task.labels)
        }
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table(columns), sink)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


_WRITERS: dict[str, Callable[[Predictions], bytes]] = {
    ".csv": _csv,
    ".tsv": _tsv,
    ".jsonl": _json_lines,
    ".parquet": _parquet,
}
