"""``Trainer.hyperparameter_search`` with Optuna over the points of a grid: one process, batches padded when made."""

from __future__ import annotations

import argparse
import json
from typing import Any

from optuna import Trial
from optuna.samplers import GridSampler
from transformers import DataCollatorWithPadding, PreTrainedModel, Trainer

from benchmarks.baselines.run_glue import (
    METRIC,
    compute_metrics,
    load_model,
    load_rows,
    settings,
    training_arguments,
)
from benchmarks.baselines.work import Work


def search_grid(work: Work, folder: str) -> float:
    """Train every point once; return the best trial's score, that of its last evaluation."""
    tokenizer, train, selection = load_rows(work, padding=False)

    def model_init() -> PreTrainedModel:
        return load_model(work)

    trainer = Trainer(
        model_init=model_init,
        args=training_arguments(work.points[0], folder, work.seed),
        train_dataset=train,
        eval_dataset=selection,
        compute_metrics=compute_metrics,
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer),
    )

    def hp_space(trial: Trial) -> dict[str, Any]:
        return settings(work.points[trial.suggest_categorical("point", range(len(work.points)))])

    best: Any = trainer.hyperparameter_search(
        hp_space=hp_space,
        compute_objective=lambda metrics: metrics[f"eval_{METRIC}"],
        n_trials=len(work.points),
        direction="maximize",
        backend="optuna",
        sampler=GridSampler({"point": range(len(work.points))}, work.seed),
    )
    return float(best.objective)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", required=True, help="file of Work.save")
    parser.add_argument("--output-dir", required=True)
    options = parser.parse_args()
    print(json.dumps({"scores": [search_grid(Work.load(options.work), options.output_dir)]}))
