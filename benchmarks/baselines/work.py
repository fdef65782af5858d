"""The work of a baseline, in a file: the same rows and configurations as gluetune's."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Work:
    """A grid on one task of single sentences.

    Attributes:
        model: the encoder's folder or name.
        train: training rows: ``sentence`` and ``label``.
        selection: rows to evaluate on after every epoch, in the same form.
        num_labels: number of classes.
        max_seq_length: most tokens per row.
        seed: of heads, data orders and dropout.
        points: settings by name of `gluetune.config.TrainingConfig`, one mapping per trial.
    """

    model: str
    train: dict[str, list[Any]]
    selection: dict[str, list[Any]]
    num_labels: int
    max_seq_length: int
    seed: int
    points: list[dict[str, Any]]

    def save(self, file: Path) -> Path:
        """Writes it as JSON; returns the file."""
        file.write_text(json.dumps(asdict(self)))
        return file

    @classmethod
    def load(cls, file: str | Path) -> Work:
        """Read a file that `save` wrote."""
        return cls(**json.loads(Path(file).read_text()))
