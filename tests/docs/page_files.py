"""Sample files that pages of the documentation name; all rows are generated, the same in every run."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from examples.data.make_data import complaints, labelled_several, tickets, write_rows
from gluetune.pretraining import prepare_synthetic_encoder

_COLUMNS = ("title", "body", "topic", "customer_id")


def _tickets(seed: int, rows: int, columns: tuple[str, ...] = _COLUMNS) -> Callable[[Path], None]:
    return lambda path: write_rows(path, tickets(random.Random(seed), rows), columns)


def _moods(path: Path) -> None:
    """Write JSON lines with a text and a list of labels."""
    rows = labelled_several(random.Random(8), 300)
    lines = [json.dumps({"text": row["text"], "moods": row["topics"].split("|")}) for row in rows]
    path.write_text("\n".join(lines) + "\n")


def _sentences(path: Path) -> None:
    """Write rows of CoLA without labels."""
    lines = ["The book was read by all.", "The book was read by.", "A cat sees the large dog."]
    path.write_text("\n".join(["sentence", *lines]) + "\n")


def _labelled_sentences(path: Path) -> None:
    """Write rows of CoLA with labels."""
    lines = ["The book was read by all.,1", "The book was read by.,0", "A cat sees the large dog.,1"]
    path.write_text("\n".join(["sentence,label", *lines]) + "\n")


def _encoder(path: Path) -> None:
    """Stand in for an encoder of the hub: the synthetic one, in a folder that has the other's name."""
    shutil.copytree(prepare_synthetic_encoder(), path)


# What writes each file or folder.
SAMPLE_FILES: dict[str, Callable[[Path], None]] = {
    "tickets.csv": _tickets(1, 400),
    "dev.csv": _tickets(2, 100),
    "test.csv": _tickets(3, 100),
    "later.csv": _tickets(4, 60),
    "new.csv": _tickets(5, 12, ("title", "body")),
    "complaints.csv": lambda path: write_rows(path, complaints(random.Random(6), 400)),
    "data/complaints.csv": lambda path: write_rows(path, complaints(random.Random(6), 400)),
    "topics.csv": lambda path: write_rows(path, labelled_several(random.Random(7), 300)),
    "moods.jsonl": _moods,
    "rows.csv": _sentences,
    "labelled.csv": _labelled_sentences,
    "bert-base-uncased": _encoder,
    "sentence-transformers/all-MiniLM-L6-v2": _encoder,
}


def write_sample(name: str, folder: Path) -> None:
    """Write a sample file.

    Args:
        name: a key of `SAMPLE_FILES`.
        folder: the page's folder.
    """
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    SAMPLE_FILES[name](path)
