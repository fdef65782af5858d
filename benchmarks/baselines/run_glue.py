"""One trial as transformers' ``examples/pytorch/text-classification/run_glue.py`` runs it, in a process of its own.

``--do_train --do_eval`` with its default of padding every row to ``--max_seq_length 128``; float32. The last line it
prints is JSON: when its steps began and ended, and its scores.
"""

from __future__ import annotations

import argparse
import json

from transformers import Trainer, default_data_collator, set_seed

from benchmarks.baselines.trial import StepClock, compute_metrics, load_model, load_rows, training_arguments
from benchmarks.baselines.work import Work


def fine_tune_point(work: Work, number: int, folder: str) -> StepClock:
    """Trains a point and evaluates it once more at the end, as ``run_glue.py`` does."""
    arguments = training_arguments(work.points[number], folder, work.seed)
    set_seed(arguments.seed)
    model = load_model(work)
    tokenizer, train, selection = load_rows(work, padding=True)
    clock = StepClock()
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=train,
        eval_dataset=selection,
        compute_metrics=compute_metrics,
        processing_class=tokenizer,
        data_collator=default_data_collator,
        callbacks=[clock],
    )
    result = trainer.train()
    trainer.save_model()
    trainer.log_metrics("train", result.metrics)
    trainer.save_metrics("train", result.metrics)
    trainer.save_state()
    metrics = trainer.evaluate(eval_dataset=selection)
    trainer.log_metrics("eval", metrics)
    trainer.save_metrics("eval", metrics)
    return clock


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", required=True, help="file of Work.save")
    parser.add_argument("--point", type=int, required=True, help="which of its points")
    parser.add_argument("--output-dir", required=True)
    options = parser.parse_args()
    print(json.dumps(fine_tune_point(Work.load(options.work), options.point, options.output_dir).times()))
