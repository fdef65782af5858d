"""One trial as transformers' ``examples/pytorch/text-classification/run_glue.py`` runs it, in a process of its own.

``--do_train --do_eval`` with its default of padding every row to ``--max_seq_length 128``; float32. The last line it
prints is JSON: when its steps began and ended, and its scores. The other baselines share its settings, rows and clock.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from sklearn.metrics import matthews_corrcoef
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    EvalPrediction,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    default_data_collator,
    set_seed,
)

from benchmarks.baselines.work import Work

METRIC = "matthews_correlation"


def training_arguments(point: dict[str, Any], folder: str, seed: int) -> TrainingArguments:
    """``run_glue.py``'s defaults with a point's settings, model selection and bfloat16.

    That is an evaluation and a checkpoint every epoch, of which the best is kept and loaded at the end; and bfloat16
    where the GPU has it, as gluetune does.
    """
    return TrainingArguments(
        bf16=torch.cuda.is_available() and torch.cuda.is_bf16_supported(),
        output_dir=folder,
        seed=seed,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,
        load_best_model_at_end=True,
        metric_for_best_model=METRIC,
        **settings(point),
    )


def settings(point: dict[str, Any]) -> dict[str, Any]:
    """Return a point by the names of ``TrainingArguments``, whose ``warmup_steps`` below 1 is a share of all steps."""
    return {
        "learning_rate": point["learning_rate"],
        "per_device_train_batch_size": point["batch_size"],
        "num_train_epochs": point["num_train_epochs"],
        "warmup_steps": point["warmup_ratio"],
        "weight_decay": point["weight_decay"],
        "lr_scheduler_type": point["lr_scheduler_type"],
    }


def load_model(work: Work) -> PreTrainedModel:
    """Return the encoder under a new head."""
    model: PreTrainedModel = AutoModelForSequenceClassification.from_pretrained(work.model, num_labels=work.num_labels)
    return model


def load_rows(work: Work, *, padding: bool) -> tuple[PreTrainedTokenizerBase, Dataset, Dataset]:
    """Tokenizer and tokenized rows; with ``padding`` all are as long as the longest allowed."""
    tokenizer = AutoTokenizer.from_pretrained(work.model)

    def preprocess(examples: dict[str, list[Any]]) -> Any:
        return tokenizer(
            examples["sentence"],
            padding="max_length" if padding else False,
            max_length=work.max_seq_length,
            truncation=True,
        )

    train, selection = (Dataset.from_dict(rows).map(preprocess, batched=True) for rows in (work.train, work.selection))
    return tokenizer, train, selection


def compute_metrics(prediction: EvalPrediction) -> dict[str, float]:
    """CoLA's metric, as ``evaluate``'s ``glue`` computes it."""
    return {METRIC: float(matthews_corrcoef(prediction.label_ids, np.argmax(prediction.predictions, axis=1)))}


class StepClock(TrainerCallback):
    """Records when a trial trains and evaluates.

    Attributes:
        first_step: ``time.time()`` when the first step began.
        last_step: when the last one was done.
        busy_until: when the last evaluation was done.
        busy_seconds: from the first step of each epoch to the end of its evaluation, together.
        scores: of the evaluations.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now, self._began = now, 0.0
        self.first_step, self.last_step, self.busy_until, self.busy_seconds = 0.0, 0.0, 0.0, 0.0
        self.scores: list[float] = []

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any) -> None:
        """Record the start of a step."""
        self._began = self._began or self._now()
        self.first_step = self.first_step or self._began

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any) -> None:
        """Record the end of a step."""
        self.last_step = self._now()

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any) -> None:
        """Record the end of an epoch's evaluation; one after the training does not count."""
        if not self._began:
            return
        self.busy_until = self._now()
        self.busy_seconds += self.busy_until - self._began
        self._began = 0.0
        self.scores.append(more["metrics"][f"eval_{METRIC}"])

    def times(self) -> dict[str, Any]:
        """Return the recorded times, for JSON."""
        return {
            "first_step": self.first_step,
            "last_step": self.last_step,
            "busy_until": self.busy_until,
            "busy_seconds": self.busy_seconds,
            "scores": self.scores,
        }


def fine_tune_point(work: Work, number: int, folder: str) -> StepClock:
    """Train a point and evaluate it once more at the end, as ``run_glue.py`` does."""
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
