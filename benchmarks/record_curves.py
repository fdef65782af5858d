"""Records learning curves of a whole grid, for `benchmarks.efficiency` to search in without training.

    python -m benchmarks.record_curves --tasks cola,mrpc,sst2 --out benchmarks/curves

Trains in this process, one point after the other, by the same code as a lane does; no Ray. A point recorded already is
left alone, so that an interrupted recording can be gone on with.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.curve_files import Curves, Point, load_curves
from gluetune.config import DataConfig, ModelConfig, TrainingConfig, Value
from gluetune.data import EncodedTask, open_source, prepare_task
from gluetune.errors import DivergedError
from gluetune.models import Encoder, load_encoder, load_tokenizer
from gluetune.pretraining import prepare_synthetic_encoder
from gluetune.tasks import get_task
from gluetune.training import Evaluation, fine_tune

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


def record(curves: Curves, data: EncodedTask, encoder: Encoder, file: Path) -> None:
    """Trains every point that is not recorded yet, and writes the file after each."""
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
        fine_tune(get_task(curves.task), data, encoder, settings, curves.seed, report=report)
    except DivergedError:
        return scores
    return scores


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
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
        record(curves, data, encoder, file)


if __name__ == "__main__":
    main()
