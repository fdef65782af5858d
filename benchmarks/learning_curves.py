"""Recorded learning curves of whole grids on one task each, and the program that records them."""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gluetune.config import DataConfig, ModelConfig, SearchSpace, TrainingConfig, Value
from gluetune.data import EncodedTask, open_source, prepare_task
from gluetune.errors import DivergedError
from gluetune.events import Evaluation
from gluetune.models import Encoder, load_encoder, load_tokenizer
from gluetune.pretraining import prepare_synthetic_encoder
from gluetune.tasks import get_task
from gluetune.training import train_trial

FOLDER = Path(__file__).with_name("curves")

Point = tuple[Value, ...]


@dataclass
class Curves:
    """One task's grid, recorded.

    Attributes:
        task: the task's name.
        source: a description of where its rows came from.
        encoder: a description of the encoder.
        metric: name of the scores' metric.
        train_rows, selection_rows: how many rows there were.
        seed: of the rows drawn, of head, data order and dropout.
        training: training settings that are not searched and not gluetune's defaults.
        space: values by searched field.
        points: points of the grid to try first, whatever the algorithm.
        scores: selection score after each epoch, by point (values in the order of ``space``); fewer than the
            trial's epochs where it diverged.
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
        """Return the epochs that a point trains unless a scheduler stops it.

        A trial that diverged ends in the epoch after its last score.
        """
        planned = dict(zip(self.space, point, strict=True)) | self.training
        whole = int(planned.get("num_train_epochs", TrainingConfig().num_train_epochs))
        return min(whole, len(self.scores[point]) + 1)

    @property
    def total_epochs(self) -> int:
        """Epochs of the whole grid."""
        return sum(map(self.epochs, self.scores))

    def save(self, file: Path) -> None:
        """Write the curves, a line for each point."""
        head = asdict(self)
        del head["scores"]
        lines = ",\n".join(
            f"  {json.dumps([list(point), [round(score, 6) for score in scores]])}"
            for point, scores in self.scores.items()
        )
        file.write_text(f'{json.dumps(head, indent=1)[:-2]},\n "scores": [\n{lines}\n ]\n}}\n', encoding="utf-8")


def load_curves(file: Path) -> Curves:
    """Read a file that `Curves.save` wrote."""
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return Curves(**(content | {"scores": {tuple(point): scores for point, scores in content["scores"]}}))


def recorded_curves() -> Iterator[Curves]:
    """Yield all curves in `FOLDER`."""
    return (load_curves(file) for file in sorted(FOLDER.glob("*.json")))


SPACE: dict[str, list[Value]] = {
    "learning_rate": [1e-3, 5e-4, 3e-4, 1e-4, 5e-5, 3e-5],
    "batch_size": [8, 16, 32],
    "warmup_ratio": [0.0, 0.1, 0.3],
}
"""Around the lists of Turc et al. 2019 (arXiv:1908.08962), who tuned encoders of this size."""
POINTS: list[dict[str, Value]] = [
    {"learning_rate": rate, "batch_size": 16, "warmup_ratio": 0.1} for rate in (3e-4, 1e-4)
]
"""Those of ``search_spaces/compact_bert.yaml``, at gluetune's default warm-up."""
TRAINING: dict[str, Value] = {"num_train_epochs": 5}


def record_curves(curves: Curves, data: EncodedTask, encoder: Encoder, file: Path) -> None:
    """Train every point that is not recorded yet, and write the file after each."""
    for point in itertools.product(*curves.space.values()):
        if point in curves.scores:
            continue
        began = time.monotonic()
        curves.scores[point] = _train(curves, point, data, encoder)
        curves.save(file)
        print(
            f"{curves.task} {len(curves.scores)}: {point} {time.monotonic() - began:.1f} s, "
            f"best {max(curves.scores[point], default=float('nan')):.4f}",
            flush=True,
        )


def _train(curves: Curves, point: Point, data: EncodedTask, encoder: Encoder) -> list[float]:
    scores: list[float] = []

    def report(evaluation: Evaluation) -> bool:
        scores.append(evaluation.score)
        return True

    settings = curves.search_space.resolve(TrainingConfig(), dict(zip(curves.space, point, strict=True)))
    try:
        train_trial(get_task(curves.task), data, encoder, settings, curves.seed, report=report)
    except DivergedError:
        return scores
    return scores


def main(arguments: Sequence[str] | None = None) -> None:
    """Record the curves that the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tasks", required=True, help="names, with commas")
    parser.add_argument("--out", type=Path, required=True, help="folder of the files")
    parser.add_argument("--glue-dir", help="the official GLUE folder; without it: the generated data")
    parser.add_argument("--model", help="encoder by name or folder; without it: the synthetic one")
    parser.add_argument("--rows", type=int, default=1000, help="training rows, and at most as many selection rows")
    parser.add_argument("--seed", type=int, default=42)
    flags = parser.parse_args(arguments)
    config = DataConfig(
        source="dir" if flags.glue_dir else "synthetic",
        dir=flags.glue_dir,
        selection_fraction=0.5,
        max_train_samples=flags.rows,
        max_eval_samples=flags.rows,
    )
    model = ModelConfig(name_or_path=flags.model or prepare_synthetic_encoder())
    encoder, tokenizer = load_encoder(model, flags.seed), load_tokenizer(model)
    flags.out.mkdir(parents=True, exist_ok=True)
    for name in flags.tasks.split(","):
        task = get_task(name)
        data = prepare_task(task, open_source(config), tokenizer, config, flags.seed)
        file = flags.out / f"{name}{'_official' if flags.glue_dir else ''}.json"
        curves = (
            load_curves(file)
            if file.exists()
            else Curves(
                name,
                "official GLUE rows" if flags.glue_dir else data.source,
                flags.model or "synthetic",
                task.primary,
                len(data.train),
                len(data.selection),
                flags.seed,
                TRAINING,
                SPACE,
                POINTS,
            )
        )
        record_curves(curves, data, encoder, file)


if __name__ == "__main__":
    main()
