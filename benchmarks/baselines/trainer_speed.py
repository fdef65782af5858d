"""Training on one task with ``transformers.Trainer``, in a process of its own; prints its speed as JSON."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from datasets import Dataset
from transformers import (
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    default_data_collator,
    set_seed,
)

from benchmarks.baselines.run_glue import load_model, settings
from benchmarks.baselines.work import WARM_UP, Speed, Work, argument_parser, print_speed, single_worker
from gluetune.tasks import Task
from gluetune.training.distributed_context import use_bf16


def measure_trainer(work: Work, task: Task, folder: str, *, padded: bool, sampling: str) -> Speed:
    """Train without evaluations, checkpoints and logs.

    Args:
        work: model, rows and settings.
        task: the task.
        folder: ``output_dir``.
        padded: whether all rows are as long as the longest allowed, else as their batch's longest.
        sampling: ``train_sampling_strategy``; before transformers 5, ``group_by_length`` was an option of that name.
    """
    arguments = speed_arguments(work.points[0], folder, work.seed, sampling)
    set_seed(arguments.seed)
    tokenizer = AutoTokenizer.from_pretrained(work.model)

    def preprocess(texts: dict[str, list[Any]]) -> Any:
        return tokenizer(
            *(texts[name] for name in task.columns),
            padding="max_length" if padded else False,
            max_length=work.max_seq_length,
            truncation=True,
        )

    batches = Counted(default_data_collator if padded else DataCollatorWithPadding(tokenizer))
    clock = EpochClock(WARM_UP)
    rows = Dataset.from_dict(work.train).map(preprocess, batched=True)
    Trainer(
        model=load_model(work),
        args=arguments,
        train_dataset=rows,
        processing_class=tokenizer,
        data_collator=cast(Any, batches),
        callbacks=[clock],
    ).train()
    measured = batches.counts[clock.first_step :]
    return Speed(sum(rows for rows, _ in measured), sum(tokens for _, tokens in measured), clock.seconds)


def speed_arguments(point: dict[str, Any], folder: str, seed: int, sampling: str) -> TrainingArguments:
    """``Trainer``'s defaults with the point's settings, and bfloat16 where gluetune uses it."""
    return TrainingArguments(
        output_dir=folder,
        seed=seed,
        train_sampling_strategy=sampling,
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        report_to=[],
        bf16=use_bf16("auto", single_worker()),
        **settings(point),
    )


class Counted:
    """A data collator that counts rows and tokens of every batch, padding left out.

    Args:
        collate: makes the batches.

    Attributes:
        counts: rows and tokens by batch.
    """

    def __init__(self, collate: Callable[[list[Any]], Mapping[str, torch.Tensor]]) -> None:
        self._collate = collate
        self.counts: list[tuple[int, int]] = []

    def __call__(self, rows: list[Any]) -> Mapping[str, torch.Tensor]:
        """Make a batch."""
        batch = self._collate(rows)
        self.counts.append((len(rows), int(batch["attention_mask"].sum())))
        return batch


class EpochClock(TrainerCallback):
    """Measures the time of the steps from an epoch's first one to the end of the training.

    Args:
        epoch: from 0.

    Attributes:
        first_step: number of steps before the epoch.
        seconds: the time of those steps.
    """

    def __init__(self, epoch: int, now: Callable[[], float] = time.perf_counter) -> None:
        self._epoch, self._now, self._began = epoch, now, 0.0
        self.first_step, self.seconds = 0, 0.0

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any) -> None:
        """Record the start of a step."""
        if not self._began and state.epoch >= self._epoch:
            self.first_step, self._began = state.global_step, self._time()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any) -> None:
        """Record the end of a step."""
        if state.global_step == state.max_steps:
            self.seconds = self._time() - self._began

    def _time(self) -> float:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return self._now()


if __name__ == "__main__":
    parser = argument_parser()
    parser.add_argument("--padding", required=True, choices=("max_length", "longest"))
    parser.add_argument("--sampling", required=True, choices=("random", "group_by_length"))
    parser.add_argument("--output-dir", required=True)
    options = parser.parse_args()
    print_speed(
        options,
        lambda work, task: measure_trainer(
            work, task, options.output_dir, padded=options.padding == "max_length", sampling=options.sampling
        ),
    )
