"""Recorded learning curves: the score after every epoch of every point of a grid, on one task.

Scores only, never rows: what is recorded on data that may not be passed on can be passed on itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gluetune.config import SearchSpace, TrainingConfig, Value

FOLDER = Path(__file__).with_name("curves")

Point = tuple[Value, ...]


@dataclass
class Curves:
    """One task's grid, recorded.

    Attributes:
        task: the task's name.
        source: where its rows came from, in words.
        encoder: what was fine-tuned, in words.
        metric: what the scores are.
        train_rows, selection_rows: how many rows there were.
        seed: of the rows drawn, of head, data order and dropout.
        training: training settings that are not searched and not gluetune's defaults.
        space: values by searched field.
        points: points of the grid to try first, by whatever algorithm.
        scores: selection score after each epoch, by point (values in the order of ``space``); fewer than the trial's
            epochs where it diverged.
    """

    task: str
    source: str
    encoder: str
    metric: str
    train_rows: int
    selection_rows: int
    seed: int
    training: dict[str, Value]
    space: dict[str, list[Value]]
    points: list[dict[str, Value]] = field(default_factory=list)
    scores: dict[Point, list[float]] = field(default_factory=dict)

    @property
    def search_space(self) -> SearchSpace:
        """The grid as a search space."""
        return SearchSpace.model_validate(
            {
                "name": f"recorded-{self.task}",
                "training": self.training,
                "points": self.points,
                "space": {name: {"type": "choice", "values": values} for name, values in self.space.items()},
            }
        )

    @property
    def best(self) -> float:
        """The grid's best score."""
        return max(score for scores in self.scores.values() for score in scores)

    def epochs(self, point: Point) -> int:
        """Epochs that a point trains if nobody stops it; one that diverged ends in the epoch after its last score."""
        planned = dict(zip(self.space, point, strict=True)) | self.training
        whole = int(planned.get("num_train_epochs", TrainingConfig().num_train_epochs))
        return min(whole, len(self.scores[point]) + 1)

    @property
    def total_epochs(self) -> int:
        """Epochs of the whole grid."""
        return sum(map(self.epochs, self.scores))

    def save(self, file: Path) -> None:
        """Writes the curves, a line for each point."""
        head = asdict(self)
        del head["scores"]
        lines = ",\n".join(
            f"  {json.dumps([list(point), [round(score, 6) for score in scores]])}"
            for point, scores in self.scores.items()
        )
        file.write_text(f'{json.dumps(head, indent=1)[:-2]},\n "scores": [\n{lines}\n ]\n}}\n', encoding="utf-8")


def load_curves(file: Path) -> Curves:
    """Reads what `Curves.save` wrote."""
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return Curves(**(content | {"scores": {tuple(point): scores for point, scores in content["scores"]}}))


def recorded() -> Iterator[Curves]:
    """All curves that come with gluetune."""
    return (load_curves(file) for file in sorted(FOLDER.glob("*.json")))
