"""Fingerprints of rows and of their tokens: those of equal rows in equal order are equal, whatever the file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from gluetune.data.encoding import EncodedRows
from gluetune.data.examples import Examples

TRAIN, SELECTION = "train", "selection"


def fingerprint(examples: Examples) -> str:
    """The SHA-256 of column names, texts and labels, in order.

    Args:
        examples: rows with or without labels. Task, split and source are left out: rows keep their fingerprint when
            the same content moves to another file.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for name, texts in examples.columns.items():
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        digest.update(f"{name}\0{len(encoded)}\0".encode())
        digest.update(np.fromiter(map(len, encoded), "<i8", len(encoded)).tobytes())  # no two cuts of a text are equal
        digest.update(b"".join(encoded))
    labels = examples.labels
    digest.update(b"no labels" if labels is None else labels.dtype.kind.encode() + labels.tobytes())
    return digest.hexdigest()


def token_fingerprint(encoded: EncodedRows) -> str:
    """The SHA-256 of rows' token ids and segments; labels are left out."""
    digest = hashlib.sha256()
    for array in (encoded.input_ids, encoded.offsets, encoded.boundaries):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def split_fingerprints(train: Examples, selection: Examples, dev: Mapping[str, Examples]) -> dict[str, str]:
    """Fingerprints of all rows that a task of a search uses: by `TRAIN`, `SELECTION` and the names of dev splits."""
    return {name: fingerprint(rows) for name, rows in {TRAIN: train, SELECTION: selection, **dev}.items()}
