"""What all comparisons of a benchmark run share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Setting:
    """What is measured on.

    Attributes:
        scratch: an empty folder for runs, encoders and logs.
        glue_dir: the official GLUE folder; ``None``: the generated data.
        model: encoder by name or folder, beside the synthetic one; ``None``: one of MiniLM's shape (Wang et al. 2020:
            6 layers, 384 wide, 12 heads, ffn 1,536) with random weights, which trains as fast as the real one.
        max_train_samples: training rows per task.
        max_eval_samples: selection rows per task.
        trials: only so many points of the grid, the first ones; ``None``: all.
        tokenised_rows: rows of the large task that is tokenised.
        address: Ray cluster; ``None``: a local one is started where one is needed.
        seed: of data, searches and models.
        note: tells the user what is going on.
    """

    scratch: Path
    glue_dir: str | None = None
    model: str | None = None
    max_train_samples: int = 256
    max_eval_samples: int = 256
    trials: int | None = None
    tokenised_rows: int = 400_000
    address: str | None = None
    seed: int = 42
    note: Callable[[str], None] = field(default=lambda _: None, repr=False)
